"""What redis and nginx, and their clients, make of packet faults: in a network of their own, with the evidence of both kernels' sockets."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from pathlib import Path
from typing import Any

import pytest

from faultproxy.kernel import sockdiag
from faultproxy.kernel.procnet import State
from faultproxy.kernel.sockdiag import Diag
from tests.kernel.sandboxed import sandboxed
from tests.peers.command import Command, proxied
from tests.peers.conftest import MIB, Nginx, Redis, nginx_server, redis_server
from tests.peers.curl import BROKEN, TIMED_OUT, Asking, curl
from tests.peers.programs import established, program, until

pytestmark = pytest.mark.peers

GO = 'on_match={c2s="GO"}'


def apart(body: Callable[..., None]) -> Callable[..., None]:
    """Decorates a test: it runs in a network of its own, with packets of 1500 bytes."""

    @wraps(body)
    def test(*args: object, **kwargs: object) -> None:
        sandboxed(partial(body, *args, **kwargs), within=90)

    return test


@contextmanager
def store(folder: Path) -> Iterator[Redis]:
    library = pytest.importorskip("redis", reason="the client library redis is not installed (pip install redis)")
    with redis_server(folder) as port:
        server = Redis(port, library)
        try:
            yield server
        finally:
            for client in server.clients:
                client.close()


def faults(*words: str) -> list[str]:
    return [part for each in words for part in ("--fault", each)]


def of_client(proxy: Command, *states: State) -> Diag:
    """The client's own socket, the only one in these states (in any, where none is named)."""
    (found,) = sockdiag.sockets(remote_port=proxy.address[1], states=states or None)
    return found


def info(row: Diag) -> sockdiag.TcpInfo:
    assert row.info is not None
    return row.info


