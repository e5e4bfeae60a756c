"""For whom something must be so: which connections, how many of them, and in which round of the fault."""

from __future__ import annotations

import pytest

from faultproxy.core.plan import Peer
from faultproxy.core.run import Run
from faultproxy.verify import inquiry
from faultproxy.verify.world import Label, Seen, Unknown
from tests.core.playbook import fault
from tests.verify.playbook import Play

GONE = 'what = "client.tcp_state"\nis = "CLOSED"\n'
CUT = fault("reset", name="cut")
AWAY = Unknown("it is elsewhere")


def crowd(*expects: str, states: str, fires: bool = True, only: str = "cut") -> Play:
    """A member of a crowd for each letter of `states`; `cut` starts on all at 0.1 s, and at 0.5 s they are Closed, Established, Unknown."""
    labels = [f"players {n}" for n in range(1, len(states) + 1)]
    play = Play(*expects, faults=[CUT], only=only).look(0.0)
    for label in labels:
        play.opens(0.1, label, client__tcp_state="ESTABLISHED").starts(0.1, "cut", label, fires=fires)
    play.look(0.2)
    meant: dict[str, Seen] = {"C": "CLOSED", "E": "ESTABLISHED", "U": AWAY}
    for label, letter in zip(labels, states, strict=True):
        play.sets(label, client__tcp_state=meant[letter])
    return play.look(0.5, 1.1)


# -------------------------------------------------------------- holds_for


@pytest.mark.parametrize(
    ("holds_for", "states", "judged"),
    [
        ('"all"', "CCC", "passed"),
        ('"all"', "CEC", "failed"),
        ('"all"', "CUC", "inconclusive"),
        ('"all"', "EUC", "failed"),
        ('"any"', "ECU", "passed"),
        ('"any"', "EEE", "failed"),
        ('"any"', "EUE", "inconclusive"),
        ("2", "CCEU", "passed"),
        ("2", "CEEE", "failed"),
        ("2", "CUEE", "inconclusive"),
        ("4", "CCC", "failed"),
        ('"50%"', "CCEE", "passed"),
        ('"50%"', "CEEE", "failed"),
        ('"50%"', "CUEE", "inconclusive"),
        ("0.34", "CEE", "failed"),
        ("0.33", "CEE", "passed"),
    ],
)
def test_for_how_many(holds_for: str, states: str, judged: str) -> None:
    assert crowd(f'{GONE}within = "1s"\nholds_for = {holds_for}', states=states).judged(2.0) == [judged]


def test_a_finding_tells_of_the_three_worst() -> None:
    (finding,) = crowd(f'{GONE}within = "1s"', states="CEEUEE").over(2.0)
    assert finding.subject == "6 connections"
    assert finding.wanted == "client.tcp_state is CLOSED within 1 s of cut"
    assert finding.got == "1 of 6; players 2, 3, 5 and 6: ESTABLISHED (since 0.2 s), at 1.1 s", (
        "those of whom the same is to be said, together"
    )
    assert finding.reason == "it never was so in its time"


def test_a_finding_tells_who_came_last() -> None:
    (finding,) = crowd(f'{GONE}within = "1s"\nholds_for = "95%"', states="CCC").over(2.0)
    assert (finding.got, finding.at) == ("all 3, the last at 0.5 s", 0.5)
    assert finding.wanted == "client.tcp_state is CLOSED for 95% of the connections within 1 s of cut"


def test_too_few_are_not_enough() -> None:
    (finding,) = crowd(f'{GONE}within = "1s"\nholds_for = 4', states="CCC").over(2.0)
    assert (finding.judged, finding.reason) == ("failed", "there were only 3")


# ------------------------------------------------------------ connections


def three(*expects: str, on: Label = 2, fires: bool = True) -> Play:
    """Two outsiders, a member of a crowd and a probe; `cut` starts at 0.2 s on one of them, and closes it."""
    play = Play(*expects, faults=[fault("reset", name="cut", connections=[2])], only="cut").look(0.0)
    everybody: list[Label | None] = [None, None, "players 5", "probes 1"]
    for label in everybody:
        play.opens(0.1, label, client__tcp_state="ESTABLISHED")
    return play.look(0.19).starts(0.2, "cut", on, fires=fires).sets(on, client__tcp_state="CLOSED").look(0.3, 1.3)


@pytest.mark.parametrize(
    ("connections", "subject", "judged"),
    [
        ("", "connection 2", "passed"),
        ("connections = [2]", "connection 2", "passed"),
        ("connections = [1]", "connection 1", "failed"),
        ('connections = "all"', "3 connections", "failed"),
        ('connections = {crowd = "players"}', "players 5", "failed"),
        ('connections = {probe = "probes"}', "probes 1", "failed"),
        ("connections = {skip = 1, take = 1}", "connection 2", "passed"),
        ("connections = [7]", "", "inconclusive"),
        ('connections = {source = "10.0.0.0/8"}', "", "inconclusive"),
    ],
)
def test_which_connections(connections: str, subject: str, judged: str) -> None:
    (finding,) = three(f'{GONE}within = "1s"\n{connections}').over(2.0)
    assert (finding.judged, finding.subject) == (judged, subject)
    assert finding.reason == {"passed": "", "failed": "it never was so in its time"}.get(judged, "no connection was chosen")


