"""Who hears what, and what becomes of a session."""

from __future__ import annotations

from dataclasses import dataclass, field

from faultproxy.arena.room import Player, Room


@dataclass
class Heard:
    """An outbox that keeps all that it is offered."""

    data: bytes = b""
    put_out: list[str] = field(default_factory=list)

    def offer(self, data: bytes) -> None:
        self.data += data


def enter(room: Room, name: str) -> tuple[Player, Heard]:
    heard = Heard()
    player = Player(heard, heard.put_out.append)
    room.login(player, name)
    return player, heard


def test_everybody_but_the_speaker_hears_him() -> None:
    room = Room()
    (ann, of_ann), (_, of_bob) = enter(room, "ann"), enter(room, "bob")
    room.say(ann, "hello")
    room.say(None, "TICK 1")
    assert (of_ann.data, of_bob.data) == (b"TICK 1\r\n", b"ann: hello\r\nTICK 1\r\n")


def test_who_left_hears_nothing_and_is_not_named() -> None:
    room = Room()
    (ann, _), (bob, of_bob) = enter(room, "ann"), enter(room, "bob")
    room.leave(bob, now=0.0)
    room.say(ann, "anybody?")
    assert (room.names(), of_bob.data) == (["ann"], b"")


def test_a_session_outlives_its_connection_by_the_grace() -> None:
    room = Room(grace=10.0)
    ann, _ = enter(room, "ann")
    key = room.session(ann, now=0.0)
    assert room.session(ann, now=1.0) == key
    room.leave(ann, now=5.0)
    late, again = Player(Heard(), print), Player(Heard(), print)
    assert room.resume(again, key, now=14.9) == "ann"
    assert (again.name, room.names()) == ("ann", ["ann"])
    room.leave(again, now=20.0)
    assert room.resume(late, key, now=30.0) is None
    assert late.name is None


def test_a_session_that_is_still_held_is_taken_over() -> None:
    room = Room()
    ann, of_ann = enter(room, "ann")
    key = room.session(ann, now=0.0)
    again = Player(Heard(), print)
    assert room.resume(again, key, now=1.0) == "ann"
    assert of_ann.put_out == ["his session was resumed from another connection"]
    room.leave(ann, now=1.0)  # the old connection's end must not take the session with it
    assert room.resume(Player(Heard(), print), key, now=100.0) == "ann"


def test_who_leaves_for_good_takes_his_session_with_him() -> None:
    room = Room()
    ann, _ = enter(room, "ann")
    key = room.session(ann, now=0.0)
    room.leave(ann, now=1.0, for_good=True)
    assert room.resume(Player(Heard(), print), key, now=1.0) is None


def test_a_session_keeps_its_points_whether_it_was_lost_or_is_taken_over() -> None:
    room = Room(grace=10.0)
    ann, _ = enter(room, "ann")
    key = room.session(ann, now=0.0)
    assert ann.character is not None
    ann.character.score = 7
    room.leave(ann, now=1.0)
    for _ in range(2):
        player = Player(Heard(), lambda reason: None)
        assert room.resume(player, key, now=2.0) == "ann"
        assert player.character is not None
        assert player.character.score == 7


def test_a_key_opens_nothing_where_sessions_are_not_resumable() -> None:
    room = Room(grace=10.0, resumable=False)
    ann, of_ann = enter(room, "ann")
    key = room.session(ann, now=0.0)
    assert room.resume(Player(Heard(), print), key, now=0.0) is None
    room.leave(ann, now=1.0)
    assert room.resume(Player(Heard(), print), key, now=1.0) is None
    assert of_ann.put_out == []