class Doing(threading.Thread):
    """Calls something that takes its time, and keeps what came of it."""

    def __init__(self, what: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._what = what
        self._result: Any = None
        self.start()

    def run(self) -> None:
        try:
            self._result = self._what()
        except Exception as error:
            self._result = error

    def result(self) -> Any:
        self.join(20)
        assert not self.is_alive()
        return self._result


# ---------------------------------------------------------------------- redis


@apart
def test_a_client_that_is_heard_and_never_told_so_works_on_and_sends_everything_again(tmp_path: Path) -> None:
    acks = f"drop name=acks direction=to_client segments=ack rewind=true {GO} lasts=1500ms"
    with store(tmp_path) as redis, proxied(redis.address, *faults(acks)) as proxy:
        client = redis.client(proxy.address)
        assert client.echo("GO") == b"GO"
        until(lambda: proxy.did("acks", "started"), "its start")
        for number in range(3):  # ten segments are all that may be on the way, and none of these is ever acknowledged
            assert client.set("k", number)
            assert client.get("k") == b"%d" % number
        until(lambda: info(of_client(proxy)).backoff >= 1 and info(of_client(proxy)).total_retrans >= 2, "resends")
        assert info(of_client(proxy)).unacked >= 1
        until(lambda: proxy.did("acks", "healed"), "its end")
        until(lambda: info(of_client(proxy)).unacked == 0, "that all is acknowledged")
        assert client.incr("k") == 3


@apart
def test_the_benchmark_ends_well_under_loss(tmp_path: Path) -> None:
    benchmark = program("redis-benchmark", "redis-tools")
    lost = 'drop direction=["from_client", "from_server"] segments=data share=0.5%'
    with store(tmp_path) as redis, proxied(redis.address, *faults(lost)) as proxy:
        host, port = proxy.address
        words = [benchmark, "-h", host, "-p", str(port), "-c", "10", "-n", "1000", "-t", "set,get", "-q"]
        ended = subprocess.run(words, capture_output=True, encoding="utf-8", check=False, timeout=60)
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout.count("requests per second") == 2
        summary = proxy.stop()
    assert summary.fault("drop")["fired"] >= 5
    assert summary.opened >= 20


@apart
def test_a_client_that_believes_in_a_window_of_zero_waits_and_gets_its_answer(tmp_path: Path) -> None:
    shut = f"window direction=to_client size=0B {GO} lasts=1s"
    with store(tmp_path) as redis, proxied(redis.address, *faults(shut)) as proxy:
        client = redis.client(proxy.address)
        assert client.echo("GO") == b"GO"
        until(lambda: proxy.did("window"), "the news")
        until(lambda: info(of_client(proxy)).snd_wnd == 0, "that it is believed")
        setting = Doing(lambda: client.set("large", bytes(100_000)))
        until(lambda: of_client(proxy).timer == "window_probe" and of_client(proxy).send_queue > 10_000, "the persist state")
        assert info(of_client(proxy)).unacked == 0
        assert setting.result() is True
        assert client.strlen("large") == 100_000


@apart
def test_a_server_does_not_hear_that_its_client_has_left(tmp_path: Path) -> None:
    unheard = "flags name=unheard direction=from_client segments=fin clear=FIN lasts=1500ms"
    with store(tmp_path) as redis, proxied(redis.address, *faults(unheard)) as proxy:
        client = redis.client(proxy.address)
        assert client.ping()
        client.close()
        until(lambda: of_client(proxy).state == "FIN_WAIT_1" and info(of_client(proxy)).total_retrans >= 1, "a FIN sent again")
        assert len(established(redis.port)) == 1
        until(lambda: not established(redis.port), "that redis hears of it")


WAITS = 'on_match={c2s="nothing-there"}'
"""A client that waits for an answer when it happens: none comes from a list that stays empty."""


@apart
def test_a_client_that_is_reset_alone_learns_it_alone(tmp_path: Path) -> None:
    with store(tmp_path) as redis, proxied(redis.address, *faults(f"forge direction=to_client send=RST {WAITS}")) as proxy:
        client = redis.client(proxy.address)
        with pytest.raises(redis.library.ConnectionError, match="Connection reset by peer"):
            client.blpop("nothing-there", timeout=9)
        assert sockdiag.sockets(remote_port=proxy.address[1]) == []
        (ours,) = [row for row in sockdiag.sockets(local_port=proxy.address[1]) if row.state != "LISTEN"]
        assert ours.state == "ESTABLISHED"
        assert len(established(redis.port)) == 1
        assert client.ping()  # on another connection


@apart
def test_a_server_that_is_reset_alone_leaves_a_client_who_waits(tmp_path: Path) -> None:
    with store(tmp_path) as redis, proxied(redis.address, *faults(f"forge direction=to_server send=RST {WAITS} after=50ms")) as proxy:
        client = redis.client(proxy.address, socket_timeout=1)
        waiting = Doing(lambda: client.blpop("nothing-there", timeout=9))
        until(lambda: proxy.did("forge"), "the RST")
        until(lambda: not established(redis.port), "that redis has lost its client")
        assert of_client(proxy).state == "ESTABLISHED"
        assert isinstance(waiting.result(), redis.library.TimeoutError)
        assert client.ping()


@apart
def test_a_client_in_the_dark_waits_as_long_as_it_was_told_to(tmp_path: Path) -> None:
    dark = f'vanish direction=["from_client", "to_client"] {GO} lasts=1500ms connections=[1, 2]'
    with store(tmp_path) as redis, proxied(redis.address, *faults(dark)) as proxy:
        hasty = redis.client(proxy.address, socket_timeout=0.4)
        patient = redis.client(proxy.address)
        for client in (hasty, patient):
            assert client.ping()
        waiting = Doing(lambda: patient.echo("GO"))
        with pytest.raises(redis.library.TimeoutError):
            hasty.echo("GO")
        assert of_client(proxy, "ESTABLISHED")  # the patient one
        until(lambda: len(established(redis.port)) == 2, "redis knows of nothing")
        assert waiting.result() == b"GO"
        assert patient.ping()
        proxy.stop()


# ---------------------------------------------------------------------- nginx


def unsent(nginx: Nginx) -> list[Diag]:
    """The sockets of nginx that have something to send."""
    return [row for row in sockdiag.sockets(local_port=nginx.port) if row.state != "LISTEN" and row.send_queue]


CONDITIONS: dict[str, tuple[str, Callable[[Diag], bool]]] = {
    "acknowledgements lost": ("drop direction=to_server segments=ack", lambda row: info(row).total_retrans >= 2 and info(row).unacked >= 1),
    "a window of zero": ("window direction=to_server size=0B", lambda row: info(row).snd_wnd == 0),
    "gone": ('vanish direction=["from_server", "to_server"]', lambda row: row.state == "ESTABLISHED" and info(row).total_retrans >= 2),
}


@pytest.mark.parametrize("condition", sorted(CONDITIONS))
@apart
def test_a_download_that_stands_still_goes_on_to_its_end(condition: str) -> None:
    fault, shows = CONDITIONS[condition]
    with nginx_server() as nginx, proxied(nginx.address, *faults(f'{fault} name=still after_bytes={{s2c="1MiB"}} lasts=4s')) as proxy:
        page = nginx.file("page", 64 * MIB)  # more than all buffers on the way have room for
        asking = Asking(f"{proxy.url}/page")
        until(lambda: any(shows(row) for row in unsent(nginx)), condition)
        assert not proxy.did("still", "healed")
        answer = asking.answer()
        assert (answer.code, answer.status, answer.size, answer.sha256) == (0, 200, page.size, page.sha256)
        assert answer.total >= 1.4


@apart
def test_curl_gives_up_in_the_dark_and_nginx_does_not_know() -> None:
    dark = 'vanish direction=["from_client", "to_client"] after_bytes={s2c="1MiB"}'
    with nginx_server() as nginx, proxied(nginx.address, *faults(dark)) as proxy:
        nginx.file("page", 64 * MIB)
        answer = curl(f"{proxy.url}/page", "--max-time", "1")
        assert answer.code == TIMED_OUT
        assert len(established(nginx.port)) == 1


@apart
def test_curl_reports_a_reset_in_the_middle() -> None:
    with nginx_server() as nginx, proxied(nginx.address, *faults('forge direction=to_client send=RST after_bytes={s2c="1MiB"}')) as proxy:
        nginx.file("page", 64 * MIB)
        answer = curl(f"{proxy.url}/page")
        assert answer.code == BROKEN
        assert 0 < answer.size < 64 * MIB
