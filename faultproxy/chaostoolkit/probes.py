"""What an experiment can ask of a daemon, for its steady state and for what it finds."""

from __future__ import annotations

from typing import Any

from chaoslib.exceptions import ActivityFailed

from faultproxy.chaostoolkit import Given, daemon

__all__ = ["fault_fired", "is_listening", "leg", "open_connections", "proxy_state"]


def proxy_state(proxy: str, api: str | None = None, configuration: Given = None, secrets: Given = None) -> dict[str, Any]:
    """All that is known of a proxy: address, counts of connections and bytes, its faults and what they have done."""
    with daemon(api, configuration, secrets) as client:
        state: dict[str, Any] = client.get("proxies", proxy)
    return state


def is_listening(proxy: str, api: str | None = None, configuration: Given = None, secrets: Given = None) -> bool:
    """Whether clients can connect."""
    return bool(proxy_state(proxy, api, configuration, secrets)["listening"] == "listening")


def open_connections(proxy: str, api: str | None = None, configuration: Given = None, secrets: Given = None) -> int:
    """How many connections are open."""
    return int(proxy_state(proxy, api, configuration, secrets)["open"])


def fault_fired(proxy: str, fault: str, api: str | None = None, configuration: Given = None, secrets: Given = None) -> int:
    """How often a fault has acted: an experiment whose fault never did has shown nothing."""
    with daemon(api, configuration, secrets) as client:
        return int(client.get("proxies", proxy, "faults", fault)["fired"])


def leg(
    proxy: str, ordinal: int, side: str, field: str, api: str | None = None, configuration: Given = None, secrets: Given = None
) -> int | str:
    """A field of ``TCP_INFO`` of one of the proxy's own sockets: `side` is ``client`` or ``server``, `field` is, say, ``unacked``."""
    with daemon(api, configuration, secrets) as client:
        legs: dict[str, dict[str, int | str]] = client.get("proxies", proxy, "connections", str(ordinal))["legs"]
    if side not in legs or field not in legs[side]:
        raise ActivityFailed(f"connection {ordinal} of {proxy} has no {side}.{field}; it has: {', '.join(legs) or 'no legs'}")
    return legs[side][field]
