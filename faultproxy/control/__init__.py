"""The control plane: many proxies in one process, steered over HTTP while they run."""

HERE = "http://127.0.0.1:8474"
"""Where a daemon listens that was told nothing else."""
