"""Bytes in, lines out, however the bytes were cut."""

from __future__ import annotations


class LineTooLong(Exception):
    """A line passed the limit before its end came."""


class Lines:
    """What has been received and not yet taken. A line ends in LF; a CR before it belongs to the end."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._data = bytearray()
        self._searched = 0  # no LF before this offset: a line that drips in is not searched from its start each time

    def __len__(self) -> int:
        return len(self._data)

    def feed(self, data: bytes) -> None:
        """Add what was received."""
        self._data += data

    def line(self) -> str | None:
        """The next whole line without its end, or None until more is fed. Raises LineTooLong."""
        end = self._data.find(b"\n", self._searched)
        if end >= self._limit or (end < 0 and len(self._data) >= self._limit):
            raise LineTooLong
        if end < 0:
            self._searched = len(self._data)
            return None
        return self.take(end + 1).removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "replace")

    def take(self, count: int) -> bytes:
        """Up to `count` of the raw bytes, for answers that are no lines."""
        taken = bytes(self._data[:count])
        del self._data[:count]
        self._searched = 0
        return taken
