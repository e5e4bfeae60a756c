"""What the rules of nf_tables are made of: expressions. Each loads something into register 1, or goes on only if what is there fits.

Sources: include/uapi/linux/netfilter/{nf_tables,xt_NFQUEUE}.h, net/netfilter/nft_{meta,payload,cmp,bitwise,lookup,queue,compat}.c.
"""

from __future__ import annotations

import socket
import struct
from typing import Final

from faultproxy.kernel.netlink import attribute, be16, be32, nest, text

MARK: Final = 3
OIF: Final = 5
"""Keys of `meta`: the packet's mark, and the index of the device that it leaves by."""

EQUAL: Final = 0
UNEQUAL: Final = 1

_L4PROTO = 16
_TRANSPORT = 2  # what an offset counts from: the TCP header
_REGISTER, _VERDICT_REGISTER = 1, 0
_ACCEPT = 1
_BYPASS = 1  # if nobody reads the queue, the packet passes
_SYN, _ACK = 0x02, 0x10


def meta(key: int, value: bytes, how: int = EQUAL) -> list[bytes]:
    """Goes on if this fact about the packet is, or is not, `value`. Numbers are in the machine's byte order."""
    return [_expression("meta", be32(1, _REGISTER), be32(2, key)), _compare(value, how)]


def tcp() -> list[bytes]:
    """Goes on if it is a TCP segment, over IPv4 or IPv6."""
    return meta(_L4PROTO, bytes([socket.IPPROTO_TCP]))


def syn() -> list[bytes]:
    """Goes on if it is a TCP segment with SYN and without ACK."""
    mask, nothing = bytes([_SYN | _ACK]), b"\0"
    value = nest(4, attribute(1, mask)), nest(5, attribute(1, nothing))
    masked = _expression("bitwise", be32(1, _REGISTER), be32(2, _REGISTER), be32(3, len(mask)), *value)
    return [*tcp(), _load(13, 1), masked, _compare(bytes([_SYN]))]


def among(offset: int, length: int, name: str) -> list[bytes]:
    """Goes on if these bytes of the TCP header are in the set `name`."""
    return [_load(offset, length), _expression("lookup", text(1, name), be32(2, _REGISTER))]


def accept() -> bytes:
    """Lets the packet go; other tables still judge it."""
    return _expression("immediate", be32(1, _VERDICT_REGISTER), nest(2, nest(2, be32(1, _ACCEPT))))


def queue(number: int) -> bytes:
    """Sends the packet to the queue, if there is anybody."""
    return _expression("queue", be16(1, number), be16(2, 1), be16(3, _BYPASS))


def compat_queue(number: int) -> bytes:
    """The same by the target of iptables, for kernels without the expression (CONFIG_NFT_QUEUE)."""
    return _expression("target", text(1, "NFQUEUE"), be32(2, 3), attribute(3, struct.pack("=HHHxx", number, 1, _BYPASS)))


def _load(offset: int, length: int) -> bytes:
    return _expression("payload", be32(1, _REGISTER), be32(2, _TRANSPORT), be32(3, offset), be32(4, length))


def _compare(value: bytes, how: int = EQUAL) -> bytes:
    return _expression("cmp", be32(1, _REGISTER), be32(2, how), nest(3, attribute(1, value)))


def _expression(name: str, *attributes: bytes) -> bytes:
    return nest(1, text(1, name), nest(2, *attributes))
