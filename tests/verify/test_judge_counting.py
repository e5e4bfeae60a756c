"""What is counted from the moment on, what is asked since then, and shares of it."""

from __future__ import annotations

import pytest

from faultproxy.verify.world import Asked, Ended, NotYet, Player, Seen, Unknown
from tests.core.playbook import fault
from tests.verify.playbook import Play

CUT = fault("reset", name="cut")
AWAY = Unknown("it is elsewhere")


# ------------------------------------------------------ counters of sockets


def counting(text: str, *, before: Seen = 7) -> Play:
    """A connection that has resent 7 segments before `cut` starts at 1 s."""
    play = Play(text, faults=[CUT], only="cut").look(0.0).opens(0.1).look(0.5, server__retransmits=0)
    return play.look(0.98, server__retransmits=before).starts(1.0, "cut")


RESENT = 'what = "server.retransmits"\nat_least = 3\nwithin = "1s"'


@pytest.mark.parametrize(("last", "judged", "got"), [(10, "passed", "3, at 2.0 s"), (9, "failed", "2, at 2.0 s")])
def test_a_counter_counts_since_the_moment(last: int, judged: str, got: str) -> None:
    play = counting(RESENT).look(1.02, server__retransmits=8).look(2.0, server__retransmits=last)
    assert play.result(3.0) == (judged, got)


def test_a_counter_that_cannot_be_seen_is_inconclusive() -> None:
    assert counting(RESENT).look(2.0, server__retransmits=AWAY).judged(3.0) == ["inconclusive"]


def test_a_counter_that_was_not_known_before_counts_from_its_first_value() -> None:
    play = counting(RESENT, before=AWAY).look(1.5, server__retransmits=8)
    assert play.look(2.0, server__retransmits=10).result(3.0) == ("failed", "2, at 2.0 s")


def test_the_counters_of_a_connection_that_was_not_there_before_count_from_nothing() -> None:
    play = Play(RESENT, faults=[CUT], only="cut").look(0.98).opens(0.99).starts(1.0, "cut").look(1.02, server__retransmits=3)
    assert play.judged(2.0) == ["passed"]


@pytest.mark.parametrize("before", [{}, {"server__retransmits": NotYet("it is not dialled yet")}])
def test_the_counters_of_a_socket_that_was_not_there_before_count_from_nothing(before: dict[str, Seen]) -> None:
    play = Play(RESENT, faults=[CUT], only="cut").opens(0.97).look(0.98, client__retransmits=0, **before)
    assert play.starts(1.0, "cut").look(1.02, server__retransmits=3).judged(2.0) == ["passed"]


def test_nor_do_they_where_the_news_of_the_connection_came_after_a_look() -> None:
    play = Play(RESENT, faults=[CUT], only="cut").look(0.98).opens(0.97).starts(0.99, "cut").look(1.02, server__retransmits=3)
    assert play.judged(2.0) == ["passed"]


def test_what_is_no_counter_is_as_it_is_now() -> None:
    play = counting('what = "server.unacked"\nis = 7\nwithin = "1s"').sets(1, server__unacked=7).look(1.02)
    assert play.judged(2.0) == ["passed"]


@pytest.mark.parametrize(
    ("before", "after", "judged"),
    [(False, True, "passed"), (True, True, "failed"), (False, False, "failed"), (False, AWAY, "inconclusive")],
)
def test_a_fin_that_came_before_has_not_come_since(before: Seen, after: Seen, judged: str) -> None:
    play = Play('what = "server.fin_received"\nis = true\nwithin = "1s"\nsince = "heal:cut"', faults=[CUT], only="cut").look(0.0)
    play.opens(0.1).starts(0.2, "cut").look(0.98, server__fin_received=before).heals(1.0, "cut")
    assert play.look(1.02, 2.0, server__fin_received=after).judged(3.0) == [judged]


@pytest.mark.parametrize(("sent", "got"), [(9_999, "9999 B, at 2.0 s"), (3 * 2**20, "3 MiB (3145728 B), at 2.0 s")])
def test_sizes_are_told_to_the_byte(sent: int, got: str) -> None:
    play = Play('what = "client.bytes_received"\nis = "5kB"\nwithin = "1s"', faults=[CUT], only="cut").opens(0.9)
    assert play.starts(1.0, "cut").look(2.0, client__bytes_received=sent).result(3.0) == ("failed", got)


def test_between() -> None:
    for value, judged in ((20, "passed"), (21, "failed"), (AWAY, "inconclusive")):
        play = counting('what = "server.backoff"\nbetween = [15, 20]\nthroughout = "1s"').sets(1, server__backoff=value)
        assert play.look(1.02, 2.0).judged(3.0) == [judged]


# ------------------------------------------------------------ not a socket's


