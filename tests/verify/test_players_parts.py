"""How players behave, as playbooks: what happens at what time, and what must follow."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from faultproxy.core.match import Literal, Regex
from faultproxy.scenario.sections import Behaviour
from faultproxy.verify.players.parts import PARTS, Action, Close, Deaf, Fin, Part, Send
from faultproxy.verify.players.script import Script
from faultproxy.verify.players.tally import Tally
from faultproxy.verify.world import Asked

PING, PONG = Send(b"PING\r\n"), b"PONG\r\n"
HELLO, OK = Send(b"LOGIN a\r\n"), b"OK\r\n"
GREETING = {"hello": b"LOGIN a\r\n", "hello_reply": Literal(OK)}


class Scene:
    """A part, and its books."""

    def __init__(self, behaviour: Behaviour, **script: object) -> None:
        told = {"send": PING.data, "reply": Literal(PONG), "every": 1.0, "patience": 5.0} | script
        self.tally = Tally(1)
        self.part: Part = PARTS[behaviour](Script(behaviour, **told), self.tally)  # type: ignore[arg-type]

    def opens(self, now: float) -> list[Action]:
        return list(self.part.opened(now))

    def hears(self, data: bytes, now: float) -> list[Action]:
        return list(self.part.received(data, now))

    def waits(self, now: float) -> list[Action]:
        """It is called at that very time, as it wanted."""
        wanted = self.part.deadline()
        assert wanted is not None
        assert wanted == pytest.approx(now)
        return list(self.part.due(wanted))

    @property
    def asked(self) -> Sequence[tuple[float, float | None]]:
        return [(each.at, each.took if each.took is None else round(each.took, 9)) for each in self.tally.snapshot().asked]


def test_ask_asks_again_when_it_is_time() -> None:
    s = Scene("ask")
    assert s.opens(0.0) == [PING]
    assert s.hears(PONG, 0.25) == []
    assert s.waits(1.0) == [PING]
    assert s.hears(PONG, 1.125) == []
    assert s.part.deadline() == 2.0
    assert s.asked == [(0.0, 0.25), (1.0, 0.125)]


def test_ask_waits_for_a_late_answer_and_then_asks_at_once() -> None:
    s = Scene("ask")
    assert s.opens(0.0) == [PING]
    assert s.waits(1.0) == []
    assert s.hears(PONG, 1.5) == [PING]
    assert s.asked == [(0.0, 1.5)]
    assert s.part.deadline() == 2.5


def test_ask_that_does_not_know_the_answer_does_not_wait_for_it() -> None:
    s = Scene("ask", reply=None)
    assert s.opens(0.0) == [PING]
    assert s.waits(1.0) == [PING]
    assert s.hears(b"any", 1.5) == []
    assert s.asked == [(0.0, 1.5), (1.0, 0.5)]
    assert s.waits(2.0) == [PING]
    for time in (3.0, 4.0, 5.0, 6.0):
        assert s.waits(time) == [PING]
    assert s.waits(7.0) == [PING]  # and what was asked at 2.0 is a failure
    assert s.asked[2:] == [(2.0, None)]


def test_other_lines_between_are_no_answer_and_no_mistake() -> None:
    s = Scene("ask")
    s.opens(0.0)
    assert s.hears(b"bob says PONG is a game\r\n", 0.1) == []
    assert s.hears(b"PO", 0.2) == []
    assert s.hears(b"NG\r\nbob left\r\n", 0.3) == []
    assert s.asked == [(0.0, 0.3)]


def test_a_regex_is_tried_on_each_line() -> None:
    s = Scene("ask", reply=Regex(re.compile(rb"^PONG [0-9]+$")))
    s.opens(0.0)
    s.hears(b"PONG x\r\nPONG 7", 0.1)
    assert s.asked == []
    s.hears(b"\r\n", 0.2)
    assert s.asked == [(0.0, 0.2)]


def test_no_answer_in_time_is_a_failure_and_the_next_is_asked() -> None:
    s = Scene("ask", patience=2.0)
    s.opens(0.0)
    s.waits(1.0)
    s.hears(b"ERR log in first\r\n", 1.25)
    assert s.waits(2.0) == [PING]
    assert s.asked == [(0.0, None)]
    assert s.tally.trouble == r"no right answer within 2 s: 'ERR log in first\r\n' came, 'PONG\r\n' was wanted"


def test_the_answer_to_what_was_given_up_is_not_that_to_the_next() -> None:
    s = Scene("ask", patience=2.0)
    s.opens(0.0)
    s.waits(1.0)
    s.waits(2.0)
    assert s.hears(PONG, 2.25) == []  # it belongs to 0.0
    assert s.hears(PONG, 2.5) == []
    assert s.asked == [(0.0, None), (2.0, 0.5)]


def test_a_server_that_forgets_a_question_is_out_of_step_for_one_more_only() -> None:
    s = Scene("ask", patience=2.0)
    s.opens(0.0)
    s.waits(1.0)
    s.waits(2.0)
    s.hears(PONG, 2.5)
    s.waits(3.0)
    assert s.waits(4.0) == [PING]
    s.hears(PONG, 4.5)
    assert s.asked == [(0.0, None), (2.0, None), (4.0, 0.5)]


def test_two_answers_at_once_belong_to_two_questions() -> None:
    s = Scene("ask", patience=2.0)
    s.opens(0.0)
    s.waits(1.0)
    s.waits(2.0)
    s.hears(PONG + PONG, 2.5)
    assert s.asked == [(0.0, None), (2.0, 0.5)]


def test_what_is_open_when_the_connection_ends_is_a_failure() -> None:
    s = Scene("ask")
    s.opens(0.0)
    s.part.lost("the server closed")
    assert s.asked == [(0.0, None)]
    assert s.tally.trouble == r"the server closed before the right answer came: nothing came, 'PONG\r\n' was wanted"


def test_what_is_answered_is_not_lost() -> None:
    s = Scene("ask")
    s.opens(0.0)
    s.hears(PONG, 0.5)
    s.part.lost("the server closed")
    assert s.asked == [(0.0, 0.5)]


def test_the_hello_comes_first_and_counts_as_nothing_asked() -> None:
    s = Scene("ask", **GREETING)
    assert s.opens(0.0) == [HELLO]
    assert s.hears(b"WELCOME\r\n", 0.1) == []
    assert s.hears(OK, 0.2) == [PING]
    assert s.hears(PONG, 0.5) == []
    assert s.asked == [(0.2, 0.3)]


def test_a_hello_without_a_reply_waits_for_nobody() -> None:
    assert Scene("ask", hello=HELLO.data).opens(0.0) == [HELLO, PING]
    assert Scene("idle", hello=HELLO.data).opens(0.0) == [HELLO]


def test_a_hello_that_is_not_answered_fails_once_and_may_still_be() -> None:
    s = Scene("ask", **GREETING)
    s.opens(0.0)
    assert s.waits(5.0) == []
    assert s.part.deadline() is None
    assert s.asked == [(0.0, None)]
    assert s.hears(OK, 9.0) == [PING]


def test_who_is_impatient_dials_again() -> None:
    s = Scene("ask", **GREETING, impatient=True, patience=1.0)
    s.opens(0.0)
    assert s.waits(1.0) == [Close()]
    assert s.tally.trouble == "the hello was not answered within 1 s"


def test_a_hello_that_is_cut_off_is_a_failure() -> None:
    s = Scene("idle", **GREETING)
    s.opens(0.0)
    s.part.lost("the server closed")
    assert s.asked == [(0.0, None)]
    assert s.tally.trouble == "the server closed before the hello was answered"


def test_idle_says_nothing() -> None:
    s = Scene("idle", send=b"", reply=None, every=None)
    assert s.opens(0.0) == []
    assert s.hears(b"TICK 1\r\n", 1.0) == []
    assert s.part.deadline() is None
    assert s.asked == []


def test_drip_sends_byte_after_byte_and_begins_again() -> None:
    s = Scene("drip", send=b"HI\n", reply=None)
    assert s.opens(0.0) == [Send(b"H")]
    assert s.waits(1.0) == [Send(b"I")]
    assert s.waits(2.0) == [Send(b"\n")]
    assert s.hears(b"HI\n", 2.5) == []
    assert s.waits(3.0) == [Send(b"H")]
    assert s.asked == [(2.0, 0.5)]


def test_never_read_is_deaf_from_the_start() -> None:
    s = Scene("never_read", every=None)
    assert s.opens(0.0) == [Deaf(), PING]
    assert s.part.deadline() is None


def test_never_read_sends_again_where_it_shall() -> None:
    s = Scene("never_read", every=2.0, **GREETING)
    assert s.opens(0.0) == [HELLO]
    assert s.hears(OK, 0.5) == [Deaf(), PING]
    assert s.waits(2.5) == [PING]
    assert s.asked == []


def test_flood_sends_whenever_there_is_room() -> None:
    s = Scene("flood", every=None, **GREETING)
    assert s.opens(0.0) == [HELLO]
    assert list(s.part.drained(0.0)) == []
    (first,) = s.hears(OK, 0.1)
    assert isinstance(first, Send)
    assert first.data == PING.data * (16 * 1024 // 6)
    assert list(s.part.drained(0.2)) == [first]
    assert s.hears(PONG * 100, 0.3) == []
    assert s.asked == []


def test_half_close_asks_and_has_nothing_more_to_say() -> None:
    s = Scene("half_close", every=None)
    assert s.opens(0.0) == [PING, Fin()]
    assert s.hears(PONG, 0.5) == []
    s.part.lost("the server closed")
    assert s.asked == [(0.0, 0.5)]


def test_vanish_goes_silent_behind_its_last_words() -> None:
    assert Scene("vanish", send=b"", every=None).opens(0.0) == [Deaf()]
    s = Scene("vanish", every=None, hello=HELLO.data)
    assert s.opens(0.0) == [HELLO, Deaf(), PING]
    assert s.part.deadline() is None


def test_churn_closes_a_moment_after_the_answer() -> None:
    s = Scene("churn")
    assert s.opens(0.0) == [PING]
    assert s.hears(PONG, 0.5) == []
    assert s.hears(b"bob left\r\n", 0.52) == []  # that does not hold it up
    assert s.waits(0.55) == [Close()]
    assert s.asked == [(0.0, 0.5)]


def test_churn_in_a_hurry_closes_sooner() -> None:
    s = Scene("churn", every=0.005)
    s.opens(0.0)
    s.hears(PONG, 0.5)
    assert s.waits(0.505) == [Close()]


def test_churn_that_does_not_know_the_answer_takes_all_that_comes() -> None:
    s = Scene("churn", reply=None)
    s.opens(0.0)
    s.hears(b"0000", 0.5)
    s.hears(b"0010", 0.53)
    assert s.waits(0.58) == [Close()]
    assert s.asked == [(0.0, 0.5)]


def test_churn_does_not_listen_for_ever() -> None:
    s = Scene("churn", reply=None, patience=0.6)
    s.opens(0.0)
    s.hears(b"0000", 0.56)
    s.hears(b"0010", 0.59)
    assert s.waits(0.6) == [Close()]


def test_churn_gives_up_with_its_connection() -> None:
    s = Scene("churn")
    s.opens(0.0)
    assert s.waits(5.0) == [Close()]
    assert s.asked == [(0.0, None)]


@pytest.mark.parametrize(
    ("behaviour", "every", "reopens"),
    [
        ("ask", 1.0, True),
        ("churn", 1.0, True),
        ("half_close", None, False),
        ("half_close", 1.0, True),
        ("idle", None, False),
        ("drip", 1.0, False),
        ("never_read", 1.0, False),
        ("flood", None, False),
        ("vanish", None, False),
    ],
)
def test_who_comes_back(behaviour: Behaviour, every: float | None, reopens: bool) -> None:
    assert Script(behaviour, every=every).reopens is reopens


def test_every_way_to_cut_an_answer_is_the_same_answer() -> None:
    stream = b"bob PONG\r\nPON\r\n" + PONG
    for cut in range(len(stream) + 1):
        s = Scene("ask", reply=Literal(b"\n" + PONG))
        s.opens(0.0)
        for part in (stream[:cut], stream[cut:]):
            if part:
                s.hears(part, 0.5)
        assert list(s.tally.snapshot().asked) == [Asked(0.0, 0.5)]
