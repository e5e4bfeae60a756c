"""`bandwidth`, step by step. The rates are powers of two, so that every time is exact."""

from __future__ import annotations

import pytest

from faultproxy.core import events as ev
from faultproxy.core.actions import Fired, Pause, Resume, Send, Started
from faultproxy.core.plan import FaultPlan, Peer
from faultproxy.core.run import Outcome, Run
from tests.core.playbook import Playbook, fault

KIB = 1024


def link(rate: str = "64KiB/s", **keys: object) -> FaultPlan:
    return fault("bandwidth", direction="c2s", rate=rate, **keys)


def carried(book: Playbook, until: float) -> int:
    return sum(len(data) for time, data in book.writes("c2s") if time <= until)


def test_a_small_message_takes_its_time_on_the_link() -> None:
    book = Playbook(link()).send(1.0, "c2s", bytes(1024)).send(1.0, "s2c", b"free").until(9.0)
    book.must(
        (0.0, Started("bandwidth", "connection opened")),
        (1.0, Send("s2c", b"free")),
        (1.015625, Send("c2s", bytes(1024))),
        (1.015625, Fired("bandwidth", "throttled", "c2s", 0, 1024)),
    )


def test_a_large_one_goes_in_quanta_of_a_segment_or_twenty_milliseconds() -> None:
    sizes = [len(data) for _, data in Playbook(link("64KiB/s")).send(0.0, "c2s", bytes(4000)).until(9.0).writes("c2s")]
    assert sizes == [1448, 1448, 1104]
    sizes = [len(data) for _, data in Playbook(link("1MiB/s")).send(0.0, "c2s", bytes(50_000)).until(9.0).writes("c2s")]
    assert sizes == [20971, 20971, 8058]
    sizes = [len(data) for _, data in Playbook(link("100B/s")).send(0.0, "c2s", bytes(25)).until(9.0).writes("c2s")]
    assert sizes == [10, 10, 5], "a very slow link drips ten times a second"


def test_the_fin_and_the_rst_keep_their_place() -> None:
    book = Playbook(link()).send(0.0, "c2s", bytes(2048)).fin(0.0, "c2s").until(9.0)
    assert book.wire[-2:] == [(0.03125, "c2s", bytes(600)), (0.03125, "c2s", "FIN")]
    book = Playbook(link()).send(0.0, "c2s", bytes(1024)).rst(0.0, "client").until(9.0)
    assert book.wire == [(0.015625, "c2s", bytes(1024)), (0.015625, "c2s", "RST")]
    assert Playbook(link()).fin(1.0, "c2s").wire == [(1.0, "c2s", "FIN")], "with nothing before it, a FIN costs no time"


def test_a_burst_goes_at_full_speed_after_a_pause() -> None:
    book = Playbook(link(burst="2KiB")).send(0.0, "c2s", bytes(3072)).until(5.0)
    assert book.wire == [(0.0, "c2s", bytes(2048)), (0.015625, "c2s", bytes(1024))]
    book.send(5.0, "c2s", bytes(2048)).send(5.0, "c2s", bytes(1024)).until(9.0)
    assert book.wire[2:] == [(5.0, "c2s", bytes(2048)), (5.015625, "c2s", bytes(1024))]


def test_a_late_timer_loses_no_time() -> None:
    book = Playbook(link()).send(0.0, "c2s", bytes(64 * KIB))
    for tick in range(1, 21):
        book.now = tick * 0.05  # far later than every quantum was due
        book._handle(ev.Timer())
    assert carried(book, 1.0) == 64 * KIB


@pytest.mark.parametrize("rate", ["1000B/s", "56kbit/s", "1MB/s", "100MB/s"])
def test_the_mean_is_exact_with_a_sender_that_fills_the_link(rate: str) -> None:
    book = Playbook(link(rate))
    paused, time, written = False, 0.0, 0
    bytes_a_second = {"1000B/s": 1e3, "56kbit/s": 7e3, "1MB/s": 1e6, "100MB/s": 1e8}[rate]
    seconds = min(20.0, 2e7 / bytes_a_second)
    while time < seconds:
        while not paused:
            size = int(min(bytes_a_second, 256 * KIB))
            written += size
            paused = Pause("c2s") in [act for _, act in book.send(time, "c2s", bytes(size)).log[-3:]]
        time = min(seconds, book.connection.deadline() or seconds)
        book.until(time)
        paused = book.connection._paused["c2s"]
    assert carried(book, seconds) == pytest.approx(bytes_a_second * seconds, rel=0.01)


