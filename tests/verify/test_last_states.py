"""The sockets at the end, in as few lines as tell them all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from faultproxy.core.plan import Peer
from faultproxy.kernel import tcpinfo
from faultproxy.kernel.procnet import State, Timer
from faultproxy.kernel.sockdiag import Diag
from faultproxy.verify import windows
from faultproxy.verify.census import Census, Entry
from faultproxy.verify.last_states import lines
from faultproxy.verify.observers import Place

LISTEN, SERVER = 7000, 6379
INFO = tcpinfo.parse(bytes([1]).ljust(248, b"\0"))


def row(local: int, remote: int, state: State = "ESTABLISHED", *, send: int = 0, recv: int = 0, timer: Timer = "none") -> Diag:
    return Diag(state, ("127.0.0.1", local), ("127.0.0.1", remote), timer, 0.0, 0, recv, send, 0, 1, 0, 0, 0, None)


def four(client: int, *states: State) -> list[Diag]:
    """A connection whose client has that port, and whose proxy dials from the one 1000 above."""
    own = client + 1000
    ports = ((client, LISTEN), (LISTEN, client), (own, SERVER), (SERVER, own))
    return [row(*pair, state) for pair, state in zip(ports, states, strict=True)]


def place(*entries: Entry, intercepts: bool = False) -> Place:
    census = Census(lambda: 0.0, lambda *_: None, lambda _: None, lambda _: None)
    census.entries = {entry.label: entry for entry in entries}
    return Place(census, LISTEN, SERVER, intercepts)


def member(number: int, client: int, name: str = "leavers", role: str = "crowd") -> Entry:
    peer = Peer("127.0.0.1", client, role, name, number)  # type: ignore[arg-type]
    return Entry(f"{name} {number}", peer, number, 0.0, server_port=client + 1000)


def test_a_connection_is_one_line_and_those_like_it_are_the_same_one() -> None:
    rows = [
        *four(40000, "ESTABLISHED", "ESTABLISHED", "ESTABLISHED", "ESTABLISHED"),
        *four(40001, "FIN_WAIT_2", "CLOSE_WAIT", "ESTABLISHED", "ESTABLISHED"),
        *four(40002, "FIN_WAIT_2", "CLOSE_WAIT", "ESTABLISHED", "ESTABLISHED"),
    ]
    found = lines(rows, [place(member(1, 40000, "healthy", "probe"), member(1, 40001), member(2, 40002))])
    assert found == [
        "leavers 1 and 2: client FIN_WAIT_2 | proxy CLOSE_WAIT, ESTABLISHED | server ESTABLISHED",
        "healthy 1: client ESTABLISHED | proxy ESTABLISHED, ESTABLISHED | server ESTABLISHED",
    ]


def test_what_waits_in_them_is_told_as_a_range() -> None:
    first = [row(40001, LISTEN, send=10, timer="window_probe"), row(LISTEN, 40001)]
    second = [row(40002, LISTEN, send=30, timer="window_probe"), row(LISTEN, 40002)]
    entries = [replace(member(n, 40000 + n), server_port=0) for n in (1, 2)]
    assert lines([*first, *second], [place(*entries)]) == [
        "leavers 1 and 2: client ESTABLISHED (zero window, send queue 10..30) | proxy ESTABLISHED, no socket | server no socket"
    ]


@pytest.mark.parametrize(
    ("window", "timer", "send", "closed"),
    [
        (0, "retransmit", 10, True),  # it has shrunk over what is in flight
        (0, "window_probe", 10, True),
        (-1, "window_probe", 10, True),  # a kernel that does not tell the window
        (-1, "retransmit", 10, False),
        (0, "none", 0, False),  # there is nothing to send
        (1460, "retransmit", 10, False),
    ],
)
def test_a_window_is_closed_whichever_timer_runs(window: int, timer: Timer, send: int, closed: bool) -> None:
    each = replace(row(40001, LISTEN, send=send, timer=timer), info=INFO._replace(snd_wnd=window))
    assert windows.is_closed(each) is closed


def test_who_knocks_has_heard_of_no_window_yet() -> None:
    knocks = replace(row(40001, LISTEN, "SYN_SENT", send=1, timer="retransmit"), info=INFO)
    assert not windows.is_closed(knocks)


def test_who_is_gone_is_gone() -> None:
    assert lines([], [place(member(1, 40001))]) == ["leavers 1: no socket"]


def test_where_nobody_stands_between_there_are_two_sockets() -> None:
    rows = [row(40001, SERVER, "FIN_WAIT_1"), row(SERVER, 40001)]
    assert lines(rows, [place(member(1, 40001), intercepts=True)]) == ["leavers 1: client FIN_WAIT_1 | server ESTABLISHED"]


def test_what_no_connection_explains_is_counted_and_a_queue_before_a_listener_told() -> None:
    rows = [
        row(SERVER, 0, "LISTEN", recv=2, send=128),
        row(LISTEN, 0, "LISTEN", send=128),
        row(SERVER, 50000, "CLOSE_WAIT"),
        row(SERVER, 50001, "CLOSE_WAIT"),
        row(50000, SERVER, "FIN_WAIT_2"),
        row(50002, LISTEN, "TIME_WAIT"),
    ]
    assert lines(rows, [place()]) == [
        "the server has not accepted 2 that knocked (its queue takes 128)",
        "others: proxy 1 FIN_WAIT_2 | server 2 CLOSE_WAIT",
    ]
