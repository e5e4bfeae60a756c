"""A program in the middle of its connect(), which may never come to an end."""

from __future__ import annotations

import errno
import socket

import trio

from faultproxy.kernel import sockdiag
from tests.live.rig import PATIENCE
from tests.scenarios.stage import Player, Stage


class Dialling:
    """A socket that is being connected to a port of this machine."""

    def __init__(self, port: int) -> None:
        self.sock = socket.socket()
        self.sock.setblocking(False)
        code = self.sock.connect_ex(("127.0.0.1", port))
        assert code in (0, errno.EINPROGRESS), errno.errorcode[code]
        self.port = int(self.sock.getsockname()[1])

    @property
    def info(self) -> sockdiag.TcpInfo:
        """What the kernel knows of it, in any state."""
        return sockdiag.tcp_info(self.sock)

    def failed(self) -> str:
        """The errno's name with which connect() has ended."""
        with self.sock:
            return errno.errorcode[self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)]

    async def done(self, s: Stage) -> Player:
        """It is connected: a player like others, whom the stage sends home."""
        sock = trio.socket.from_stdlib_socket(self.sock)
        with trio.fail_after(PATIENCE):
            await trio.lowlevel.wait_writable(sock)
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        assert code == 0, errno.errorcode[code]
        player = Player(sock)
        s.players.append(player)
        return player


def info(player: Player) -> sockdiag.TcpInfo:
    """What the kernel knows of the player's socket, in any state."""
    return sockdiag.tcp_info(player.sock._sock)  # type: ignore[attr-defined]