@pytest.mark.parametrize(
    ("what", "before", "after"),
    [
        ("connections.opened", 4, 10),
        ("connections.failed", 1, 7),
        ("host.TCPChallengeACK", 1000, 1006),
        ("connections.open", 4, 6),
        ("server.sockets.CLOSE_WAIT", 4, 6),
        ("server.process.fds", 4, 6),
    ],
)
@pytest.mark.parametrize(("wanted", "judged"), [(6, "passed"), (7, "failed")])
def test_other_counts(what: str, before: int, after: int, wanted: int, judged: str) -> None:
    text = f'what = "{what}"\nis = {wanted}\nwithin = "1s"\nsince = "heal"'
    play = Play(text).has(what, before).look(0.98)
    play.judge.heals(1.0)
    assert play.has(what, after).look(2.0).result(3.0) == (judged, "6, at 2.0 s")


def test_what_nobody_observes_is_inconclusive() -> None:
    (finding,) = Play('what = "connections.opened"\nis = 6\nwithin = "1s"').look(0.0, 1.0).over(2.0)
    assert (finding.judged, finding.reason) == ("inconclusive", "connections.opened was not observed")


@pytest.mark.parametrize(
    ("seen", "judged", "got"),
    [
        (0, "passed", "0, at 1.0 s"),
        (1, "failed", "1, at 1.0 s"),
        (None, "failed", "no value (it is still running), at 1.0 s"),
        (NotYet("it was not started"), "failed", "no value (it was not started), at 1.0 s"),
        (AWAY, "inconclusive", "not to be seen (it is elsewhere), at 1.0 s"),
    ],
)
def test_a_process_that_has_not_ended_has_no_status_yet(seen: Seen | None, judged: str, got: str) -> None:
    play = Play('what = "client.process.exit"\nis = 0\nwithin = "1s"').look(0.0)
    play = play.has("client.process.exit", seen) if seen is not None else play
    assert play.look(1.0).result(2.0) == (judged, got)


OUTPUT = 'what = "client.process.output"\ncontains = "RESUMED"\nwithin = "1s"\nsince = "heal"'


@pytest.mark.parametrize(
    ("before", "after", "judged", "got"),
    [
        ("login\n", "login\nRESUMED\n", "passed", '"RESUMED", at 2.0 s'),
        ("RESUMED\n", "RESUMED\nbye\n", "failed", '4 characters without it, at the end "bye", at 2.0 s'),
        ("RESUMED\n", "RESUMED\n", "failed", "nothing was written, at 2.0 s"),
        ("x" * 300 + "RESUMED\n", "x" * 250 + "RESUMED\nbye\n", "failed", '4 characters without it, at the end "bye", at 2.0 s'),
        ("x" * 300 + "RESUMED\n", "y" * 300 + "RESUMED\n", "passed", '"RESUMED", at 2.0 s'),
        ("login\n", AWAY, "inconclusive", "not to be seen (it is elsewhere), at 2.0 s"),
    ],
)
def test_an_output_counts_from_the_moment(before: str, after: Seen, judged: str, got: str) -> None:
    play = Play(OUTPUT).has("client.process.output", before).look(0.98)
    play.judge.heals(1.0)
    assert play.has("client.process.output", after).look(2.0).result(3.0) == (judged, got)


# -------------------------------------------------------- probes and crowds


def since_1s(text: str, who: str, before: Player, *after: Player | None) -> Play:
    """What a player has done at 0.98 s, a look before the moment, and at the looks from 1.1 s on, 0.1 s apart."""
    play = Play(f'{text}\nsince = "heal"').plays(who, before).look(0.98)
    play.judge.heals(1.0)
    for n, state in enumerate(after, 1):
        if state is not None:
            play.plays(who, state)
        play.look(round(1 + n / 10, 1))
    return play


HEALTHY = "probe.healthy"


@pytest.mark.parametrize(
    ("text", "after", "judged", "got"),
    [
        ('ok"\nat_least = 5', Player(20, ok=15), "passed", "5, at 1.1 s"),
        ('ok"\nat_least = 6', Player(20, ok=15), "failed", "5, at 1.1 s"),
        ('failures"\nis = 2', Player(20, failures=5), "passed", "2, at 1.1 s"),
        ('errors.ECONNRESET"\nat_least = 1', Player(20, errors={"ECONNRESET": 2}), "passed", "1, at 1.1 s"),
        ('errors.EPIPE"\nat_least = 1', Player(20, errors={"ECONNRESET": 2}), "failed", "0, at 1.1 s"),
        ('open"\nis = 1', Player(20, open=1), "passed", "1, at 1.1 s"),
        ('closed_by_server"\nis = 4', Player(20, closed_by_server=4), "passed", "4, at 1.1 s"),
        ('ok"\nat_least = "50%"', Player(20, ok=15), "passed", "50% (5 of 10), at 1.1 s"),
        ('ok"\nat_least = "51%"', Player(20, ok=15), "failed", "50% (5 of 10), at 1.1 s"),
        ('ok"\nat_least = "50%"', Player(10, ok=10), "failed", "nothing was asked since, at 1.1 s"),
    ],
)
def test_a_probe(text: str, after: Player, judged: str, got: str) -> None:
    before = Player(10, ok=10, failures=3, errors={"ECONNRESET": 1}, closed_by_server=3)
    play = since_1s(f'what = "{HEALTHY}.{text}\nwithin = "100ms"', HEALTHY, before, after)
    assert play.result(2.0) == (judged, got)


