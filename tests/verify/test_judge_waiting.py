"""What the run asks of the judge: what to observe, when to look, and whether a phase may end."""

from __future__ import annotations

from tests.core.playbook import fault
from tests.verify.playbook import Play

CUT = fault("reset", name="cut")
GONE = 'what = "client.tcp_state"\nis = "CLOSED"\n'
COUNT = 'what = "connections.open"\nis = 2\nwithin = "1s"\nsince = "start"'


def waits(play: Play) -> tuple[bool, bool]:
    return play.judge.waits_for_faults, play.judge.waits_for_healing


def test_everything_that_is_named_is_needed() -> None:
    play = Play(
        f'{GONE}within = "1s"',
        'any = [{what = "probe.healthy.ok", at_least = 1}, {what = "host.Tcp.InErrs", is = 0}]\nwithin = "1s"',
    )
    assert play.judge.needs() == {"client.tcp_state", "probe.healthy.ok", "host.Tcp.InErrs"}


def test_nothing_expected_is_nothing_to_wait_for() -> None:
    play = Play()
    assert (waits(play), play.judge.deadline(), play.judge.needs(), play.over(1.0)) == ((False, False), None, frozenset(), [])


def test_the_next_deadline_is_the_first_of_those_that_are_open() -> None:
    play = Play(f'{GONE}within = "2s"', f'{GONE}throughout = "1s"', f"{GONE}throughout = true", COUNT, faults=[CUT], only="cut")
    assert play.judge.deadline() == 1.0
    play.has("connections.open", 2).look(0.0)
    assert play.judge.deadline() is None
    play.opens(0.5, client__tcp_state="ESTABLISHED").starts(0.5, "cut").look(0.5)
    assert play.judge.deadline() == 2.5, "what had to be so throughout has failed"


def test_what_has_no_bound_is_not_waited_for() -> None:
    play = Play(f"{GONE}throughout = true", faults=[CUT], only="cut").opens(0.0).starts(0.1, "cut").look(0.2)
    assert waits(play) == (False, False)


def test_a_fault_that_has_not_started_is_waited_for() -> None:
    play = Play(f'{GONE}within = "1s"', faults=[CUT], only="cut").look(0.0, 9.0)
    assert waits(play) == (True, False)
    play.opens(9.1).starts(9.2, "cut").look(9.3, client__tcp_state="CLOSED")
    assert waits(play) == (False, False)


def test_so_is_one_that_has_started_and_not_fired() -> None:
    play = Play(COUNT.replace("start", "cut"), faults=[CUT]).has("connections.open", 2).look(0.0).opens(0.1)
    play.starts(0.1, "cut", fires=False).look(0.2, 3.0)
    assert waits(play) == (True, False), "without it the expectation means nothing"
    assert waits(play.fires(3.1, "cut")) == (False, False)


def test_one_that_need_not_fire_is_waited_for_as_long_as_its_time_runs() -> None:
    may = fault("reset", name="cut", may_not_fire=True)
    play = Play(f'{GONE}within = "1s"', faults=[may], only="cut").opens(0.1)
    assert waits(play) == (False, False), "it may never come"
    assert play.judge.hopes
    play.starts(0.1, "cut", fires=False).look(0.2, client__tcp_state="ESTABLISHED")
    assert waits(play) == (True, False)
    assert waits(play.look(1.1)) == (False, False)
    assert not play.judge.hopes
    assert play.judged(1.2) == ["not_judged"]


def test_one_that_need_not_fire_but_comes_by_the_clock_is_waited_for() -> None:
    may = fault("reset", name="cut", at="3s", may_not_fire=True)
    play = Play(f'{GONE}within = "1s"', faults=[may], only="cut").opens(0.1).look(2.0)
    assert waits(play) == (True, False)
    assert waits(play.look(3.1)) == (False, False)


