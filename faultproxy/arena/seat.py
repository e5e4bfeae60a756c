"""One player's connection to the arena: two tasks, one that hears and obeys, one that sends.

They are apart so that a player who does not read what he is sent is still heard, and one who is silent still hears the others.
There are two ways to end. Who quits, half-closes, breaks a limit or is in when the arena closes gets what is due to him, then our FIN.
Who does not take it in time, or is replaced by a newer connection of his own, is reset, so that nothing of him stays in the kernel.
"""

from __future__ import annotations

import socket
import struct

import trio

from faultproxy.arena import commands
from faultproxy.arena.commands import Answer, Stream
from faultproxy.arena.house import House
from faultproxy.arena.lines import Lines, LineTooLong
from faultproxy.arena.outbox import Outbox
from faultproxy.arena.room import Player

LOOK = 0.05
"""Seconds in which a FIN is found that has come during a long answer, although the deadline for the next line is over by then."""

READ_AHEAD = 64 * 1024
"""Bytes that are read in search of a FIN, while he waits for an answer."""

_RESET = struct.pack("ii", 1, 0)


class Seat:
    """Serves one accepted connection until it ends. `run` raises for nothing that a player does."""

    def __init__(self, sock: trio.socket.SocketType, house: House) -> None:
        self._sock, self._house, self._limits = sock, house, house.limits
        self._since = trio.current_time()
        self._lines = Lines(self._limits.line)
        self._outbox = Outbox(self._limits.queue, self._overflow)
        self._player = Player(self._outbox, self._put_out)
        self._scope = trio.CancelScope()  # round everything: cancelled to reset him
        self._listening = trio.CancelScope()  # round the wait for his next line
        self._reason = ""
        self._dismissed = ""
        self._quit = self._heard_fin = self._sent_fin = False

    @property
    def name(self) -> str | None:
        """The player's, once he has logged in."""
        return self._player.name

    async def run(self) -> str:
        """Returns why it ended, in a few words."""
        self._house.pace.join(self._outbox)
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._hear)
                    await self._send()
                    nursery.cancel_scope.cancel()
        finally:
            self._house.pace.leave(self._outbox)
            self._leave_room()
            if self._scope.cancelled_caught and not self._sent_fin:
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._sock.close()
        return self._reason

    def dismiss(self, reason: str) -> None:
        """The arena closes: the answer that he waits for is the last, and he has `Limits.farewell` seconds to take it."""
        self._dismissed = reason
        self._reason = self._reason or reason
        self._listening.cancel()
        self._hurry()

    def _leave_room(self) -> None:
        self._house.room.leave(self._player, trio.current_time(), for_good=self._quit)

    def _put_out(self, reason: str) -> None:
        self._reason = self._reason or reason
        self._scope.cancel()

    def _lost(self, error: OSError) -> None:
        self._put_out(f"connection lost: {error.strerror or error}")

    def _overflow(self) -> None:
        if self._house.defences.eviction:
            self._put_out(f"more than {self._limits.queue} bytes wait for him")

    # The one that hears.

    async def _hear(self) -> None:
        try:
            self._reason = await self._obey()
        except OSError as error:
            self._lost(error)
        else:
            self._leave_room()  # who is not heard any more does not play any more
            self._outbox.close()

    async def _obey(self) -> str:
        while not self._dismissed:
            deadline, missed = self._deadline()
            self._listening = trio.CancelScope(deadline=max(deadline, trio.current_time() + LOOK))
            line: str | None = None
            try:
                with self._listening:
                    line = await self._line()
            except LineTooLong:
                rule = f"a line may have {self._limits.line} bytes"
                return self._part(f"ERR {rule}", rule)
            if self._dismissed:
                break
            if self._listening.cancelled_caught or (line is not None and trio.current_time() > deadline):
                return self._part(f"ERR {missed}", missed)
            if line is None:
                return await self._closed_by_him()
            await self._house.pace.keep()
            answer = commands.answer(line, self._player, self._house.room, self._limits, trio.current_time())
            await self._answer(answer)
            if isinstance(answer, commands.Text) and answer.last:
                self._quit = True
                return "he quit"
        return self._part(f"BYE {self._dismissed}", self._dismissed)

    def _deadline(self) -> tuple[float, str]:
        """When his next line must have come, and what he is told otherwise."""
        if self._player.character is None:
            return self._since + self._limits.login, f"no login within {self._limits.login:g} s"
        return trio.current_time() + self._limits.heartbeat, f"no heartbeat for {self._limits.heartbeat:g} s"

    async def _line(self) -> str | None:
        """The next whole line, or None after the client's FIN: what came unfinished before it may have been cut."""
        while not self._heard_fin and (line := self._lines.line()) is None:
            await self._receive()
        return None if self._heard_fin else line

    async def _receive(self) -> None:
        data = await self._sock.recv(4096)
        self._lines.feed(data)
        self._heard_fin = not data

    async def _answer(self, answer: Answer) -> None:
        if self._house.defences.half_close:
            await self._say(answer)
            return
        async with trio.open_nursery() as nursery:  # his FIN is the end of everything, so it must be noticed meanwhile
            nursery.start_soon(self._until_fin, nursery.cancel_scope)
            await self._say(answer)
            nursery.cancel_scope.cancel()

    async def _until_fin(self, answering: trio.CancelScope) -> None:
        try:
            while len(self._lines) < READ_AHEAD and not self._heard_fin:
                await self._receive()
        except OSError as error:
            self._lost(error)
        if self._heard_fin:
            answering.cancel()

    async def _say(self, answer: Answer) -> None:
        if not isinstance(answer, Stream):
            await self._outbox.put(f"{answer.line}\r\n".encode())
            return
        start, sent = trio.current_time(), 0
        for piece in commands.pattern(answer):
            await trio.sleep_until(start + answer.seconds * sent / answer.count)
            await self._outbox.put(piece)
            sent += len(piece)

    async def _closed_by_him(self) -> str:
        if not self._house.defences.half_close:
            self._outbox.discard()
        if not self._house.defences.close_back:
            await trio.sleep_forever()  # so the kernel keeps the socket in CLOSE_WAIT, and we the descriptor
        return "he has closed his side"

    def _part(self, words: str, reason: str) -> str:
        """Tell him so, behind what is owed to him, if he takes it soon."""
        self._outbox.offer(f"{words}\r\n".encode())
        self._hurry()
        return reason

    def _hurry(self) -> None:
        self._scope.deadline = min(self._scope.deadline, trio.current_time() + self._limits.farewell)

    # The one that sends.

    async def _send(self) -> None:
        try:
            while data := await self._outbox.take():
                await self._send_all(data)
            self._sock.shutdown(socket.SHUT_WR)
            self._sent_fin = True
            with trio.move_on_after(self._limits.farewell):  # closing before his FIN could reset the last words away
                while await self._sock.recv(4096):
                    pass
        except OSError as error:
            self._lost(error)
            await trio.lowlevel.checkpoint()

    async def _send_all(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            with trio.move_on_after(self._limits.stalled) as scope:
                view = view[await self._sock.send(view) :]
            if scope.cancelled_caught:
                self._put_out(f"he has taken nothing for {self._limits.stalled:g} s")
                await trio.lowlevel.checkpoint()
