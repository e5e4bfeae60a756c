"""The text at the end: on a terminal, and in a pipe."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO

import pytest
from rich.console import Console

from faultproxy.verify import reports
from faultproxy.verify.outcome import Finding, Result
from tests.verify.reports.samples import EVIL, failed, result


def printed(results: Sequence[Result], *, terminal: bool = False, width: int = 80) -> list[str]:
    """Its lines, without colours."""
    buffer = StringIO()
    console = Console(file=buffer, width=width, force_terminal=terminal, color_system=None, highlight=False)
    console.print(reports.text(results, seconds=3.25), soft_wrap=True)
    return buffer.getvalue().splitlines()


def test_one_that_passed_takes_one_line() -> None:
    assert printed([result()]) == ["1 scenario in 3.2 s: 1 passed"]


def test_what_was_not_judged_is_told_although_all_passed() -> None:
    left_open = result(unjudged={"late": 2, "cut": 1})
    told = ["2 expectations not judged: late never fired, as it may", "1 expectation not judged: cut never fired, as it may"]
    assert printed([left_open]) == [*told, "1 scenario in 3.2 s: 1 passed; 3 expectations not judged"]
    lines = printed([left_open, *(result(scenario=f"{number}.toml") for number in range(50))])
    assert [line.strip() for line in lines[1:3]] == told
    assert lines[-1] == "51 scenarios in 3.2 s: 51 passed; 3 expectations not judged"


def test_nothing_at_all() -> None:
    assert printed([]) == ["0 scenarios in 3.2 s"]


def test_a_failure_is_told_then_the_table_then_the_totals() -> None:
    assert printed([failed(), result(scenario="ok.toml")]) == [
        "FAILED  scenarios/close/cut.toml  0.5 s",
        "  a cut",
        "  expectation 1 failed",
        "    wanted  server.tcp_state is CLOSED within 5 s of cut",
        "    got     CLOSE_WAIT, at 5.1 s",
        "    on      2 of them: lurkers 1, lurkers 2",
        "    since   cut, at 0.1 s",
        "    why     it never was so",
        "  faults",
        "    cut: reset s2c, 100ms after the start (2 starts, acted 3 times)",
        "  sockets at the end",
        "    127.0.0.1:7000 - 127.0.0.1:40000  CLOSE_WAIT, send queue 0, recv queue 1",
        "  what happened last",
        "        0.100 s  connection lurkers 1: cut sent a RST",
        "  server wrote",
        "      | listening",
        "      | lost a player\\x07",
        "  notes",
        "    the probe asked seldom",
        "  seed",
        "    7",
        "  to repeat it",
        "    faultproxy test scenarios/close/cut.toml --seed 7",
        "",
        "failed     0.5 s  scenarios/close/cut.toml",
        "                  server.tcp_state is CLOSED within 5 s of cut: got CLOSE_WAIT, at 5.1 s (and 1 more)",
        "passed     0.5 s  ok.toml",
        "",
        "2 scenarios in 3.2 s: 1 failed, 1 passed",
        "seed 7",
    ]


LONG = "a reason that goes on and on and does not end before it has told " + "everything " * 10


@pytest.mark.parametrize(("terminal", "longest"), [(True, 60), (False, 180)])
def test_prose_is_wrapped_on_a_terminal_and_never_in_a_pipe(terminal: bool, longest: int) -> None:
    lines = printed([result("error", reason=LONG.strip(), again="x")], terminal=terminal, width=60)
    assert longest - 12 < max(map(len, lines)) <= longest


@pytest.mark.parametrize("terminal", [True, False])
def test_a_command_is_never_broken(terminal: bool) -> None:
    command = f"faultproxy test {'very/' * 40}long.toml --seed 7"
    assert f"    {command}" in printed([result("failed", again=command)], terminal=terminal, width=60)


def test_what_no_expectation_says_is_told_by_the_reason() -> None:
    unsure = Finding(0, "x", "inconclusive", "x is 1", reason="nobody knows")
    lines = printed([result("failed", reason="not recovered within 10 s of healing", findings=[unsure])])
    assert lines[2:6] == [
        "    not recovered within 10 s of healing",
        "  expectation 1 could not be decided",
        "    wanted  x is 1",
        "    why     nobody knows",
    ]


def test_of_many_only_what_did_not_pass_stands_in_the_table() -> None:
    lines = printed([*(result(scenario=f"{n}.toml") for n in range(50)), result("skipped", "no.toml", reason="no packets here")])
    assert lines == [
        "skipped     0.5 s  no.toml",
        "                   no packets here",
        "and 50 scenarios that passed",
        "",
        "51 scenarios in 3.2 s: 1 skipped, 50 passed",
        "seed 7",
    ]


def test_so_many_are_told_and_no_more() -> None:
    lines = printed([result("failed", f"{n}.toml", reason="no") for n in range(30)])
    assert sum(line.startswith("FAILED") for line in lines) == 10
    assert "(20 more scenarios did not pass either: a report tells all of it)" in lines


def test_names_are_no_markup_and_control_nothing() -> None:
    text = "\n".join(printed([result("failed", f"[red]{EVIL}\x1b[2J.toml", title="[/]", reason="[bold]\x07")], terminal=True))
    assert "[red]" in text
    assert "[bold]\\x07" in text
    assert "\x1b" not in text


def test_what_is_told_twice_is_told_in_full_once() -> None:
    long = f"client.process.output contains {'x' * 900}"
    lines = printed([result("failed", reason=long, findings=[Finding(0, "x", "failed", long, "y" * 900)]), result()])
    assert [line for line in lines if len(line) > 260] == [f"    wanted  {long}", f"    got     {'y' * 900}"]
    assert any(line.startswith(" " * 18 + "client.process.output contains xxx") for line in lines)


def test_what_ended_alike_before_it_began_is_told_once() -> None:
    def dead(name: str, port: int) -> Result:
        reason = f"the server was not ready: nothing accepts connections on 127.0.0.1:{port}"
        return result("error", name, reason=reason, phases={"server": 0.0}, outputs={"server": f"  | cannot listen on {port}"})

    lines = printed([dead("a.toml", 1234), dead("b.toml", 4321), result("failed", "c.toml", reason="no")])
    assert sum("cannot listen" in line for line in lines) == 1
    assert "    as a.toml: the server was not ready: nothing accepts connections on 127.0.0.1:4321" in lines
