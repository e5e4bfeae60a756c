"""faultproxy: a TCP proxy that injects faults, from scenario files or from Python.

Words, used everywhere in the same sense:

- A *client* connects to the proxy, a *server* is what the proxy connects to, a *connection* is the pair. *Ordinals* count from 1.
- *Directions* are `c2s` (client to server) and `s2c`. A direction has a *source* and a *sink*.
- A *leg* is one of the proxy's two sockets of a connection; it faces a *side*, `client` or `server`.
- *half-close*: one FIN sent, the other direction alive. *half-open*: one end gone, the other does not know.
- A *fault* has a *kind*; it *starts*, is *active*, *fires* when it acts on something, and *heals*: it ends, and what it held is released.
- A *plane* is what a fault works on: `stream` (bytes), `connection` (opening and closing) or `packet` (segments, datagrams).
- A *stage* is one fault in one direction of one connection; the stages of a direction make its *pipe*.
- A *scenario* is a TOML file that says who takes part, what goes wrong and when, and what must then be true.

From Python (in a trio program, `async with open_proxy(…)` likewise; in pytest, the fixture `faultproxy`)::

    import faultproxy

    with faultproxy.start_proxy("127.0.0.1:6379", ["latency delay=200ms direction=s2c"]) as proxy:
        ...  # connect to proxy.address
        with proxy.fault("stall_reads", direction="c2s"):
            ...  # what clients send is not read
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from faultproxy.embed import open_proxy as open_proxy
    from faultproxy.embed import start_proxy as start_proxy
    from faultproxy.net.proxy import Proxy as Proxy
    from faultproxy.net.relay import relay as relay
    from faultproxy.scenario import load as load

__version__ = "0.1.0"
__all__ = ["Proxy", "load", "open_proxy", "relay", "start_proxy"]

_WHERE = {
    "Proxy": "faultproxy.net.proxy",
    "load": "faultproxy.scenario",
    "open_proxy": "faultproxy.embed",
    "relay": "faultproxy.net.relay",
    "start_proxy": "faultproxy.embed",
}


def __getattr__(name: str) -> Any:
    # Imported when first asked for: `faultproxy --help` needs none of it, and would take three times as long.
    if name in _WHERE:
        from importlib import import_module  # noqa: PLC0415

        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'faultproxy' has no attribute {name!r}")
