"""When something must be so: `within`, a window, `throughout`; and what the time counts from."""

from __future__ import annotations

import pytest

from faultproxy.verify.world import Unknown
from tests.core.playbook import fault
from tests.verify.playbook import TICK, Play

CLOSES = 'what = "server.tcp_state"\nis = "CLOSE_WAIT"\n'
STAYS = 'what = "server.tcp_state"\nis = "ESTABLISHED"\n'
CUT = fault("reset", name="cut")
AWAY = Unknown("the server is on another machine")


def play(*expects: str) -> Play:
    """One connection, on which `cut` starts at 0.2 s and acts."""
    return Play(*expects, faults=[CUT], only="cut").look(0.0).opens(0.1).look(0.19, server__tcp_state="ESTABLISHED").starts(0.2, "cut")


# ---------------------------------------------------------------- within


def test_within_passes_as_soon_as_it_is_so() -> None:
    one = play(CLOSES + 'within = "5s"').look(0.22, 1.0).look(1.02, server__tcp_state="CLOSE_WAIT")
    assert (one.judge.waits_for_faults, one.judge.deadline()) == (False, None)
    assert one.result(1.1) == ("passed", "CLOSE_WAIT, at 1.02 s")


def test_within_fails_when_its_time_is_over_and_tells_what_was_there_instead() -> None:
    one = play(CLOSES + 'within = "5s"').look(0.22, 3.0)
    assert (one.judge.waits_for_faults, one.judge.deadline()) == (True, 5.2)
    one.look(5.2).look(6.0, server__tcp_state="CLOSE_WAIT")
    (finding,) = one.over(7.0)
    assert finding.judged == "failed"
    assert finding.wanted == "server.tcp_state is CLOSE_WAIT within 5 s of cut"
    assert finding.got == "ESTABLISHED (since 0.22 s), at 5.2 s"
    assert (finding.at, finding.subject, finding.since) == (5.2, "connection 1", "cut, at 0.2 s")
    assert (finding.index, finding.what, finding.reason) == (0, "server.tcp_state", "it never was so in its time")


def test_within_is_inconclusive_if_it_cannot_be_seen_to_the_end() -> None:
    one = play(CLOSES + 'within = "5s"').look(0.22, 3.0).look(4.0, 5.2, server__tcp_state=AWAY)
    (finding,) = one.over(6.0)
    assert (finding.judged, finding.reason) == ("inconclusive", "the server is on another machine")
    assert finding.got == "not to be seen (the server is on another machine) (since 4.0 s), at 5.2 s"


def test_within_passes_if_it_was_seen_once() -> None:
    one = play(CLOSES + 'within = "5s"').look(0.22, server__tcp_state=AWAY).look(1.0, server__tcp_state="CLOSE_WAIT")
    assert one.result(2.0) == ("passed", "CLOSE_WAIT, at 1.0 s")


@pytest.mark.parametrize(
    ("late", "judged"),
    [
        (0.0, "passed"),
        (0.04, "passed"),
        (0.06, "inconclusive"),  # it may have been so in time: nobody looked
    ],
)
def test_the_last_look_may_be_a_little_late(late: float, judged: str) -> None:
    one = play(CLOSES + 'within = "5s"').look(0.22, 5.0).look(5.2 + late, server__tcp_state="CLOSE_WAIT")
    assert one.judged(6.0) == [judged]


def test_a_look_far_too_late_tells_nothing_if_it_was_the_first() -> None:
    one = play(CLOSES + 'within = "50ms"').look(0.9)
    (finding,) = one.over(1.0)
    assert (finding.judged, finding.reason) == ("inconclusive", "its time ended at 0.25 s, and nobody looked before 0.9 s")


def test_a_late_look_at_what_is_still_not_so_is_a_failure() -> None:
    assert play(CLOSES + 'within = "5s"').look(0.22, 5.0, 5.9).judged(6.0) == ["failed"]


def test_a_time_that_ended_after_the_last_look_is_over_too() -> None:
    one = play(CLOSES + 'within = "5s"').look(0.22, 5.1)
    assert one.result(5.3) == ("failed", "ESTABLISHED (since 0.22 s), at 5.1 s")


# ------------------------------------------------------------- a window


WINDOW = CLOSES + 'within = ["4s", "7s"]'


