"""The blocks of a capture file that Wireshark and its kin open: pcapng, as draft-ietf-opsawg-pcapng describes it.

A file is a row of blocks, each of which tells its length at both ends, so that one that was cut off can be read up to the last whole
block. First comes a section header, then an interface before its first packet, then packets in any order. All numbers are little-endian
here, on every machine: the same packets give the same file.

What makes this format worth having is that a packet can carry a comment: here, what was done to it.
"""

from __future__ import annotations

import struct

RAW = 101
"""LINKTYPE_RAW: a packet begins with its IPv4 or IPv6 header."""

_SECTION, _INTERFACE, _PACKET = 0x0A0D0D0A, 1, 6
_BYTE_ORDER = 0x1A2B3C4D
_UNKNOWN_LENGTH = 0xFFFF_FFFF_FFFF_FFFF

# Options: the first two may be in any block; the others are numbered block by block.
_END, _COMMENT = 0, 1
_APPLICATION = 4
_NAME, _RESOLUTION = 2, 9
_FLAGS = 2
_INBOUND, _OUTBOUND = 1, 2

_MICROSECONDS = 6  # 10**-6 s; a float of today's date has no more to give
_LONGEST_OPTION = 0xFFFF


def section(application: str = "", comment: str = "") -> bytes:
    """What a file begins with: who wrote it, and what about. The section's length stays open, for it is written as it grows."""
    body = struct.pack("<IHHQ", _BYTE_ORDER, 1, 0, _UNKNOWN_LENGTH)
    return _block(_SECTION, body, _text(_COMMENT, comment) + _text(_APPLICATION, application))


def interface(name: str, linktype: int = RAW) -> bytes:
    """Where packets are met. Interfaces are numbered from 0 in the order in which they stand in the file; times are in microseconds."""
    return _block(_INTERFACE, struct.pack("<HHI", linktype, 0, 0), _text(_NAME, name) + _option(_RESOLUTION, bytes([_MICROSECONDS])))


def packet(interface: int, time: float, data: bytes, *, outbound: bool, length: int | None = None, comment: str = "") -> bytes:
    """One packet at `time`, in seconds since 1970. `length` is its whole length, where `data` is only a part of it."""
    moment = max(0, round(time * 1e6))
    head = struct.pack("<IIIII", interface, moment >> 32 & 0xFFFF_FFFF, moment & 0xFFFF_FFFF, len(data), max(length or 0, len(data)))
    flags = _option(_FLAGS, struct.pack("<I", _OUTBOUND if outbound else _INBOUND))
    return _block(_PACKET, head + _padded(data), _text(_COMMENT, comment) + flags)


def _block(kind: int, body: bytes, options: bytes) -> bytes:
    if options:
        options += _option(_END, b"")
    length = 12 + len(body) + len(options)
    return struct.pack("<II", kind, length) + body + options + struct.pack("<I", length)


def _text(code: int, text: str) -> bytes:
    # An option that is too long is cut, between two characters. A lone surrogate, as in a file name that is no UTF-8, becomes a "?".
    if not text:
        return b""
    return _option(code, text.encode("utf-8", "replace")[:_LONGEST_OPTION].decode("utf-8", "ignore").encode())


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + _padded(value)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
