"""What an experiment can do to the proxies of a daemon, and how it takes that back (rollbacks)."""

from __future__ import annotations

from typing import Any

from faultproxy.chaostoolkit import Given, daemon

__all__ = ["add_fault", "heal_all", "heal_fault", "kill_connection", "remove_fault", "set_enabled", "start_fault"]


def add_fault(
    proxy: str, fault: dict[str, Any], api: str | None = None, configuration: Given = None, secrets: Given = None
) -> dict[str, Any]:
    """Adds a fault, as a table of a scenario file, to connections that are open and to those to come."""
    with daemon(api, configuration, secrets) as client:
        added: dict[str, Any] = client.post("proxies", fault, proxy, "faults")
    return added


def remove_fault(proxy: str, fault: str, api: str | None = None, configuration: Given = None, secrets: Given = None) -> None:
    """Heals a fault and takes it out."""
    with daemon(api, configuration, secrets) as client:
        client.delete("proxies", proxy, "faults", fault)


def start_fault(proxy: str, fault: str, api: str | None = None, configuration: Given = None, secrets: Given = None) -> dict[str, Any]:
    """Starts a fault that the proxy has, packet faults included."""
    with daemon(api, configuration, secrets) as client:
        started: dict[str, Any] = client.post("proxies", None, proxy, "faults", fault, "start")
    return started


def heal_fault(proxy: str, fault: str, api: str | None = None, configuration: Given = None, secrets: Given = None) -> dict[str, Any]:
    """Heals a fault, which then rests until it is started."""
    with daemon(api, configuration, secrets) as client:
        healed: dict[str, Any] = client.post("proxies", None, proxy, "faults", fault, "heal")
    return healed


def heal_all(proxy: str, api: str | None = None, configuration: Given = None, secrets: Given = None) -> None:
    """Heals everything that goes wrong in a proxy: the rollback that is always right."""
    with daemon(api, configuration, secrets) as client:
        client.post("proxies", None, proxy, "heal")


def set_enabled(proxy: str, enabled: bool, api: str | None = None, configuration: Given = None, secrets: Given = None) -> dict[str, Any]:
    """Lets a proxy listen, or closes it with all its connections: the server is down."""
    with daemon(api, configuration, secrets) as client:
        state: dict[str, Any] = client.patch({"enabled": enabled}, "proxies", proxy)
    return state


def kill_connection(proxy: str, ordinal: int, api: str | None = None, configuration: Given = None, secrets: Given = None) -> None:
    """Ends one connection with a RST to both ends; `ordinal` counts from 1 by accept."""
    with daemon(api, configuration, secrets) as client:
        client.post("proxies", None, proxy, "connections", str(ordinal), "kill")
