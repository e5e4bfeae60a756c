"""Writes the segments of a run into a capture, each with what was decided about it."""

from __future__ import annotations

import time
from collections.abc import Sequence

from faultproxy.core import actions as do
from faultproxy.core.events import Tap
from faultproxy.core.header import Packet
from faultproxy.net.capture import Capture

LEG: dict[Tap, str] = {
    "from_client": "client - proxy",
    "to_client": "client - proxy",
    "from_server": "proxy - server",
    "to_server": "proxy - server",
    "c2s": "client - server",
    "s2c": "client - server",
}
"""The interface on which a capture shows the segments of a tap."""


class Recorder:
    """Told of every segment, and of what is decided. A segment that is lost is written too, with the comment that says so."""

    def __init__(self, capture: Capture) -> None:
        self.capture = capture
        self._waiting: dict[int, Packet] = {}
        self._held: dict[int, list[str]] = {}
        """What was said of those that got no verdict at once."""
        self._latest: int | None = None

    def passed(self, tap: Tap, packet: Packet) -> None:
        """A segment that no fault had to do with goes by."""
        self._write(tap, packet.raw, packet.outbound, packet.length, "")

    def judged(self, packet: Packet) -> None:
        """The core is about to be asked about a segment; its verdict may come later."""
        if packet.ref is not None:
            self._waiting[packet.ref] = packet
            self._latest = packet.ref

    def decided(self, actions: Sequence[do.Action]) -> None:
        """What was decided, about this segment or earlier ones."""
        said = [f"{action.fault}: {action.what}" for action in actions if isinstance(action, do.Fired)]
        for action in actions:
            match action:
                case do.Pass(tap, ref):
                    self._verdict(tap, ref, None, said)
                case do.Change(tap, ref, data):
                    self._verdict(tap, ref, data, [*said, "this is how it was sent on"])
                case do.Lose(tap, ref, held):
                    self._verdict(tap, ref, None, [*said, "kept back, to be sent later" if held else "it got no further"])
                case do.Inject(tap, data):
                    self._write(tap, data, tap.startswith("to_"), len(data), "; ".join([*said, "sent by faultproxy"]))
                case _:
                    pass
        if said and self._latest in self._waiting:
            self._held[self._latest] = said
        self._latest = None

    def _verdict(self, tap: Tap, ref: int, data: bytes | None, said: Sequence[str]) -> None:
        packet = self._waiting.pop(ref, None)
        if packet is not None:
            said = [*self._held.pop(ref, ()), *said]
            data = packet.raw if data is None else data
            length = packet.length if data is packet.raw else len(data)
            self._write(tap, data, packet.outbound, length, "; ".join(said))

    def _write(self, tap: Tap, data: bytes, outbound: bool, length: int, comment: str) -> None:
        number = self.capture.interface(LEG[tap])
        self.capture.packet(number, time.time(), data, outbound=outbound, length=length, comment=comment)
