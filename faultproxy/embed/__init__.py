"""A proxy inside another program: `open_proxy` for trio, `start_proxy` (a thread of its own) for everybody else."""

from __future__ import annotations

from faultproxy.embed.given import Faults, Given, read
from faultproxy.embed.opening import OpenProxy, open_proxy
from faultproxy.embed.starting import StartedProxy, start_proxy

__all__ = ["Faults", "Given", "OpenProxy", "StartedProxy", "open_proxy", "read", "start_proxy"]
