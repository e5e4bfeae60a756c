"""What the redis client library makes of faults."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import pytest

from tests.peers.command import proxied
from tests.peers.conftest import Redis

pytestmark = pytest.mark.peers


def took(action: Callable[[], object]) -> float:
    """Seconds."""
    began = time.monotonic()
    action()
    return time.monotonic() - began


def test_latency_is_added_to_each_round_trip(redis: Redis) -> None:
    with proxied(redis.address, scenario="slow_both_ways") as proxy:
        client = redis.client(proxy.address)
        client.ping()
        times = [took(client.ping) for _ in range(9)]
    assert min(times) >= 0.080
    assert median(times) < 0.160


def test_a_profile_is_as_slow_as_its_name(redis: Redis) -> None:
    redis.client().set("photo", bytes(100_000))
    with proxied(redis.address, scenario="mobile") as proxy:
        client = redis.client(proxy.address, protocol=2, driver_info=None)  # which spares it three round trips at the beginning
        client.ping()
        assert 0.260 <= took(client.ping) < 0.6
        assert 0.740 <= took(lambda: client.get("photo")) < 1.5  # 100 kB at 200 kB/s, behind a round trip


def test_only_the_third_connection_is_reset_and_the_pool_recovers(redis: Redis) -> None:
    with proxied(redis.address, scenario="third_connection_only") as proxy:
        pool = redis.client(proxy.address).connection_pool
        heard = []
        for _ in range(2):
            connections = [pool.get_connection() for _ in range(4)]
            heard.append([answer(redis, connection) for connection in connections])
            for connection in connections:
                pool.release(connection)
        summary = proxy.stop()
    assert heard == [["PONG", "PONG", "reset", "PONG"], ["PONG"] * 4]
    assert summary.opened == 5
    assert summary.fault("reset")["starts"] == 1


def answer(redis: Redis, connection: Any) -> str:
    """To a PING on one connection of a pool; or how it failed."""
    try:
        connection.send_command("PING")
        return bytes(connection.read_response()).decode()
    except redis.library.ConnectionError as error:
        return "reset" if "reset by peer" in str(error) else str(error)


def test_a_client_that_retries_survives_an_outage(redis: Redis) -> None:
    with proxied(redis.address, scenario="outage") as proxy:
        patient = redis.client(proxy.address, retries=100)
        hasty = redis.client(proxy.address)
        assert patient.ping()
        assert 1.0 <= took(lambda: patient.set("the last of it", "done")) < 5
        assert hasty.get("the last of it") == b"done"
        summary = proxy.stop()
    assert (summary.fault("reset")["starts"], summary.fault("refuse")["starts"]) == (1, 1)


def test_a_client_that_does_not_retry_is_told_that_it_is_refused(redis: Redis) -> None:
    with proxied(redis.address, scenario="refused") as proxy:
        client = redis.client(proxy.address)
        with pytest.raises(redis.library.ConnectionError, match="refused"):
            client.ping()


def test_an_answer_that_is_swallowed_is_a_timeout_for_the_client_and_none_for_the_server(redis: Redis) -> None:
    with proxied(redis.address, scenario="silence") as proxy:
        client = redis.client(proxy.address, socket_timeout=0.5)
        assert client.ping()
        began = time.monotonic()
        with pytest.raises(redis.library.TimeoutError):
            client.incr("forgotten")
        assert 0.5 <= time.monotonic() - began < 3
        assert redis.client().get("forgotten") == b"1"
        assert client.ping()  # on a new connection, which has not asked for it


def test_a_flipped_bit_changes_a_value(redis: Redis) -> None:
    redis.client().set("question", "the answer is 42, of course")
    with proxied(redis.address, scenario="wrong_digit") as proxy:
        client = redis.client(proxy.address)
        assert client.get("question") == b"the answer is 52, of course"
        assert client.get("question") == b"the answer is 42, of course"  # once a connection


def test_foreign_bytes_are_a_protocol_error(redis: Redis) -> None:
    redis.client().set("confused", "no")
    with proxied(redis.address, scenario="foreign_words") as proxy:
        client = redis.client(proxy.address)
        assert client.ping()
        with pytest.raises(redis.library.exceptions.InvalidResponse, match="Protocol Error"):
            client.get("confused")


def test_a_value_in_pieces_is_put_together_again(redis: Redis) -> None:
    value = bytes(range(70))
    redis.client().set("in pieces", value)
    with proxied(redis.address, scenario="pieces") as proxy:
        client = redis.client(proxy.address)
        assert client.ping()
        assert took(lambda: client.get("in pieces")) >= 0.200  # $70 CR LF, the value, CR LF: 77 bytes, eleven pieces, ten intervals
        assert client.get("in pieces") == value


def test_small_requests_wait_and_a_full_lot_does_not(redis: Redis) -> None:
    with proxied(redis.address, scenario="gathered") as proxy:
        client = redis.client(proxy.address)
        assert client.echo("from now on") == b"from now on"
        around = len(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4000\r\n\r\n")
        full = [took(lambda: client.set("k", bytes(4096 - around))) for _ in range(9)]
        small = [took(lambda: client.set("k", "")) for _ in range(5)]
    assert min(small) >= 0.150
    assert min(full) < 0.075
