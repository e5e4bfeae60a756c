"""Results as a play leaves them behind, made by hand."""

from __future__ import annotations

from faultproxy.verify.outcome import FaultReport, Finding, Mark, Outcome, Result, Track

EVIL = "</script><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">&amp;'\""
"""Text that would like to be more than text."""


def result(outcome: Outcome = "passed", scenario: str = "scenarios/close/cut.toml", **values: object) -> Result:
    """A play without much to tell."""
    known: dict[str, object] = {"title": "a cut", "seconds": 0.5, "seed": 7, "again": f"faultproxy test {scenario} --seed 7"}
    return Result(scenario, outcome=outcome, **{**known, **values})  # type: ignore[arg-type]


def failed() -> Result:
    """One expectation failed on two connections, another passed; a fault acted on one of them."""
    wanted = "server.tcp_state is CLOSED within 5 s of cut"
    return result(
        "failed",
        reason=f"{wanted}: got CLOSE_WAIT, at 5.1 s (and 1 more)",
        covers=("D1", "D2"),
        findings=[
            Finding(0, "server.tcp_state", "failed", wanted, "CLOSE_WAIT, at 5.1 s", 5.1, "lurkers 1", "cut, at 0.1 s", "it never was so"),
            Finding(0, "server.tcp_state", "failed", wanted, "CLOSE_WAIT, at 5.2 s", 5.2, "lurkers 2", "cut, at 0.2 s", "it never was so"),
            Finding(1, "probe.healthy.failures", "passed", "probe.healthy.failures is 0", "0, at 5 s", 5.0),
        ],
        faults=[FaultReport("cut", "reset", "cut: reset s2c, 100ms after the start", 2, 3, 0, [(0.1, 3.0, "lurkers 1"), (0.2, None, "")])],
        journal=["    0.100 s  connection lurkers 1: cut sent a RST"],
        sockets=["127.0.0.1:7000 - 127.0.0.1:40000  CLOSE_WAIT, send queue 0, recv queue 1"],
        outputs={"server": "  | listening\n  | \x1b[31mlost\x1b[0m a player\x07"},
        phases={"server": 0.0, "baseline": 0.0, "faults": 0.0, "healing": 5.2, "recovery": 5.21, "end": 5.3},
        notes=["the probe asked seldom"],
        tracks=[track("lurkers 1"), Track("lurkers 2", "crowd", 0.1, None, [Mark(0.1, "client", "proxy", "SYN")])],
    )


def track(label: str) -> Track:
    """A connection on which a bit of everything has happened."""
    marks = [
        Mark(0.0, "client", "proxy", "SYN"),
        Mark(0.001, "proxy", "server", "SYN"),
        *(Mark(1 + number / 10_000, "proxy", "client", "ACK", fault="cut", lost=True, note="dropped an ACK") for number in range(120)),
        Mark(2.0, "client", "proxy", "data", 1400),
        Mark(2.5, "proxy", "", "note", fault="cut", note="held the FIN"),
        Mark(3.0, "server", "proxy", "FIN"),
        Mark(3.0, "proxy", "client", "FIN"),
        Mark(3.2, "proxy", "client", "FIN", note="close"),
        Mark(3.3, "client", "proxy", "RST"),
    ]
    curves: dict[str, list[tuple[float, float | str]]] = {
        "client.tcp_state": [(0.0, "ESTABLISHED"), (3.0, "CLOSE_WAIT"), (3.3, "CLOSED")],
        "client.send_queue": [(0.0, 0.0), (2.0, 1400.0), (3.0, 0.0)],
        "server.send_queue": [(0.0, 0.0)],
        "server.backoff": [(0.0, 0.0)],
        "client.retransmits": [(0.0, 0.0), (1.5, 2.0)],
        "client.zero_window": [(0.0, 0.0), (1.2, 1.0), (2.6, 0.0)],
    }
    return Track(label, "crowd", 0.0, 3.3, marks, curves)


def crowd(count: int, marks: int = 50) -> Result:
    """So many connections, with so many marks each."""
    tracks = [
        Track(f"lurkers {n}", "crowd", 0.0, 9.0, [Mark(m / 10, "client", "proxy", "data", 10) for m in range(marks)]) for n in range(count)
    ]
    return result("failed", "scenarios/crowd.toml", reason="too many", tracks=tracks)
