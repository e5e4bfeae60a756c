"""Late segments."""

from __future__ import annotations

import pytest

from faultproxy.core.actions import Inject, Lose, Pass
from faultproxy.faults.packet import delay
from tests.core.packet_playbook import PacketPlaybook, fault, play, segment


def test_on_its_way_in_the_verdict_comes_later() -> None:
    book = play("delay", [(1.0, "from_client", ".", 1, 1), (1.1, "from_client", "P.", 1, 1, b"hi")], direction="from_client", delay="200ms")
    assert book.done == [(1.2, Pass("from_client", 1)), (1.1 + 0.2, Pass("from_client", 2))]
    assert book.fired == [(1.0, "held an ACK, for 200.0 ms"), (1.1, "held a data segment, 2 bytes, for 200.0 ms")]


def test_on_its_way_out_a_copy_is_sent_later() -> None:
    book = play("delay", [(1.0, "to_client", "P.", 1, 1, b"hi")], direction="to_client", delay="200ms")
    assert book.done == [(1.0, Lose("to_client", 1, held=True)), (1.2, Inject("to_client", segment("to_client", "P.", 1, 1, b"hi")))]


def test_what_is_not_chosen_overtakes() -> None:
    segments = [(0.0, "from_client", "P.", 1, 1, b"hi"), (0.1, "from_client", ".", 3, 1)]
    book = play("delay", segments, direction="from_client", segments="data", delay="1s")
    assert book.done == [(0.1, Pass("from_client", 2)), (1.0, Pass("from_client", 1))]


def test_jitter_lets_one_overtake_the_other_and_equal_times_keep_their_order() -> None:
    segments = [(0.0, "from_client", "P.", 1 + number, 1, b"x") for number in range(50)]
    still = play("delay", segments, direction="from_client", delay="1s")
    assert still.done == [(1.0, Pass("from_client", ref)) for ref in range(1, 51)]
    jittered = play("delay", segments, direction="from_client", delay="1s", jitter="500ms")
    refs = [action.ref for _, action in jittered.done if isinstance(action, Pass)]
    assert sorted(refs) == list(range(1, 51)) != refs
    assert jittered.log == play("delay", segments, direction="from_client", delay="1s", jitter="500ms").log


def test_healed_all_go_at_once_as_they_would_have_come_out() -> None:
    segments = [(0.0, "from_client", "P.", 1 + number, 1, b"x") for number in range(50)]
    patient = play("delay", segments, direction="from_client", delay="1s", jitter="500ms")
    healed = play("delay", segments, direction="from_client", delay="1s", jitter="500ms", heal=0.1)
    assert [action for _, action in healed.done] == [action for _, action in patient.done]
    assert {time for time, _ in healed.done} == {0.1}


def test_beyond_the_bound_they_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delay, "PACKETS_HELD", 2)
    book = play("delay", [(0.0, "from_client", ".", 1, 1)] * 3, direction="from_client", delay="1s")
    assert book.done == [(0.0, Lose("from_client", 3)), (1.0, Pass("from_client", 1)), (1.0, Pass("from_client", 2))]
    assert book.fired[-1] == (0.0, "lost an ACK, 2 are held already")


def test_a_late_segment_still_meets_the_faults_behind() -> None:
    book = PacketPlaybook(
        fault("delay", direction="to_client", delay="1s"),
        fault("drop", direction="to_client", payload="b"),
        fault("flags", direction="to_client", set="PSH"),
    )
    book.push(0.0, "to_client", ".", 1, 1, b"a").push(0.0, "to_client", ".", 2, 1, b"b").until(2.0)
    assert book.left("to_client") == [(1.0, segment("to_client", "P.", 1, 1, b"a"))]
