"""What a segment looks like by its own header alone: its flags and the length of its payload (RFC 9293, 3.1).

Whatever has no memory can judge a shape: the packet plane, and the kernel itself, in a filter on a socket. That a segment is a
retransmission or a keep-alive is no shape, for it takes what came before to know it.
"""

from __future__ import annotations

from dataclasses import dataclass

FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = 1, 2, 4, 8, 16, 32, 64, 128
"""The flags, as the bits of the header's byte 13."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Segments with all flags of `set`, none of `clear`, and from `least` to `most` bytes of payload (None: any number).

    ValueError if no segment can be so: a flag both set and clear, a flag that is none, no length between the bounds.
    """

    set: int = 0
    clear: int = 0
    least: int = 0
    most: int | None = None

    def __post_init__(self) -> None:
        if self.set & self.clear:
            raise ValueError(f"no segment has flags that are set and clear at once: {self}")
        if not 0 <= self.set | self.clear <= 255:
            raise ValueError(f"a segment has eight flags: {self}")
        if self.least < 0 or (self.most is not None and self.most < self.least):
            raise ValueError(f"no payload is so long: {self}")

    def fits(self, flags: int, length: int) -> bool:
        """Whether a segment with these flags and so many bytes of payload has this shape."""
        return flags & (self.set | self.clear) == self.set and self.least <= length and (self.most is None or length <= self.most)

    def both(self, other: Shape) -> Shape | None:
        """The shape of all that has both shapes; None if nothing can."""
        bounds = [most for most in (self.most, other.most) if most is not None]
        wanted, unwanted, least, most = (
            self.set | other.set,
            self.clear | other.clear,
            max(self.least, other.least),
            min(bounds, default=None),
        )
        if wanted & unwanted or (most is not None and most < least):
            return None
        return Shape(wanted, unwanted, least, most)


SHAPES: dict[str, Shape] = {
    "syn": Shape(set=SYN, clear=ACK),
    "synack": Shape(set=SYN | ACK),
    "ack": Shape(set=ACK, clear=SYN | FIN | RST, most=0),
    "data": Shape(clear=SYN, least=1),
    "fin": Shape(set=FIN),
    "rst": Shape(set=RST),
    "any": Shape(),
}
"""The kinds of segments that are shapes, by the names that scenario files have for them. An `ack` carries nothing else; window updates,
keep-alive and window probes are `ack` too, or `data`, if they carry the one byte that they may."""
