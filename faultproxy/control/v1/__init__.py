"""Our own HTTP API, `/v1`: proxies, connections, faults, scenarios and the journal, with a typed OpenAPI document."""

from faultproxy.control.v1.api import build

__all__ = ["build"]
