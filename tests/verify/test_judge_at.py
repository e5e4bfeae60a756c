"""`at`: judged once, at one moment, whatever was before and comes after."""

from __future__ import annotations

import pytest

from faultproxy.verify.world import NotYet, Unknown
from tests.core.playbook import fault
from tests.verify.playbook import Play

CUT = fault("reset", name="cut")
STILL = 'what = "server.tcp_state"\nis = "ESTABLISHED"\nat = "5s"\n'


def play() -> Play:
    """The fault starts at 1 s, so the moment is 6 s."""
    return Play(STILL, faults=[CUT], only="cut").look(0.0).opens(0.1, server__tcp_state="CLOSED").until(0.5, 0.9).starts(1.0, "cut")


def test_only_the_moment_counts() -> None:
    held = play().until(1.1, 5.9).look(6.01, server__tcp_state="ESTABLISHED").look(6.1, server__tcp_state="CLOSED")
    assert held.result(7.0) == ("passed", "ESTABLISHED, at 6.01 s")
    missed = (
        play().look(5.9, server__tcp_state="ESTABLISHED").look(6.01, server__tcp_state="CLOSED").look(6.1, server__tcp_state="ESTABLISHED")
    )
    assert missed.result(7.0) == ("failed", "CLOSED, at 6.01 s")


def test_it_is_waited_for_and_a_look_is_wanted_then() -> None:
    waits = play().until(1.1, 5.9)
    assert waits.judge.waits_for_faults
    assert waits.judge.deadline() == pytest.approx(6.0)
    waits.look(6.0)
    assert not waits.judge.waits_for_faults


def test_a_look_that_comes_late_is_worth_what_the_one_before_says_too() -> None:
    alike = play().look(5.8, server__tcp_state="ESTABLISHED").look(6.4)
    assert alike.result(7.0) == ("passed", "ESTABLISHED (since 5.8 s), at 6.4 s")
    turned = play().look(5.8).look(6.4, server__tcp_state="ESTABLISHED")
    (finding,) = turned.over(7.0)
    assert (finding.judged, finding.reason) == ("inconclusive", "its time was 6.0 s, and nobody looked between 5.8 s and 6.4 s")
    (finding,) = play().look(6.4, server__tcp_state="ESTABLISHED").over(7.0)
    assert (finding.judged, finding.reason) == ("inconclusive", "its time was 6.0 s, and nobody looked before 6.4 s")


@pytest.mark.parametrize(("seen", "judged"), [(NotYet("it is not dialled yet"), "failed"), (Unknown("it is elsewhere"), "inconclusive")])
def test_no_value_is_not_the_one_that_is_wanted_and_what_is_out_of_sight_is_not_decided(seen: NotYet | Unknown, judged: str) -> None:
    assert play().look(5.9, 6.01, server__tcp_state=seen).judged(7.0) == [judged]


def test_a_phase_that_ends_before_leaves_it_open_unless_the_last_look_was_as_good_as_then() -> None:
    (finding,) = play().until(1.1, 4.0).over(4.1)
    assert (finding.judged, finding.reason) == ("inconclusive", "the phase ended at 4.1 s, before its time had come")
    assert play().look(5.98, server__tcp_state="ESTABLISHED").judged(6.01) == ["passed"]