def test_a_window_passes_inside() -> None:
    one = play(WINDOW).look(0.22, 4.19).look(4.21, server__tcp_state="CLOSE_WAIT")
    (finding,) = one.over(5.0)
    assert (finding.judged, finding.got) == ("passed", "CLOSE_WAIT, at 4.21 s")
    assert finding.wanted == "server.tcp_state is CLOSE_WAIT between 4 s and 7 s after cut, and not before"


def test_a_window_fails_at_once_if_it_is_so_before() -> None:
    one = play(WINDOW).look(0.22).look(3.0, server__tcp_state="CLOSE_WAIT")
    assert not one.judge.waits_for_faults
    (finding,) = one.over(5.0)
    assert (finding.judged, finding.got, finding.reason) == ("failed", "CLOSE_WAIT, at 3.0 s", "it was so too early")


def test_a_window_fails_if_it_is_so_too_late() -> None:
    one = play(WINDOW).look(0.22, 4.0, 7.21).look(7.3, server__tcp_state="CLOSE_WAIT")
    assert one.result(8.0) == ("failed", "ESTABLISHED (since 0.22 s), at 7.21 s")


def test_a_window_is_inconclusive_if_nobody_could_see_whether_it_was_so_before() -> None:
    one = play(WINDOW).look(0.22, 2.0).look(3.0, server__tcp_state=AWAY).look(4.5, server__tcp_state="CLOSE_WAIT")
    (finding,) = one.over(5.0)
    assert (finding.judged, finding.reason) == ("inconclusive", "it is so in its time, but nobody could see whether it was before")


# ------------------------------------------------------------ throughout


def test_throughout_passes_when_its_end_was_reached() -> None:
    one = play(STAYS + 'throughout = "5s"').until(0.22, 5.12)
    assert one.judge.waits_for_faults
    one.look(5.2)
    assert not one.judge.waits_for_faults
    (finding,) = one.over(5.3)
    assert (finding.judged, finding.got) == ("passed", "ESTABLISHED (since 0.22 s), at 5.2 s")
    assert finding.wanted == "server.tcp_state is ESTABLISHED throughout 5 s from cut"


def test_throughout_fails_at_the_first_look_that_says_otherwise() -> None:
    one = (
        play(STAYS + 'throughout = "5s"').look(0.22, 3.0).look(3.02, server__tcp_state="CLOSED").look(3.04, server__tcp_state="ESTABLISHED")
    )
    assert not one.judge.waits_for_faults
    (finding,) = one.over(6.0)
    assert (finding.judged, finding.got, finding.at) == ("failed", "CLOSED, at 3.02 s", 3.02)


def test_what_comes_after_the_end_is_no_matter() -> None:
    assert play(STAYS + 'throughout = "5s"').look(0.22, 5.1).look(5.21, server__tcp_state="CLOSED").judged(6.0) == ["passed"]


def test_throughout_is_inconclusive_if_it_is_out_of_sight_at_the_end_or_for_long() -> None:
    end = play(STAYS + 'throughout = "5s"').look(0.22, 4.0).look(5.2, server__tcp_state=AWAY)
    assert end.judged(6.0) == ["inconclusive"]
    between = (
        play(STAYS + 'throughout = "5s"').look(0.22).look(2.0, 2.6, server__tcp_state=AWAY).look(2.7, 5.2, server__tcp_state="ESTABLISHED")
    )
    (finding,) = between.over(6.0)
    assert (finding.judged, finding.reason) == ("inconclusive", "it was out of sight for 700 ms")


def test_a_socket_that_is_not_found_at_once_does_no_harm() -> None:
    one = play(STAYS + 'throughout = "5s"').look(0.22, 0.3, server__tcp_state=AWAY).look(0.4, 5.2, server__tcp_state="ESTABLISHED")
    assert one.judged(6.0) == ["passed"]


def test_throughout_is_inconclusive_if_nobody_looked() -> None:
    (finding,) = play(STAYS + 'throughout = "50ms"').look(0.9).over(1.0)
    assert (finding.judged, finding.got, finding.reason) == ("inconclusive", "nothing was seen of it", "nobody looked in its time")


ALWAYS = STAYS + "throughout = true"


def test_to_the_end_of_the_phase() -> None:
    one = play(ALWAYS).until(0.22, 9.92)
    assert (one.judge.waits_for_faults, one.judge.deadline()) == (False, None)
    one.judge.faults_end(10.0)
    one.look(10.1, server__tcp_state="CLOSED")
    (finding,) = one.over(11.0)
    assert (finding.judged, finding.got) == ("passed", "ESTABLISHED (since 0.22 s), at 9.92 s")
    assert finding.wanted == "server.tcp_state is ESTABLISHED from cut to the end of the phase"


