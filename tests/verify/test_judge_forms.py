"""Every form that an expectation can have, as a table: where it passes, where it fails, and where it cannot be decided.

The other files of the judge's tests look at each form closely; this one sees to it that none is missing.
"""

from __future__ import annotations

import re

import pytest

from faultproxy.scenario.expect import Condition, Expect
from faultproxy.verify.world import Seen, Unknown
from tests.core.playbook import fault
from tests.verify.playbook import Play

AWAY = Unknown("it is on another machine")
CUT = fault("reset", name="cut")
STATE = 'what = "server.tcp_state"\n'
UNACKED = 'what = "server.unacked"\n'
SOON = 'within = "1s"\nsince = "start"\n'
GONE = f'{STATE}is = "CLOSED"\n'
BOTH = '[{what = "server.tcp_state", is = "CLOSED"}, {what = "server.unacked", at_most = 3}]\n'

FORMS: dict[str, tuple[str, str, Seen, Seen]] = {
    # form: the table, what it looks at, a value with which it passes, and one with which it fails
    "is": (GONE + SOON, "server.tcp_state", "CLOSED", "ESTABLISHED"),
    "is one of": (STATE + 'is = ["CLOSED", "LAST_ACK"]\n' + SOON, "server.tcp_state", "LAST_ACK", "ESTABLISHED"),
    "not": (STATE + 'not = "ESTABLISHED"\n' + SOON, "server.tcp_state", "CLOSED", "ESTABLISHED"),
    "at_least": (UNACKED + "at_least = 3\n" + SOON, "server.unacked", 3, 2),
    "at_most": (UNACKED + "at_most = 3\n" + SOON, "server.unacked", 3, 4),
    "between": (UNACKED + "between = [3, 5]\n" + SOON, "server.unacked", 5, 6),
    "contains": ('what = "client.process.output"\ncontains = "SAVED"\n' + SOON, "client.process.output", "game SAVED\n", "game over\n"),
    "within": (GONE + 'within = "1s"\n', "server.tcp_state", "CLOSED", "ESTABLISHED"),
    "within a window": (GONE + 'within = ["500ms", "1s"]\nsince = "start"\n', "server.tcp_state", "CLOSED", "ESTABLISHED"),
    "throughout": (STATE + 'not = "CLOSED"\nthroughout = "1s"\n', "server.tcp_state", "ESTABLISHED", "CLOSED"),
    "throughout the phase": (STATE + 'not = "CLOSED"\nthroughout = true\n', "server.tcp_state", "ESTABLISHED", "CLOSED"),
    "at": (GONE + 'at = "500ms"\n', "server.tcp_state", "CLOSED", "ESTABLISHED"),
    "since a heal": (GONE + 'within = "500ms"\nsince = "heal:cut"\n', "server.tcp_state", "CLOSED", "ESTABLISHED"),
    "any": (f"any = {BOTH}{SOON}".replace("at_most = 3", "at_most = 0"), "server.tcp_state", "CLOSED", "ESTABLISHED"),
    "all": (f"all = {BOTH}{SOON}", "server.tcp_state", "CLOSED", "ESTABLISHED"),
    "connections": (GONE + SOON + "connections = [1]\n", "server.tcp_state", "CLOSED", "ESTABLISHED"),
    "holds_for any": (GONE + SOON + 'holds_for = "any"\n', "server.tcp_state", "CLOSED", "ESTABLISHED"),
    "holds_for a count": (GONE + SOON + "holds_for = 1\n", "server.tcp_state", "CLOSED", "ESTABLISHED"),
    "holds_for a share": (GONE + SOON + 'holds_for = "50%"\n', "server.tcp_state", "CLOSED", "ESTABLISHED"),
}


def judged(text: str, what: str, before: Seen, value: Seen) -> str:
    """A connection on which `cut` acts from 0.2 s to 1.0 s; from 0.6 s on, `what` has that value. A second one, if asked for, stays."""
    play = Play(text, faults=[CUT], only="cut").look(0.0)
    for number in range(1, 3 if "connections" in text or "holds_for" in text else 2):
        play.opens(0.1).sets(number, server__tcp_state="ESTABLISHED", server__unacked=1)
    show(play, what, before)
    play.look(0.19).starts(0.2, "cut").until(0.22, 0.52)
    show(play, what, value)
    play.until(0.6, 1.0).heals(1.0, "cut").until(1.02, 1.62)
    (finding,) = play.over(1.7)
    return finding.judged


def show(play: Play, what: str, value: Seen) -> None:
    if what.startswith("client.process"):
        play.has(what, value)
    else:
        play.sets(1, **{what.replace(".", "__"): value})


@pytest.mark.parametrize("form", [*FORMS])
def test_each_form_passes_fails_and_cannot_always_be_decided(form: str) -> None:
    text, what, good, bad = FORMS[form]
    before = good if "throughout" in text else bad
    assert [judged(text, what, before, value) for value in (good, bad, AWAY)] == ["passed", "failed", "inconclusive"]


def test_no_form_is_missing() -> None:
    known = {field.alias or name for model in (Condition, Expect) for name, field in model.model_fields.items()}
    used = {key for text, *_ in FORMS.values() for key in re.findall(r"^(\w+) =", text, re.MULTILINE)}
    assert used == known
