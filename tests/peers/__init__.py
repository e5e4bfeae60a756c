"""The proxy between programs that the project did not write: redis, nginx, curl."""
