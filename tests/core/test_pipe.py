"""One direction: stages in file order, what begins where, and what comes out."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from faultproxy.core.limits import HELD_PER_DIRECTION, Budget
from faultproxy.core.pipe import AFTER_FIN, Pipe
from faultproxy.core.stage import Act, Broken, Chunk, Close, Fin, Item, Items, Rst, Stage


class Hold(Stage):
    """Holds everything until it heals."""

    def __init__(self) -> None:
        self.items: list[Item] = []

    def _take(self, item: Item) -> Items:
        self.items.append(item)
        self.held += len(item.data) if isinstance(item, Chunk) else 0
        return ()

    def chunk(self, chunk: Chunk, now: float) -> Items:
        return self._take(chunk)

    def fin(self, now: float) -> Items:
        return self._take(Fin())

    def rst(self, now: float) -> Items:
        return self._take(Rst())

    def heal(self, now: float) -> Items:
        items, self.items, self.held = self.items, [], 0
        return items


class Upper(Stage):
    """Shows what came to it."""

    def chunk(self, chunk: Chunk, now: float) -> Items:
        return (Chunk(chunk.offset, chunk.data.upper(), chunk.injected), Act("raised", chunk.offset, len(chunk.data)))


class Put(Stage):
    """Puts an item in at its place."""

    touches_data = False

    def __init__(self, make: Callable[[int], Item]) -> None:
        self._make = make

    def reached(self, offset: int, now: float) -> Items:
        return (self._make(offset), Act("put", offset))


class Deaf(Stage):
    """Does not read."""

    def start(self, now: float) -> Items:
        self.reading = False
        return ()

    def waiting(self, now: float) -> Items:
        return (Act("left waiting"),)


def bang(offset: int) -> Item:
    return Chunk(offset, b"!!!", injected=True)


class Rig:
    def __init__(self, **stages: Stage) -> None:
        self.out: list[Item] = []
        self.acts: list[tuple[str, str]] = []
        self.budget = Budget()
        self.pipe = Pipe(list(stages.items()), self.out.append, lambda name, act: self.acts.append((name, act.what)), self.budget)
        for name in stages:
            if name.startswith("on_"):
                self.pipe.start(name, None, 0.0)

    def push(self, *items: Item) -> Rig:
        for item in items:
            self.pipe.push(item, 0.0)
        return self

    def start(self, name: str, offset: int | None = None) -> Rig:
        self.pipe.start(name, offset, 0.0)
        return self

    def heal(self, name: str) -> Rig:
        self.pipe.heal(name, 0.0)
        return self

    @property
    def text(self) -> str:
        return "".join(item.data.decode() if isinstance(item, Chunk) else f"<{type(item).__name__}>" for item in self.out)


def test_without_a_fault_all_passes_and_nothing_needs_to_be_shown() -> None:
    rig = Rig(idle=Upper()).push(Chunk(0, b"abc"), Fin())
    assert (rig.text, rig.acts, Rig(idle=Upper()).pipe.busy) == ("abc<Fin>", [], False)


def test_a_fault_begins_where_the_stream_is_when_nothing_is_ahead() -> None:
    rig = Rig(up=Upper()).push(Chunk(0, b"abc")).start("up", 3).push(Chunk(3, b"def"))
    assert (rig.text, rig.acts) == ("abcDEF", [("up", "raised")])


@pytest.mark.parametrize("cuts", [(), (2,), (4,), (1, 2, 3, 4, 5)])
def test_bytes_from_before_its_place_do_not_meet_a_fault_behind_one_that_held_them(cuts: tuple[int, ...]) -> None:
    rig = Rig(on_hold=Hold(), up=Upper())
    edges = [0, *cuts, 4]
    for a, b in itertools.pairwise(sorted({edge for edge in edges if edge <= 4})):
        rig.push(Chunk(a, b"abcd"[a:b]))
    rig.start("up", 4).push(Chunk(4, b"ef")).heal("on_hold")
    assert (rig.text, rig.acts) == ("abcdEF", [("up", "raised")])


def test_a_place_in_the_middle_of_a_held_chunk_splits_it() -> None:
    rig = Rig(on_hold=Hold(), up=Upper()).push(Chunk(0, b"abcdef")).start("up", 4).heal("on_hold")
    assert rig.text == "abcdEF"


def test_injected_bytes_take_up_no_room() -> None:
    rig = Rig(on_hold=Hold(), put=Put(bang), up=Upper())
    rig.push(Chunk(0, b"ab")).start("put", 2).push(Chunk(2, b"cd")).start("up", 4).push(Chunk(4, b"ef")).heal("on_hold")
    assert rig.text == "ab!!!cdEF"


def test_places_that_a_momentary_fault_has_still_to_come_to() -> None:
    rig = Rig(on_hold=Hold(), put=Put(bang)).push(Chunk(0, b"abcdef")).start("put", 2).start("put", 4).start("put", 6)
    rig.heal("on_hold")
    assert (rig.text, rig.acts) == ("ab!!!cd!!!ef!!!", [("put", "put")] * 3)


def test_healed_before_its_place_a_fault_does_nothing() -> None:
    rig = Rig(on_hold=Hold(), put=Put(bang)).push(Chunk(0, b"abc")).start("put", 3).heal("put").push(Chunk(3, b"d")).heal("on_hold")
    assert (rig.text, rig.acts) == ("abcd", [])


def test_behind_the_fin_means_behind_it_even_where_it_is_held_alone() -> None:
    rig = Rig(on_hold=Hold(), put=Put(lambda _: Rst())).push(Chunk(0, b"a")).heal("on_hold").start("on_hold")
    rig.push(Fin()).start("put", AFTER_FIN)
    assert rig.text == "a"
    assert rig.heal("on_hold").text == "a<Fin><Rst>"


def test_the_place_behind_the_fin_is_told_as_the_offset_of_the_fin() -> None:
    offsets: list[int] = []

    class Asks(Stage):
        def reached(self, offset: int, now: float) -> Items:
            offsets.append(offset)
            return ()

    Rig(asks=Asks()).push(Chunk(0, b"abc"), Fin()).start("asks", AFTER_FIN)
    Rig(on_hold=Hold(), asks=Asks()).push(Chunk(0, b"abc"), Fin()).start("asks", AFTER_FIN).heal("on_hold")
    assert offsets == [3, 3]


def test_a_rst_that_overtakes_means_that_a_place_is_never_reached() -> None:
    class Impatient(Hold):
        def rst(self, now: float) -> Items:
            self.heal(now)
            return (Rst(),)

    rig = Rig(on_hold=Impatient(), put=Put(bang)).push(Chunk(0, b"abc")).start("put", 3).push(Rst())
    assert (rig.text, rig.acts) == ("<Rst>", [])


def test_a_close_keeps_the_place_of_a_fin() -> None:
    rig = Rig(put=Put(lambda _: Close(5.0)), on_hold=Hold()).push(Chunk(0, b"abc")).start("put", 3)
    assert rig.out == []
    rig.push(Chunk(3, b"d")).heal("on_hold")
    assert rig.out[:2] == [Chunk(0, b"abc"), Close(5.0)]
    assert rig.text == "abc<Close>"


def test_what_comes_after_the_end_is_discarded_and_nothing_is_reported_of_it() -> None:
    rig = Rig(put=Put(lambda _: Fin()), on_up=Upper()).start("put", 0).push(Chunk(0, b"abc"), Fin())
    assert (rig.text, rig.acts) == ("<Fin>", [("put", "put")])
    assert Rig().push(Fin(), Rst(), Rst()).text == "<Fin><Rst>"
    assert Rig(put=Put(lambda _: Broken())).start("put", 0).push(Rst()).text == "<Broken>"


def test_healing_goes_through_the_stages_behind_in_order() -> None:
    rig = Rig(on_a=Hold(), on_b=Hold(), on_up=Upper()).push(Chunk(0, b"ab"), Chunk(2, b"cd"), Fin())
    assert (rig.heal("on_a").text, rig.pipe.held) == ("", 4)
    assert (rig.heal("on_b").text, rig.pipe.held) == ("ABCD<Fin>", 0)


def test_reading_stops_at_the_bounds() -> None:
    rig = Rig(on_hold=Hold()).push(Chunk(0, bytes(HELD_PER_DIRECTION - 1)))
    assert rig.pipe.reading
    assert not rig.push(Chunk(HELD_PER_DIRECTION - 1, b"x")).pipe.reading
    assert rig.heal("on_hold").pipe.reading
    assert rig.budget.held == 0


def test_a_spent_budget_stops_only_who_holds_something() -> None:
    rig, other = Rig(on_hold=Hold()), Rig()
    rig.budget.total = 10
    other.pipe._budget = rig.budget
    rig.push(Chunk(0, bytes(10)))
    assert (rig.pipe.reading, other.pipe.reading, rig.budget.held) == (False, True, 10)
    rig.pipe.release(0.0)
    assert rig.budget.held == 0


def test_what_waited_before_a_stage_came_is_told_to_it() -> None:
    rig = Rig(on_a=Deaf(), b=Deaf())
    rig.pipe.waiting(0.0)
    assert rig.start("b").acts == [("on_a", "left waiting"), ("b", "left waiting")]


def test_the_end_of_the_connection_heals_every_stage_without_letting_anything_out() -> None:
    rig = Rig(on_hold=Hold()).push(Chunk(0, b"abc"))
    rig.pipe.release(0.0)
    assert (rig.text, rig.pipe.held, rig.budget.held) == ("", 0, 0)


def test_timers_are_the_earliest_of_all_stages() -> None:
    class Clock(Hold):
        def __init__(self, due: float) -> None:
            super().__init__()
            self.at: float | None = due

        def deadline(self) -> float | None:
            return self.at

        def due(self, now: float) -> Items:
            self.at = None
            return (*self.heal(now), Act("rang"))

    rig = Rig(on_a=Clock(2.0), on_b=Clock(1.0)).push(Chunk(0, b"ab"))
    assert rig.pipe.deadline() == 1.0
    rig.pipe.due(1.0)
    assert (rig.acts, rig.pipe.deadline()) == ([("on_b", "rang")], 2.0)
    rig.pipe.due(2.0)
    assert (rig.acts[1:], rig.pipe.deadline(), rig.pipe.held) == ([("on_a", "rang")], None, 2)
