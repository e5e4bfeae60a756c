"""``python -m faultproxy``."""

from faultproxy.cli import main

if __name__ == "__main__":
    main()