def test_where_it_has_started_it_may_still_act() -> None:
    play = Play(f'{GONE}within = "1s"', faults=[CUT], only="cut").opens(0.1, client__tcp_state="CLOSED").opens(0.1)
    play.starts(0.1, "cut", 1).starts(0.1, "cut", 2, fires=False).look(0.2)
    assert waits(play) == (True, False)
    any_play = Play(f'{GONE}within = "1s"\nholds_for = "any"', faults=[CUT], only="cut").opens(0.1, client__tcp_state="CLOSED").opens(0.1)
    any_play.starts(0.1, "cut", 1).starts(0.1, "cut", 2, fires=False).look(0.2)
    assert waits(any_play) == (False, False), "enough is enough"


def test_a_failure_is_not_waited_out() -> None:
    play = Play('what = "client.tcp_state"\nnot = "CLOSED"\nthroughout = "5s"', faults=[CUT], only="cut").opens(0.1).opens(0.1)
    play.starts(0.1, "cut", 1, 2).sets(2, client__tcp_state="ESTABLISHED").look(0.2, client__tcp_state="CLOSED")
    assert waits(play) == (False, False)


def test_a_connection_that_could_still_come_is_waited_for() -> None:
    play = Play(f'{GONE}within = "1s"\nsince = "start"\nconnections = [2]').opens(0.1).look(0.2)
    assert waits(play) == (True, False)
    assert waits(play.look(1.1)) == (False, False)


def test_a_count_is_waited_for() -> None:
    play = Play(f'{GONE}within = "1s"\nsince = "start"\nholds_for = 2').opens(0.1).look(0.2, client__tcp_state="CLOSED")
    assert waits(play) == (True, False)
    play.opens(0.3, client__tcp_state="CLOSED").look(0.4)
    assert waits(play) == (False, False)
    assert play.judged(0.5) == ["passed"]


def test_healing_is_waited_for_in_its_own_phase() -> None:
    play = Play(f'{GONE}within = "1s"\nsince = "heal:cut"', f'{GONE}within = "2s"\nsince = "heal"', faults=[CUT], only="cut")
    play.opens(0.1, client__tcp_state="ESTABLISHED").starts(0.2, "cut").look(0.3)
    assert waits(play) == (False, True)
    play.judge.faults_end(1.0)
    play.judge.heals(1.0)
    assert (waits(play), play.judge.deadline()) == ((False, True), 2.0)
    play.look(2.0)
    assert (waits(play), play.judge.deadline()) == ((False, True), 3.0)
    play.look(2.1, client__tcp_state="CLOSED")
    assert (waits(play), play.judge.deadline()) == ((False, False), None)
    play.judge.over(2.2)
    assert [finding.judged for finding in play.judge.findings()] == ["failed", "passed"]


def test_the_healing_of_what_never_started_is_not_waited_for() -> None:
    play = Play(f'{GONE}within = "1s"\nsince = "heal:cut"', faults=[CUT], only="cut").opens(0.1).look(0.2)
    play.judge.faults_end(1.0)
    play.judge.heals(1.0)
    assert waits(play) == (False, False)
    assert [finding.judged for finding in play.judge.findings()] == ["not_judged"]


def test_what_happens_when_the_phase_is_over_is_judged_no_more() -> None:
    play = Play(f'{GONE}within = "1s"', faults=[CUT], only="cut").opens(0.1).starts(0.1, "cut").look(0.2, client__tcp_state="CLOSED")
    play.judge.faults_end(1.0)
    play.starts(1.1, "cut").look(2.2, client__tcp_state="ESTABLISHED")
    assert play.judged(3.0) == ["passed"]


def test_findings_can_be_asked_for_when_something_has_gone_wrong() -> None:
    play = Play(f'{GONE}within = "1s"', faults=[CUT], only="cut").opens(0.1).starts(0.1, "cut").look(0.2, client__tcp_state="ESTABLISHED")
    (finding,) = play.judge.findings()
    assert (finding.judged, finding.reason) == ("inconclusive", "it was not decided")
