"""What packet faults have to do with a connection: which taps are watched, when they begin, and how long its last segments matter."""

from __future__ import annotations

from typing import Any

import pytest

from faultproxy.core.actions import Filter, Fired, Healed, Inject, Lose, Pass, Started
from faultproxy.core.connection import Connection
from faultproxy.core.events import Data, Dialled, Eof, Filtered, Noted, Seen, Tap, Timer
from faultproxy.core.header import Packet
from faultproxy.core.limits import LASTS
from faultproxy.core.mechanism import choose
from faultproxy.core.plan import Peer
from faultproxy.core.rng import stream
from faultproxy.core.shape import SHAPES
from tests.core.packet_playbook import ISN, segment
from tests.core.playbook import written


def unopened(*tables: str, filters: bool = False) -> Connection:
    """A connection with these faults."""
    plans = choose([written(table) for table in tables], filters=filters)
    chances = {(place, plan.name): stream(1, plan.name) for plan in plans for place in ("", "c2s", "s2c")}
    chances |= {(tap, plan.name): stream(1, tap, plan.name) for plan in plans if plan.packet is not None for tap in plan.packet.taps}
    return Connection(1, Peer(), plans, chances=chances, shared={})


def opened(*tables: str, filters: bool = False) -> Connection:
    """The same, dialled at 0 s."""
    connection = unopened(*tables, filters=filters)
    connection.open(0.0)
    connection.handle(Dialled("there"), 0.0)
    return connection


def met(connection: Connection, tap: Tap, flags: str, now: float, ref: int = 1, **more: Any) -> list[object]:
    """What is decided about a segment."""
    packet = Packet(segment(tap, flags, **more), ref=ref, outbound=tap.startswith("to_"))
    return [action for action in connection.handle(Seen(tap, packet, (), ref), now) if not isinstance(action, Fired)]


def watched(*tables: str) -> set[str]:
    side = opened(*tables).packets
    assert side is not None
    return set(side.watched)


def test_only_what_a_fault_needs_is_watched() -> None:
    assert watched('kind = "drop"\ndirection = "to_client"\nsegments = "ack"') == {"to_client"}
    assert watched('kind = "drop"\ndirection = "to_client"\nsegments = "ack"\non_fin = "client"') == {"to_client", "from_client"}
    assert watched('kind = "forge"\ndirection = "to_server"\nsend = "RST"\nmanual = true') == {"to_server", "from_server"}
    assert watched('kind = "vanish"\nname = "i"\ndirection = "both"\non_fin = "server"') == {"c2s", "s2c"}


def test_a_fault_of_another_plane_has_no_segments() -> None:
    assert opened('kind = "latency"\ndelay = "1ms"').packets is None


def test_the_fin_passes_and_its_acknowledgement_meets_the_fault() -> None:
    c = opened('kind = "drop"\ndirection = "to_client"\nsegments = "ack"\non_fin = "client"')
    assert met(c, "to_client", ".", 0.5, 1) == [Pass("to_client", 1)]
    assert met(c, "from_client", "F.", 1.0, 2) == [Pass("from_client", 2), Started("drop", "the client has sent its FIN", None, "queue")]
    assert met(c, "to_client", ".", 1.0, 3, ack=2) == [Lose("to_client", 3)]
    c.handle(Eof("c2s", 0), 1.1)
    assert c.active == ("drop",)  # the relay hears of the FIN later: it starts nothing twice


def test_last_segments_matter_after_the_sockets_are_closed() -> None:
    c = opened('kind = "drop"\ndirection = "from_server"\nsegments = "ack"\non_fin = "client"')
    met(c, "from_client", "F.", 1.0)
    c.handle(Eof("c2s", 0), 1.0)
    c.handle(Eof("s2c", 0), 2.0)
    assert (c.over, c.lasting, c.active) == (True, True, ("drop",))
    assert met(c, "from_server", ".", 3.0, 7, ack=1) == [Lose("from_server", 7)]
    assert c.deadline() == 2.0 + LASTS
    (healed,) = [action for action in c.handle(Timer(), 2.0 + LASTS) if isinstance(action, Healed)]
    assert healed == Healed("drop", "the connection has ended", final=True)
    assert (c.lasting, c.deadline()) == (False, None)


def test_they_do_not_where_no_fault_acts_on_them() -> None:
    c = opened('kind = "drop"\ndirection = "from_server"\nsegments = "ack"\nmanual = true')
    c.handle(Eof("c2s", 0), 1.0)
    c.handle(Eof("s2c", 0), 2.0)
    assert (c.over, c.lasting) == (True, False)


