"""What is said, and what must be answered."""

from __future__ import annotations

import pytest

from faultproxy.arena.commands import LOGIN_FIRST, PATTERN, Stream, Text, answer, pattern
from faultproxy.arena.limits import Limits
from faultproxy.arena.outbox import Outbox
from faultproxy.arena.room import Player, Room


def a_player() -> Player:
    return Player(Outbox(1000, lambda: None), lambda reason: None)


def test_a_visit() -> None:
    room, player = Room(), a_player()
    room.login(a_player(), "zoe")
    playbook = [
        ("PING", Text("PONG")),
        ("HB", LOGIN_FIRST),
        ("SAY hello", LOGIN_FIRST),
        ("WHO", LOGIN_FIRST),
        ("SESSION", LOGIN_FIRST),
        ("SCORE 1", LOGIN_FIRST),
        ("LOGIN", Text("ERR a name has 1 to 64 printable characters: LOGIN <name>")),
        (f"LOGIN {'x' * 65}", Text("ERR a name has 1 to 64 printable characters: LOGIN <name>")),
        ("RESUME 0123", Text("ERR no such session, or its time is over: LOGIN <name>")),
        ("LOGIN ann", Text("LOGIN OK")),
        ("LOGIN ann", Text("ERR already logged in as ann")),
        ("RESUME 0123", Text("ERR already logged in as ann")),
        ("HB", Text("HB OK")),
        ("WHO", Text("WHO ann zoe")),
        ("SAY hello all", Text("SAY OK")),
        ("SCORE", Text("SCORE 0")),
        ("SCORE 1000", Text("SCORE 1000")),
        ("SCORE -1", Text("SCORE 999")),
        ("SCORE 1001", Text("ERR up to 1000 points at once: SCORE 5")),
        ("SCORE many", Text("ERR up to 1000 points at once: SCORE 5")),
        ("SUM 1 2 -3 40", Text("40")),
        ("SUM", Text("0")),
        ("SUM one", Text("ERR whole numbers are needed: SUM 1 2 3")),
        ("QUIT", Text("BYE", last=True)),
    ]
    assert [(line, answer(line, player, room, Limits(), now=0.0)) for line, _ in playbook] == playbook


@pytest.mark.parametrize(
    ("line", "expected"), [("STREAM 5", Stream(5)), ("STREAM 0", Stream(0)), ("STREAM 100", Stream(100)), ("STREAM 9 2.5", Stream(9, 2.5))]
)
def test_streams(line: str, expected: Stream) -> None:
    assert answer(line, a_player(), Room(), Limits(stream=100), now=0.0) == expected


@pytest.mark.parametrize(
    "line", ["STREAM", "STREAM 101", "STREAM -1", "STREAM x", "STREAM 5 -1", "STREAM 5 nan", "STREAM 5 inf", "STREAM 5 1 1"]
)
def test_streams_that_are_too_much(line: str) -> None:
    refused = answer(line, a_player(), Room(), Limits(stream=100), now=0.0)
    assert isinstance(refused, Text)
    assert refused.line.startswith("ERR up to 100 bytes")


@pytest.mark.parametrize("line", ["", "login ann", "PINGPONG", "\x00"])
def test_what_is_no_command(line: str) -> None:
    refused = answer(line, a_player(), Room(), Limits(), now=0.0)
    assert isinstance(refused, Text)
    assert refused.line.startswith("ERR unknown command")


@pytest.mark.parametrize("stream", [Stream(0), Stream(1), Stream(99_999), Stream(250_007), Stream(250_007, 3.0), Stream(10, 60.0)])
def test_the_pattern_says_where_each_byte_stands(stream: Stream) -> None:
    pieces = list(pattern(stream))
    assert b"".join(pieces) == (PATTERN * 3)[: stream.count]
    assert all(0 < len(piece) <= 50_000 for piece in pieces)


def test_a_stream_that_is_spread_goes_out_in_small_pieces() -> None:
    assert [len(piece) for piece in pattern(Stream(1000, 0.5))] == [100] * 10
