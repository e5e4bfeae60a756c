from __future__ import annotations

import pytest

from faultproxy.scenario.observables import STATES, Observable, Sort, observable, state, wanted


@pytest.mark.parametrize(
    ("what", "found"),
    [
        ("client.tcp_state", Observable("client", "tcp_state", "state", per_connection=True)),
        ("server.rtt", Observable("server", "rtt", "time", per_connection=True)),
        ("server.sockets.CLOSE-WAIT", Observable("server", "sockets", "count", detail="CLOSE_WAIT")),
        ("connections.opened", Observable("connections", "opened", "count")),
        ("probe.a.b.latency_p99", Observable("probe", "latency_p99", "time", "a.b")),
        ("crowd.players.errors.ECONNRESET", Observable("crowd", "errors", "tally", "players", "ECONNRESET")),
        ("client.process.rss", Observable("client", "process.rss", "size")),
        ("host.Tcp.InCsumErrors", Observable("host", "Tcp.InCsumErrors", "count")),
    ],
)
def test_the_vocabulary(what: str, found: Observable) -> None:
    assert observable(what) == found


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("sever.rtt", "nothing is called `sever.rtt`: did you mean `server`?"),
        ("server.retransmit", "nothing is called `server.retransmit`: did you mean `retransmits`?"),
        ("server.sockets.CLOSEWAIT", "'CLOSEWAIT' is not a TCP state: did you mean `CLOSE_WAIT`?"),
        ("connections.close", "nothing is called `connections.close`: known: opened, open, failed"),
        ("probe.healthy", "`probe.` is followed by its name and what is asked, such as probe.healthy.ok"),
        ("crowd.x.errors.gone", "`gone` is no errno: they are written like ECONNRESET"),
        ("server.process.exitcode", "nothing is called `server.process.exitcode`: did you mean `exit`?"),
        ("host.x y", "`host.` is followed by a kernel counter, such as host.TCPChallengeACK or host.Tcp.InCsumErrors"),
        (
            "client.errno",
            "`client.errno`: what a program's calls returned is in no kernel table; ask a [[probe]], a [[crowd]] or client.process.exit",
        ),
    ],
)
def test_what_there_is_not(what: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        observable(what)
    assert str(caught.value) == message


def test_states_by_every_spelling() -> None:
    assert [state(name) for name in STATES] == list(STATES)
    spellings = ["ESTAB", "SYN-SENT", "SYN_RECEIVED", "fin-wait-1", "FIN_WAIT2", "UNCONN"]
    assert [state(name) for name in spellings] == ["ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT_1", "FIN_WAIT_2", "CLOSED"]


@pytest.mark.parametrize(
    ("sort", "value", "number"),
    [
        ("state", "ESTAB", "ESTABLISHED"),
        ("truth", True, True),
        ("count", 0, 0),
        ("tally", 3, 3),
        ("tally", "95%", 0.95),
        ("tally", 1, 1),
        ("size", "10kB", 10_000),
        ("time", "50ms", 0.05),
        ("number", -9, -9),
    ],
)
def test_values_in_plain_numbers(sort: Sort, value: object, number: object) -> None:
    found = wanted(sort, value)
    assert (found, type(found)) == (number, type(number))


@pytest.mark.parametrize(
    ("sort", "value"),
    [
        ("truth", 1),
        ("count", "3"),
        ("count", True),
        ("count", -1),
        ("count", 1.5),
        ("tally", 0.95),
        ("tally", "3"),
        ("size", 10),
        ("time", 5),
        ("text", 1),
    ],
)
def test_values_that_do_not_fit(sort: Sort, value: object) -> None:
    with pytest.raises(ValueError, match=r"expected|needs a unit|negative"):
        wanted(sort, value)