@pytest.mark.parametrize(("of_outsiders", "subject"), [(False, "2 connections"), (True, "connection 1")])
def test_an_ordinal_is_that_of_an_outsider_where_there_is_a_client(of_outsiders: bool, subject: str) -> None:
    selection = 'connections = [1]\nsince = "start"'
    play = Play(f'what = "client.tcp_state"\nis = "CLOSED"\nwithin = "1s"\n{selection}', of_outsiders=of_outsiders).look(0.0)
    for label in (None, "players 1", "probes 1"):
        play.opens(0.1, label, client__tcp_state="CLOSED")
    (finding,) = play.look(0.2).over(2.0)
    assert (finding.judged, finding.subject) == ("passed", subject)


def test_in_trouble_is_who_has_failed() -> None:
    play = crowd(f'{GONE}within = "1s"', states="CEC")
    play.over(2.0)
    assert play.judge.troubled == {"players 2"}


def test_those_that_a_fault_leaves_alone_are_judged_from_its_first_start() -> None:
    others = 'what = "client.tcp_state"\nis = "ESTABLISHED"\nconnections = {skip = 0, step = 2}\nthroughout = "1s"'
    (finding,) = three(others).over(2.0)
    assert (finding.judged, finding.since) == ("passed", "cut, at 0.2 s")


def test_a_share_chooses_the_same_as_it_does_for_the_fault() -> None:
    half = fault("reset", name="cut", connections={"share": 0.5})
    own = f'{GONE}within = "1s"\nconnections = {{share = "50%"}}'
    play = Play(own, faults=[half], only="cut", seed=7).look(0.0)
    run = Run([half], 7, 0.0)
    hit = []
    for n in range(1, 21):
        play.opens(0.1, client__tcp_state="ESTABLISHED")
        if run.admit(Peer("127.0.0.1", 40000), 0.1)[0] is not None:
            hit.append(n)
            play.starts(0.1, "cut", n).sets(n, client__tcp_state="CLOSED")
    assert 0 < len(hit) < 20
    (finding,) = play.look(0.2, 1.2).over(2.0)
    assert (finding.judged, finding.got) == ("passed", f"all {len(hit)}, the last at 0.2 s")


def test_since_the_start_all_but_probes_are_meant() -> None:
    play = Play(f'{GONE}within = "1s"\nsince = "start"').look(0.0).opens(0.1, client__tcp_state="CLOSED")
    play.opens(0.1, "probes 1", client__tcp_state="ESTABLISHED").opens(0.2, "players 1", client__tcp_state="CLOSED").look(0.3, 1.0)
    (finding,) = play.over(1.1)
    assert (finding.judged, finding.subject) == ("passed", "2 connections")


# ----------------------------------------------------- whether it has acted


def test_a_fault_that_never_fired_leaves_nothing_to_judge() -> None:
    for expects in (f'{GONE}within = "1s"', f'{GONE}within = "1s"\nconnections = [1]', 'what = "connections.open"\nis = 7\nwithin = "1s"'):
        (finding,) = three(expects, fires=False).has("connections.open", 2).look(1.4).over(2.0)
        assert (finding.judged, finding.reason, finding.since) == ("not_judged", "cut never fired", "cut")


def test_a_fault_that_fires_late_is_judged_by_what_was_seen_before() -> None:
    play = three(f'{GONE}within = "1s"', fires=False)
    assert play.judge.waits_for_faults, "it may still fire"
    play.fires(1.5, "cut", 2)
    assert not play.judge.waits_for_faults
    assert play.result(2.0) == ("passed", "CLOSED, at 0.3 s")


def test_a_connection_on_which_it_did_not_act_is_not_judged() -> None:
    play = crowd(f'{GONE}within = "1s"', states="CE", fires=False).fires(1.2, "cut", "players 1")
    (finding,) = play.over(2.0)
    assert (finding.judged, finding.subject) == ("passed", "players 1")


# ------------------------------------------------------------ the listener


REFUSE = fault("refuse", name="door")


def test_a_fault_of_the_listener_concerns_all_but_probes() -> None:
    play = Play(f'{GONE}within = "1s"', faults=[REFUSE], only="door").look(0.0)
    play.opens(0.1, client__tcp_state="ESTABLISHED").opens(0.1, "probes 1", client__tcp_state="ESTABLISHED")
    play.opens(0.1, client__tcp_state="CLOSED").closes(0.15, 2)
    play.starts(0.2, "door", None).sets(1, client__tcp_state="CLOSED").look(0.3)
    play.opens(0.4, client__tcp_state="ESTABLISHED").look(1.2)
    (finding,) = play.over(2.0)
    assert finding.got == "1 of 2; connection 3: ESTABLISHED, at 1.2 s"
    assert finding.judged == "failed"


