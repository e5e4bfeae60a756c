"""Sends whole IP packets from raw sockets, each with the mark FORGED, so that our own rules let them be.

The kernel fills in an IPv4 header's checksum and length and an identification of 0; all else, the TCP checksum included, is sent as given.
It cuts nothing: a packet above the MTU of its way is refused (EMSGSIZE). Sources: raw(7), ipv6(7).
"""

from __future__ import annotations

import errno
import socket
import sys

from faultproxy.errors import CapabilityError
from faultproxy.kernel.nftables import FORGED, mark

_SEND_BUFFER = 4 * 2**20  # bytes that may be under way; without privilege net.core.wmem_max bounds it


class Injector:
    """A raw socket for IPv4 and one for IPv6, each opened when it is first needed, or by `open`. Never waits."""

    def __init__(self) -> None:
        self.failed = 0
        """How many packets the kernel refused to send."""
        self.why = ""
        """Why it refused the last of them: the errno's name, as ``"EMSGSIZE"``."""
        self._sockets: dict[int, socket.socket] = {}

    def open(self) -> None:
        """Opens both sockets now, so that what is lacking is told at once. Raises CapabilityError; a kernel without IPv6 is no error."""
        self._socket(4)
        try:
            self._socket(6)
        except OSError as exc:
            if exc.errno not in (errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT):
                raise

    def send(self, packet: bytes) -> bool:
        """Sends `packet`, IPv4 or IPv6 by its first four bits, to the destination in its header. False if the kernel refused it, see `why`.

        Raises CapabilityError if raw sockets cannot be had at all.
        """
        try:
            if not packet:
                raise OSError(errno.EINVAL, "an empty packet")
            version = packet[0] >> 4
            sock = self._socket(version)
            if version == 6:
                sock.sendto(packet, (socket.inet_ntop(socket.AF_INET6, packet[24:40]), 0))
            else:
                sock.sendto(packet, (socket.inet_ntoa(packet[16:20]), 0))
        except (OSError, ValueError) as exc:  # ValueError: too short to hold an address
            code = exc.errno if isinstance(exc, OSError) and exc.errno else errno.EINVAL
            self.failed += 1
            self.why = errno.errorcode.get(code, str(code))
            return False
        return True

    def close(self) -> None:
        """Closes the sockets; what was sent is on its way."""
        for sock in self._sockets.values():
            sock.close()
        self._sockets.clear()

    def _socket(self, version: int) -> socket.socket:
        if sock := self._sockets.get(version):
            return sock
        if sys.platform != "linux":
            raise CapabilityError("sending forged packets is possible on Linux only: run there, or leave out the packet faults")
        if version not in (4, 6):
            raise OSError(errno.EINVAL, f"no IP packet: version {version}")
        try:
            # IPPROTO_RAW says that we bring the IP header ourselves, for both versions, and such a socket receives nothing.
            sock = socket.socket(
                socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.IPPROTO_RAW
            )
        except PermissionError as exc:
            raise CapabilityError(_FORBIDDEN) from exc
        try:
            mark(sock, FORGED)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        except PermissionError as exc:
            sock.close()
            raise CapabilityError(_FORBIDDEN) from exc
        self._sockets[version] = sock
        return sock


_FORBIDDEN = (
    "sending forged packets needs CAP_NET_RAW and CAP_NET_ADMIN in this network namespace: run as root, give those capabilities, "
    "or use a namespace of its own (`faultproxy sandbox`, or [sandbox] in the scenario)"
)
