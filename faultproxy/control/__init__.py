"""The control plane: many proxies in one process, steered over HTTP while they run."""