def test_to_the_end_of_the_phase_and_not_so() -> None:
    assert play(ALWAYS).look(0.22).look(9.0, server__tcp_state="CLOSED").result(10.0) == ("failed", "CLOSED, at 9.0 s")


def test_to_the_end_of_the_phase_and_not_to_be_seen() -> None:
    assert play(ALWAYS).look(0.22, 9.0, server__tcp_state=AWAY).judged(10.0) == ["inconclusive"]


def test_to_the_end_of_the_phase_of_healing() -> None:
    one = play(STAYS + 'throughout = true\nsince = "heal"').look(0.22)
    one.judge.faults_end(3.0)
    one.judge.heals(3.0)
    one.look(3.02, 4.0).look(4.02, server__tcp_state="CLOSED")
    assert one.result(5.0) == ("failed", "CLOSED, at 4.02 s")


# ------------------------------------------------- a phase that ends early


def test_what_has_had_half_its_time_or_more_is_inconclusive() -> None:
    (finding,) = play(CLOSES + 'within = "5s"').look(0.22, 3.9).over(4.0)
    assert (finding.judged, finding.reason) == ("inconclusive", "the phase ended at 4.0 s, before its time was over")


@pytest.mark.parametrize("when", ['within = "5s"', 'throughout = "5s"'])
def test_so_is_what_has_hardly_begun_if_there_is_nothing_else(when: str) -> None:
    assert play(STAYS.replace("is", "not") + when).look(0.22, server__tcp_state="CLOSED").judged(0.3) == [
        "passed" if "within" in when else "inconclusive"
    ]
    assert play(CLOSES + 'within = "5s"').look(0.22).judged(0.3) == ["inconclusive"]


def test_what_opens_when_all_is_over_does_not_undo_what_was_seen() -> None:
    one = Play(CLOSES + 'within = "1s"', only="cut").look(0.0).opens(0.1).starts(0.1, "cut").look(0.2, server__tcp_state="CLOSE_WAIT")
    one.opens(0.25, server__tcp_state="ESTABLISHED").starts(0.25, "cut", 2).look(0.3)
    assert one.result(0.31) == ("passed", "CLOSE_WAIT, at 0.2 s")


# ------------------------------------------------------------------ since


def test_since_the_start_it_counts_from_0_also_for_who_opens_later() -> None:
    one = Play(CLOSES + 'within = "2s"\nsince = "start"').look(0.0).opens(1.0, server__tcp_state="ESTABLISHED").look(1.02)
    assert one.judge.deadline() == 2.0
    assert one.look(2.0).result(2.1) == ("failed", "ESTABLISHED (since 1.02 s), at 2.0 s")


def test_who_opens_when_the_time_is_over_is_too_late() -> None:
    (finding,) = Play(CLOSES + 'within = "2s"\nsince = "start"').look(0.0, 2.1).opens(2.2).look(2.3).over(3.0)
    assert (finding.judged, finding.reason, finding.since) == ("inconclusive", "no connection was chosen", "the start")


def test_without_a_fault_it_is_since_the_start() -> None:
    (finding,) = Play(CLOSES + 'within = "2s"').look(0.0).opens(1.0, server__tcp_state="CLOSE_WAIT").look(1.02).over(2.0)
    assert (finding.judged, finding.wanted) == ("passed", "server.tcp_state is CLOSE_WAIT within 2 s of the start")


HEALS = STAYS + 'within = "1s"\nsince = "heal:cut"'


@pytest.mark.parametrize(("state", "judged"), [("ESTABLISHED", "passed"), ("CLOSED", "failed"), (AWAY, "inconclusive")])
def test_since_a_fault_has_healed(state: str | Unknown, judged: str) -> None:
    one = play(HEALS).look(0.22, 2.0, server__tcp_state="CLOSE_WAIT")
    assert (one.judge.waits_for_faults, one.judge.waits_for_healing, one.judge.deadline()) == (False, True, None)
    one.heals(2.5, "cut").look(2.5 + TICK, server__tcp_state="CLOSE_WAIT")
    assert one.judge.waits_for_healing
    one.look(3.5, server__tcp_state=state)
    assert not one.judge.waits_for_healing
    (finding,) = one.over(4.0)
    assert (finding.judged, finding.since) == (judged, "the healing of cut, at 2.5 s")