def test_what_is_held_on_its_way_out_is_lost_there_and_sent_later() -> None:
    c = opened('kind = "delay"\ndirection = ["to_client", "from_client"]\ndelay = "1s"')
    assert met(c, "to_client", ".", 1.0, 1) == [Lose("to_client", 1, held=True)]
    assert met(c, "from_client", ".", 1.25, 2) == []
    assert c.deadline() == 2.0
    (sent,) = [action for action in c.handle(Timer(), 2.0) if not isinstance(action, Fired)]
    assert isinstance(sent, Inject)
    assert [action for action in c.handle(Timer(), 2.25) if not isinstance(action, Fired)] == [Pass("from_client", 2)]


@pytest.mark.parametrize("count", [1, 3])
def test_a_socket_filter_acts_and_tells(count: int) -> None:
    c = opened('kind = "drop"\ndirection = "from_client"\nsegments = "data"\non_fin = "server"', filters=True)
    assert c.packets is not None
    assert c.packets.watched == frozenset()
    started = c.handle(Eof("s2c", 0), 1.0)
    assert [type(action).__name__ for action in started] == ["SendFin", "Started", "Filter"]
    (fired,) = c.handle(Filtered("drop", "client", count), 2.0)
    assert isinstance(fired, Fired)
    assert fired.what == f"dropped {count} segment{'s' if count > 1 else ''} in the socket filter"


def test_what_has_gone_by_is_only_noted_though_a_fault_is_due() -> None:
    connection = opened('kind = "forge"\ndirection = "to_client"\nsend = "RST"\nafter = "1s"\n')
    late = 1.5  # whoever carries a noted segment in does not look for decisions in the answer
    assert connection.handle(Noted("from_client", Packet(segment("from_client", ".", 1, 1))), late) == []
    started, fired, forged = connection.handle(Timer(), late)
    assert (type(started), type(fired), type(forged)) == (Started, Fired, Inject)
    assert isinstance(forged, Inject)
    assert Packet(forged.data).seq == Packet(segment("to_client", ".", 1, 1)).seq, "by the numbers that were noted"


def test_how_much_has_gone_by() -> None:
    c = opened('kind = "vanish"\ndirection = "both"\nmanual = true')
    assert c.packets is not None
    assert (c.packets.begun("c2s"), c.packets.carried("c2s")) == (None, 0)
    met(c, "c2s", "S", 0.1)
    assert (c.packets.begun("c2s"), c.packets.carried("c2s")) == (ISN["c2s"], 0)
    met(c, "c2s", "P.", 0.2, seq=1, data=b"x" * 300)  # its numbers wrap round
    met(c, "c2s", "F.", 0.3, seq=301)
    assert (c.packets.carried("c2s"), c.packets.carried("s2c")) == (301, 0)
    reset = Packet(segment("c2s", "R", 302))
    assert not c.packets.heeds("c2s", reset)
    met(c, "s2c", "S.", 0.4, ack=302)
    assert c.packets.heeds("c2s", reset)


def test_what_started_a_fault_passes_on_its_way_out_too() -> None:
    c = opened('kind = "drop"\ndirection = "to_client"\nsegments = "data"\non_match = {s2c = "GO"}')
    met(c, "to_client", "S.", 0.1, 1, seq=0, ack=1)
    c.handle(Data("s2c", 0, b"..GO..", c.scan("s2c", 0, b"..GO..")), 1.0)
    assert c.active == ("drop",)
    assert met(c, "to_client", "P.", 1.1, 2, seq=1, ack=1, data=b"..GO") == [Pass("to_client", 2)]
    assert met(c, "to_client", "P.", 1.1, 3, seq=5, ack=1, data=b"..") == [Lose("to_client", 3)]
    assert met(c, "to_client", "P.", 1.2, 4, seq=1, ack=1, data=b"..GO") == [Pass("to_client", 4)], "sent again, it is as early"


def test_a_filter_for_a_socket_that_is_yet_to_come_waits_for_it() -> None:
    drop = 'kind = "drop"\ndirection = ["from_client", "from_server"]\nsegments = "data"\non_fault = "latency"'
    c = unopened('kind = "latency"\ndelay = "1ms"', drop, filters=True)

    def filters(actions: list[Any]) -> list[Any]:
        return [action for action in actions if isinstance(action, Filter)]

    assert filters(c.open(0.0)) == [Filter("drop", "client", (SHAPES["data"],))]
    assert filters(c.handle(Dialled("there"), 0.5)) == [Filter("drop", "server", (SHAPES["data"],))]