def test_a_fault_of_the_listener_and_something_that_is_no_connection() -> None:
    refused = 'what = "crowd.players.errors.ECONNREFUSED"\nat_least = 1\nwithin = "1s"'
    play = Play(refused, faults=[REFUSE], only="door").look(0.0).starts(0.2, "door", None).look(0.3, 1.2)
    (finding,) = play.over(2.0)
    assert (finding.judged, finding.reason) == ("inconclusive", "crowd players was not observed")


# ------------------------------------------------------------------ rounds


FLAP = fault("blackhole", name="flap", at="1s", lasts="500ms", every="2s")
UP = 'what = "server.tcp_state"\nis = "ESTABLISHED"\nthroughout = "1s"\nsince = "heal:flap"'


def flapping(*down: int, last: int = 3) -> Play:
    """The link fails at 1 s, 3 s, 5 s … for half a second; after those of its failures the server has given up."""
    play = Play(UP, faults=[FLAP], only="flap").look(0.0).opens(0.1, server__tcp_state="ESTABLISHED")
    for number in range(1, last + 1):
        start = 2.0 * number - 1
        play.sets(1, server__tcp_state="ESTABLISHED").starts(start, "flap").look(start + 0.1).heals(start + 0.5, "flap")
        play.look(start + 0.6, server__tcp_state="CLOSED" if number in down else "ESTABLISHED").look(start + 1.5)
    return play


def test_each_start_is_judged_anew() -> None:
    findings = flapping(2).over(6.8)
    assert [finding.judged for finding in findings] == ["passed", "failed", "passed"]
    assert [finding.since for finding in findings] == [f"the healing of flap, start {n}, at {2 * n - 0.5} s" for n in (1, 2, 3)]
    assert findings[1].got == "CLOSED, at 3.6 s"


def test_a_round_that_did_nothing_is_not_judged() -> None:
    play = flapping(last=1).starts(3.0, "flap", fires=False).heals(3.5, "flap").look(3.6, 4.5, server__tcp_state="CLOSED")
    findings = play.over(5.0)
    assert [(finding.judged, finding.reason) for finding in findings] == [("passed", ""), ("not_judged", "flap did nothing in this round")]


def test_a_round_that_is_cut_short_is_not_judged_beside_others() -> None:
    play = flapping(last=1).starts(3.0, "flap").heals(3.5, "flap").look(3.6)
    findings = play.over(3.7)
    assert [(finding.judged, finding.reason) for finding in findings] == [
        ("passed", ""),
        ("not_judged", "the phase ended before its time was over"),
    ]


def test_who_opens_late_belongs_to_the_round_that_the_clock_says() -> None:
    play = flapping(last=1).opens(2.0, server__tcp_state="ESTABLISHED")
    play.starts(3.0, "flap", 1, 2).look(3.1).heals(3.5, "flap", 1, 2).look(3.6, 4.5)
    assert [finding.subject for finding in play.over(5.0)] == ["connection 1", "2 connections"]


def test_what_is_no_connection_is_judged_once_a_round_from_its_first_start() -> None:
    play = Play('what = "connections.open"\nat_least = 2\nwithin = "1s"', faults=[CUT], only="cut").look(0.0)
    play.opens(0.1).starts(0.1, "cut", 1).opens(0.5).starts(0.5, "cut", 2)
    assert play.judge.deadline() == 1.1
    (finding,) = play.has("connections.open", 2).look(0.6).over(1.0)
    assert (finding.judged, finding.since, finding.subject) == ("passed", "cut, at 0.1 s", "")


def test_and_for_it_a_fault_has_healed_when_it_has_healed_everywhere() -> None:
    play = Play('what = "connections.open"\nis = 2\nthroughout = "1s"\nsince = "heal:cut"', faults=[CUT], only="cut").look(0.0)
    play.opens(0.1).opens(0.1).starts(0.2, "cut", 1, 2).has("connections.open", 1).look(0.3)
    play.heals(0.4, "cut", 1).look(0.5).has("connections.open", 2).heals(0.6, "cut", 2).look(0.7, 1.6)
    (finding,) = play.over(2.0)
    assert (finding.judged, finding.since) == ("passed", "the healing of cut, at 0.6 s")


def test_what_starts_without_end_is_judged_only_so_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inquiry, "ROUNDS_JUDGED", 2)
    findings = flapping(last=4).over(9.0)
    assert [finding.judged for finding in findings] == ["passed", "passed", "not_judged"]
    assert findings[2].reason == "only the first 2 starts are judged; there were 2 more"


# ------------------------------------------------------------------- order


def test_findings_stand_in_file_order() -> None:
    play = crowd(f'{GONE}within = "1s"', 'what = "server.tcp_state"\nis = "CLOSED"\nwithin = "1s"', f"{GONE}throughout = true", states="C")
    assert [(finding.index, finding.judged) for finding in play.over(2.0)] == [(0, "passed"), (1, "inconclusive"), (2, "failed")]