@pytest.mark.parametrize(("state", "judged"), [("ESTABLISHED", "passed"), ("CLOSED", "failed"), (AWAY, "inconclusive")])
def test_since_everything_has_healed(state: str | Unknown, judged: str) -> None:
    one = play(STAYS + 'within = "1s"\nsince = "heal"').look(0.22, 2.0, server__tcp_state="CLOSE_WAIT")
    assert one.judge.waits_for_healing
    one.judge.faults_end(2.5)
    one.judge.heals(2.5)
    one.look(2.6).look(3.5, server__tcp_state=state)
    assert not one.judge.waits_for_healing
    (finding,) = one.over(4.0)
    assert (finding.judged, finding.since) == (judged, "the healing of everything, at 2.5 s")


def test_what_lasts_to_the_end_heals_with_everything() -> None:
    one = play(HEALS).look(0.22, server__tcp_state="CLOSE_WAIT")
    one.judge.faults_end(2.0)
    one.judge.heals(2.0)
    one.heals(2.0, "cut")  # told twice is no harm
    one.look(2.02, server__tcp_state="ESTABLISHED")
    assert one.result(2.1) == ("passed", "ESTABLISHED, at 2.02 s")


def test_what_never_heals_is_inconclusive() -> None:
    one = play(HEALS).look(0.22)
    one.judge.over(1.0)
    (finding,) = one.judge.findings()
    assert (finding.judged, finding.reason) == ("inconclusive", "cut did not heal in its time")
    never = Play(STAYS + 'within = "1s"\nsince = "heal"').opens(0.1).look(0.2)
    never.judge.over(1.0)
    assert [finding.reason for finding in never.judge.findings()] == ["the run ended before everything healed"]


# ------------------------------------------------------------- any and all


BOTH = '{what = "client.tcp_state", is = "FIN_WAIT_2"}, {what = "server.tcp_state", is = "ESTABLISHED"}'


def test_all_at_one_moment() -> None:
    one = play(f'all = [{BOTH}]\nwithin = "1s"')
    one.look(0.3, client__tcp_state="FIN_WAIT_2", server__tcp_state="CLOSED").look(
        0.4, client__tcp_state="CLOSED", server__tcp_state="ESTABLISHED"
    )
    one.look(1.2)
    (finding,) = one.over(2.0)
    assert finding.judged == "failed", "each was so, but not both at once"
    assert finding.wanted == "client.tcp_state is FIN_WAIT_2 and server.tcp_state is ESTABLISHED, at one moment, within 1 s of cut"
    assert finding.got == "client.tcp_state CLOSED, server.tcp_state ESTABLISHED (since 0.4 s), at 1.2 s"
    assert finding.what == "all of client.tcp_state, server.tcp_state"
    again = play(f'all = [{BOTH}]\nwithin = "1s"').look(0.3, client__tcp_state="FIN_WAIT_2", server__tcp_state="ESTABLISHED")
    assert again.judged(2.0) == ["passed"]


def test_all_is_false_if_one_is_although_another_cannot_be_seen() -> None:
    one = play(f'all = [{BOTH}]\nwithin = "1s"').look(0.3, 1.2, client__tcp_state=AWAY, server__tcp_state="CLOSED")
    assert one.judged(2.0) == ["failed"]
    one = play(f'all = [{BOTH}]\nwithin = "1s"').look(0.3, 1.2, client__tcp_state=AWAY, server__tcp_state="ESTABLISHED")
    assert one.judged(2.0) == ["inconclusive"]


def test_any_at_one_moment() -> None:
    one = play(f'any = [{BOTH}]\nthroughout = "1s"')
    one.look(0.3, client__tcp_state="FIN_WAIT_2", server__tcp_state="CLOSED").look(
        0.4, client__tcp_state=AWAY, server__tcp_state="ESTABLISHED"
    )
    one.look(1.2)
    (finding,) = one.over(2.0)
    assert finding.judged == "passed", "one of them was so at each moment"
    assert finding.wanted == "client.tcp_state is FIN_WAIT_2 or server.tcp_state is ESTABLISHED, at one moment, throughout 1 s from cut"
    assert play(f'any = [{BOTH}]\nthroughout = "1s"').look(0.3, client__tcp_state="CLOSED", server__tcp_state="CLOSED").judged(2.0) == [
        "failed"
    ]
    dark = play(f'any = [{BOTH}]\nthroughout = "1s"').look(0.3, 1.2, client__tcp_state=AWAY, server__tcp_state="CLOSED")
    assert dark.judged(2.0) == ["inconclusive"]
