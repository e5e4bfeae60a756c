"""One player's connection to the arena: two tasks, one that hears and obeys, one that sends.

They are apart so that a player who does not read what he is sent is still heard, and one who is silent still hears the others.
There are two ways to end. Who quits, half-closes or breaks a limit gets what is due to him, then our FIN. Who takes nothing, or
cannot be told why he is put out, is reset, so that nothing of him stays in the kernel.
"""

from __future__ import annotations

import socket
import struct

import trio

from faultproxy.arena import commands
from faultproxy.arena.commands import Answer, Stream
from faultproxy.arena.limits import Limits
from faultproxy.arena.lines import Lines, LineTooLong
from faultproxy.arena.outbox import Outbox
from faultproxy.arena.room import Player, Room

FAREWELL = 1.0
"""Seconds that we wait, after our FIN, for the client's: closing earlier could reset the last words away."""

_RESET = struct.pack("ii", 1, 0)


class Seat:
    """Serves one accepted connection until it ends. `run` raises for nothing that a player does."""

    def __init__(self, sock: trio.socket.SocketType, room: Room, limits: Limits) -> None:
        self._sock, self._room, self._limits = sock, room, limits
        self._lines = Lines(limits.line)
        self._outbox = Outbox(limits.queue, lambda: self._put_out(f"more than {limits.queue} bytes wait for him"))
        self._player = Player(self._outbox, self._put_out)
        self._scope = trio.CancelScope()
        self._reason = ""
        self._quit = False

    @property
    def name(self) -> str | None:
        """The player's, once he has logged in."""
        return self._player.name

    async def run(self) -> str:
        """Returns why it ended, in a few words."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._hear)
                    await self._send()
                    nursery.cancel_scope.cancel()
        finally:
            self._room.leave(self._player, trio.current_time(), for_good=self._quit)
            if self._scope.cancelled_caught:
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._sock.close()
        return self._reason

    def _put_out(self, reason: str) -> None:
        self._reason = self._reason or reason
        self._scope.cancel()

    # The one that hears.

    async def _hear(self) -> None:
        try:
            self._reason = await self._obey()
        except OSError as error:
            self._put_out(f"connection lost: {error.strerror or error}")
        else:
            self._outbox.close()

    async def _obey(self) -> str:
        deadline, missed = trio.current_time() + self._limits.login, f"no login within {self._limits.login:g} s"
        while True:
            line: str | None = None
            try:
                with trio.move_on_at(deadline) as scope:
                    line = await self._line()
            except LineTooLong:
                return self._broken(f"a line may have {self._limits.line} bytes")
            if scope.cancelled_caught:
                return self._broken(missed)
            if line is None:
                return "he has closed his side"
            answer = commands.answer(line, self._player, self._room, self._limits, trio.current_time())
            await self._answer(answer)
            if isinstance(answer, commands.Text) and answer.last:
                self._quit = True
                return "he quit"
            if self._player.name is not None:
                deadline, missed = trio.current_time() + self._limits.heartbeat, f"no heartbeat for {self._limits.heartbeat:g} s"

    async def _line(self) -> str | None:
        """The next whole line, or None after the client's FIN: what came unfinished before it may have been cut."""
        while (line := self._lines.line()) is None:
            data = await self._sock.recv(4096)
            if not data:
                return None
            self._lines.feed(data)
        return line

    async def _answer(self, answer: Answer) -> None:
        if not isinstance(answer, Stream):
            await self._outbox.put(f"{answer.line}\r\n".encode())
            return
        start, sent = trio.current_time(), 0
        for piece in commands.pattern(answer):
            await trio.sleep_until(start + answer.seconds * sent / answer.count)
            await self._outbox.put(piece)
            sent += len(piece)

    def _broken(self, rule: str) -> str:
        """He broke a rule: tell him if nothing stands before it, else there is no telling when he would hear it."""
        if len(self._outbox):
            self._put_out(rule)
        else:
            self._outbox.offer(f"ERR {rule}\r\n".encode())
        return rule

    # The one that sends.

    async def _send(self) -> None:
        try:
            while data := await self._outbox.take():
                await self._send_all(data)
            self._sock.shutdown(socket.SHUT_WR)
            with trio.move_on_after(FAREWELL):
                while await self._sock.recv(4096):
                    pass
        except OSError as error:
            self._put_out(f"connection lost: {error.strerror or error}")
            await trio.lowlevel.checkpoint()

    async def _send_all(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            with trio.move_on_after(self._limits.stalled) as scope:
                view = view[await self._sock.send(view) :]
            if scope.cancelled_caught:
                self._put_out(f"he has taken nothing for {self._limits.stalled:g} s")
                await trio.lowlevel.checkpoint()