def test_little_is_held_so_that_the_sender_feels_it() -> None:
    book = Playbook(link()).send(0.0, "c2s", bytes(6 * KIB))
    book.must((0.0, Started("bandwidth", "connection opened")))
    book.send(0.0, "c2s", bytes(KIB))
    book.must((0.0, Pause("c2s")))
    book.until(1.0)
    resumed = [time for time, act in book.log if act == Resume("c2s")]
    assert len(resumed) == 1
    assert 0.04 < resumed[0] < 0.08, "before the link runs dry"


class Crowd:
    """Several connections of one run, each of which sends as much as it may."""

    def __init__(self, plan: FaultPlan, count: int) -> None:
        self.run = Run([plan], 1, 0.0)
        self.carried = [0] * count
        self.read = [0] * count
        self.connections = []
        for _ in range(count):
            connection, _ = self.run.admit(Peer("127.0.0.1", 1), 0.0)
            assert connection is not None
            self.connections.append(connection)
            self.handle(connection, ev.Dialled(""), 0.0)

    def handle(self, connection: object, event: ev.Event, now: float) -> None:
        outcome: Outcome = self.run.handle(connection, event, now)  # type: ignore[arg-type]
        for one, actions in outcome:
            self.carried[self.connections.index(one)] += sum(len(act.data) for act in actions if isinstance(act, Send))

    def send(self, index: int, size: int, now: float) -> None:
        self.handle(self.connections[index], ev.Data("c2s", self.read[index], bytes(size)), now)
        self.read[index] += size

    def until(self, end: float) -> None:
        while True:
            due = [(at, n) for n, one in enumerate(self.connections) if (at := one.deadline()) is not None]
            if not due or min(due)[0] > end:
                break
            at, n = min(due)
            self.handle(self.connections[n], ev.Timer(), at)


def test_a_shared_link_is_shared_fairly() -> None:
    crowd = Crowd(link("64KiB/s", per="proxy"), 4)
    for n in range(4):
        crowd.send(n, 64 * KIB, 0.0)
    crowd.until(2.0)
    assert sum(crowd.carried) == pytest.approx(128 * KIB, rel=0.02)
    assert max(crowd.carried) - min(crowd.carried) <= 1448


def test_who_comes_late_to_a_shared_link_waits_for_one_round_only() -> None:
    crowd = Crowd(link("64KiB/s", per="proxy"), 2)
    crowd.send(0, 64 * KIB, 0.0)
    crowd.until(0.5)
    crowd.send(1, 1000, 0.5)
    crowd.until(0.55)
    assert crowd.carried[1] == 1000


def test_a_connection_that_ends_gives_the_shared_link_back() -> None:
    crowd = Crowd(link("64KiB/s", per="proxy"), 2)
    crowd.send(0, 64 * KIB, 0.0)
    gone = crowd.connections[0]
    crowd.handle(gone, ev.PeerReset("server", "ECONNRESET"), 0.1)
    crowd.handle(gone, ev.PeerReset("client", "ECONNRESET"), 0.1)
    assert gone.over
    crowd.send(1, 1024, 50.0)
    crowd.until(50.0)
    assert crowd.carried[1] == 0, "an idle link has saved nothing up"
    crowd.until(50.015625)
    assert crowd.carried[1] == 1024


def test_what_is_taken_back_by_healing_is_free_again() -> None:
    book = Playbook(link(manual=True)).order(0.0, "bandwidth").send(0.0, "c2s", bytes(64 * KIB)).heal(0.1, "bandwidth")
    assert carried(book, 0.1) == 64 * KIB
    book.order(1.0, "bandwidth").send(1.0, "c2s", bytes(1024)).until(9.0)
    assert book.wire[-1] == (1.015625, "c2s", bytes(1024))
