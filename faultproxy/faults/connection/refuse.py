"""`refuse`: nobody listens any more."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

from faultproxy.core.plan import Listening
from faultproxy.faults.base import ListenerFault


class Refuse(ListenerFault):
    """Closes the listening port: every SYN is answered with a RST, and a connect fails with `ECONNREFUSED`. Connections that are open
    stay open. Healing listens again on the same port.

    Clients that wait in the accept queue at that moment are reset.
    """

    example: ClassVar[str] = 'kind = "refuse"\nat = "5s"\nlasts = "3s"\n'

    kind: Literal["refuse"] = "refuse"

    def listen(self, listening: Listening) -> Listening:
        """Closed, whatever else is wanted."""
        return replace(listening, closed=True)