@pytest.mark.parametrize(("ok", "judged"), [(290, "passed"), (289, "failed")])
def test_a_share_of_a_crowd_is_of_its_count(ok: int, judged: str) -> None:
    play = since_1s(
        'what = "crowd.players.ok"\nat_least = "95%"\nwithin = "100ms"', "crowd.players", Player(200, ok=100), Player(200, ok=ok)
    )
    assert play.judged(2.0) == [judged]


@pytest.mark.parametrize(
    ("late", "judged"), [(Player(10, open=3), "failed"), (Player(10, open=9), "passed"), (Player(10, open=3, failures=7), "failed")]
)
def test_a_crowd_that_is_still_coming_in_has_not_failed(late: Player, judged: str) -> None:
    text = 'what = "crowd.players.open"\nat_least = "90%"\nthroughout = "8s"\nsince = "start"'
    play = Play(text).plays("crowd.players", Player(10)).look(0.0).plays("crowd.players", Player(10, open=3)).look(0.02)
    play.plays("crowd.players", late).look(0.1, 6.0, 9.0)
    assert play.judged(9.0) == [judged]


def test_a_share_of_nothing_breaks_no_promise_and_keeps_none() -> None:
    text = f'what = "{HEALTHY}.ok"\nat_least = "90%"\nthroughout = "200ms"'
    assert since_1s(text, HEALTHY, Player(10, ok=10), Player(10, ok=10), Player(20, ok=20)).judged(2.0) == ["passed"]
    (finding,) = since_1s(text, HEALTHY, Player(10, ok=10), Player(10, ok=10), None).over(2.0)
    assert (finding.judged, finding.reason) == ("inconclusive", "nothing was asked of it since")


FAST = f'what = "{HEALTHY}.latency_p99"\nat_most = "50ms"\nthroughout = "200ms"'
SLOW_BEFORE = [Asked(0.5, 3.0), Asked(0.9, 2.0)]


@pytest.mark.parametrize(
    ("took", "judged", "got"),
    [
        ([0.01] * 99 + [0.9], "passed", "10 ms, at 1.2 s"),
        ([0.01] * 98 + [0.9, 0.9], "failed", "900 ms, at 1.1 s"),
        ([0.01, None], "passed", "10 ms, at 1.2 s"),
        ([None], "failed", "no answer, at 1.1 s"),
        ([], "inconclusive", "no value (it has asked nothing since that could have been answered), at 1.2 s"),
    ],
)
def test_a_percentile_is_of_what_was_asked_since(took: list[float | None], judged: str, got: str) -> None:
    asked = [*SLOW_BEFORE, *(Asked(1.0, one) for one in took)]
    play = since_1s(FAST, HEALTHY, Player(2, asked=SLOW_BEFORE), Player(len(asked), asked=asked), None)
    assert play.result(2.0) == (judged, got)


def test_the_median() -> None:
    asked = [Asked(1.0, took) for took in (0.04, 0.01, 0.03, 0.02)]
    play = since_1s(f'what = "{HEALTHY}.latency_p50"\nis = "20ms"\nwithin = "100ms"', HEALTHY, Player(0), Player(4, asked=asked))
    assert play.judged(2.0) == ["passed"]


DRIPPERS = "crowd.drippers"
BEFORE = Ended(0.5, 0.4, by_server=True)


@pytest.mark.parametrize(
    ("ended", "judged", "got"),
    [
        ([Ended(1.05, 9.9, True), Ended(1.06, 10.4, False)], "passed", "9.9 s to 10.4 s (2 connections), at 1.1 s"),
        ([Ended(1.05, 9.9, True), Ended(1.06, 3.0, True)], "failed", "3 s to 9.9 s (2 connections), at 1.1 s"),
        ([], "failed", "no value (none of its connections has ended since), at 1.1 s"),
    ],
)
def test_each_that_has_ended_since_must_have_lasted_so_long(ended: list[Ended], judged: str, got: str) -> None:
    text = f'what = "{DRIPPERS}.closed_after"\nbetween = ["9.5s", "11s"]\nwithin = "100ms"'
    play = since_1s(text, DRIPPERS, Player(2, ended=[BEFORE]), Player(2, ended=[BEFORE, *ended]))
    assert play.result(2.0) == (judged, got)


def test_nobody_has_broken_what_nobody_could_break() -> None:
    text = f'what = "{DRIPPERS}.closed_after"\nat_least = "9.5s"\nthroughout = "100ms"'
    (finding,) = since_1s(text, DRIPPERS, Player(2), Player(2)).over(2.0)
    assert (finding.judged, finding.reason) == ("inconclusive", "none of its connections has ended since")


@pytest.mark.parametrize("condition", ['ok"\nat_least = 1', 'latency_p99"\nat_least = "1s"', 'closed_after"\nat_least = "1s"'])
def test_a_player_that_nobody_observes_is_inconclusive(condition: str) -> None:
    (finding,) = Play(f'what = "{HEALTHY}.{condition}\nwithin = "1s"').look(0.0, 1.0).over(2.0)
    assert (finding.judged, finding.reason) == ("inconclusive", "probe healthy was not observed")
