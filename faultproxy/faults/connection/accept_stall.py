"""`accept_stall`: the port listens, and nobody is accepted."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from faultproxy.core.plan import Listening
from faultproxy.faults.base import ListenerFault


class AcceptStall(ListenerFault):
    """Accepts nobody. The kernel still completes the handshake of `backlog` + 1 clients (Linux counts so), who are connected and get
    no answer; with the queue full, the connects of the others hang. Healing accepts those who still wait, in their order.

    It fires when a client waits. The kernel's own bound, `net.core.somaxconn`, holds as well.
    """

    example: ClassVar[str] = 'kind = "accept_stall"\nbacklog = 1\nat = "5s"\nlasts = "3s"\n'

    kind: Literal["accept_stall"] = "accept_stall"
    backlog: int = Field(0, ge=0, le=65535, description="the length of the accept queue, as `listen` takes it")

    def listen(self, listening: Listening) -> Listening:
        """Stalled, with the shorter of the queues that are wanted."""
        backlog = self.backlog if listening.backlog is None else min(self.backlog, listening.backlog)
        return replace(listening, stalled=True, backlog=backlog)
