"""What curl and nginx make of faults."""

from __future__ import annotations

import hashlib

import pytest

from faultproxy.kernel import procnet
from tests.peers import curl as codes
from tests.peers.command import proxied
from tests.peers.conftest import File, Nginx
from tests.peers.curl import Asking, curl
from tests.peers.programs import established, until

pytestmark = pytest.mark.peers

TO_THE_FIN = ("--http1.0", "--ignore-content-length")
"""The answer ends where the stream ends, as it did before HTTP knew lengths."""


def test_the_speed_that_curl_measures_is_the_bandwidth(nginx: Nginx, page: File) -> None:
    with proxied(nginx.address, scenario="throttled") as proxy:
        got = curl(f"{proxy.url}/page")
    assert (got.code, got.sha256) == (0, page.sha256)
    assert got.speed == pytest.approx(2_000_000, rel=0.1)


def test_a_reset_in_the_middle_of_a_download(nginx: Nginx, page: File) -> None:
    with proxied(nginx.address, scenario="cut_in_the_middle") as proxy:
        got = curl(f"{proxy.url}/page")
        until(lambda: not established(nginx.port), "the end of the server's connection")
    assert (got.code, got.status) == (codes.BROKEN, 200)
    assert "reset by peer" in got.error
    assert got.headers + got.size <= 1 << 20


def test_a_connect_to_the_server_that_takes_its_time(nginx: Nginx, page: File) -> None:
    with proxied(nginx.address, scenario="slow_to_connect") as proxy:
        hasty = curl(f"{proxy.url}/page", "--max-time", "0.5")
        patient = curl(f"{proxy.url}/page")
    assert (hasty.code, hasty.size) == (codes.TIMED_OUT, 0)
    assert 0 < hasty.connected < 0.5
    assert (patient.code, patient.sha256) == (0, page.sha256)
    assert patient.connected < 0.5
    assert 0.8 <= patient.first_byte < 3


def test_a_server_that_is_not_read_probes_the_window_and_goes_on_when_it_opens(nginx: Nginx, page: File) -> None:
    def probing() -> int:
        return sum(found.timer == "window_probe" and found.send_queue > 0 for found in established(nginx.port))

    with proxied(nginx.address, scenario="nobody_reads") as proxy:
        patient = Asking(f"{proxy.url}/page")
        hasty = Asking(f"{proxy.url}/page", "--max-time", "1.5")
        until(lambda: probing() == 2, "the window probe timer, on both connections of nginx")
        gave_up, got = hasty.answer(), patient.answer()
    assert (gave_up.code, gave_up.headers + gave_up.size) == (codes.TIMED_OUT, 1 << 20)
    assert (got.code, got.sha256) == (0, page.sha256)
    assert got.total >= 3


def test_an_answer_that_ends_with_the_stream_hangs_until_the_fin_is_let_go(nginx: Nginx, page: File) -> None:
    with proxied(nginx.address, scenario="fin_withheld") as proxy:
        patient = Asking(f"{proxy.url}/page", *TO_THE_FIN)
        hasty = curl(f"{proxy.url}/page", *TO_THE_FIN, "--max-time", "1")
        got = patient.answer()
    assert (hasty.code, hasty.sha256) == (codes.TIMED_OUT, page.sha256)
    assert (got.code, got.sha256) == (0, page.sha256)
    assert 1.5 <= got.total < 5


def test_a_download_that_ends_early_is_partial_to_the_byte(nginx: Nginx, page: File) -> None:
    data = page.path.read_bytes()
    with proxied(nginx.address, scenario="closed_early") as proxy:
        for end in (100 << 10, 200 << 10):
            got = curl(f"{proxy.url}/page")
            assert (got.code, got.headers + got.size) == (codes.PARTIAL, end)
            assert got.sha256 == hashlib.sha256(data[: got.size]).hexdigest()
        until(lambda: not established(nginx.port), "the end of the server's connections")
        assert curl(f"{proxy.url}/page").sha256 == page.sha256  # the third connection is nobody's


def test_a_connection_that_is_closed_without_a_word(nginx: Nginx, page: File) -> None:
    with proxied(nginx.address, scenario="no_answer") as proxy:
        got = curl(f"{proxy.url}/page")
    assert (got.code, got.headers, got.size) == (codes.EMPTY, 0, 0)


def test_a_reset_where_the_end_should_be(nginx: Nginx, page: File) -> None:
    with proxied(nginx.address, scenario="closed_by_reset") as proxy:
        got = curl(f"{proxy.url}/page", *TO_THE_FIN)
    assert (got.code, got.status) == (codes.BROKEN, 200)
    assert "reset by peer" in got.error


def test_connects_hang_while_nobody_accepts(nginx: Nginx, page: File) -> None:
    with proxied(nginx.address, scenario="nobody_accepts") as proxy:
        queued = Asking(f"{proxy.url}/page")
        until(lambda: procnet.find(remote_port=proxy.address[1], state="ESTABLISHED"), "the first client in the queue")
        outside = Asking(f"{proxy.url}/page")
        hasty = curl(f"{proxy.url}/page", "--connect-timeout", "1")
        first, second = queued.answer(), outside.answer()
    assert (hasty.code, hasty.connected) == (codes.TIMED_OUT, 0)
    for got in (first, second):
        assert (got.code, got.sha256) == (0, page.sha256)
    assert first.connected < 1
    assert first.first_byte >= 1.5
    assert second.connected >= 1.5


def test_connects_are_refused_until_the_port_opens_again(nginx: Nginx, page: File) -> None:
    with proxied(nginx.address, scenario="refused") as proxy:
        refused = curl(f"{proxy.url}/page")
        until(lambda: curl(f"{proxy.url}/page").sha256 == page.sha256, "an answer")
        assert proxy.did("refuse", "healed")
    assert (refused.code, refused.status) == (codes.REFUSED, 0)


def test_the_server_sees_another_address(nginx: Nginx) -> None:
    with proxied(nginx.address, scenario="from_elsewhere") as proxy:
        assert curl(f"{proxy.url}/who").beginning == b"127.0.0.7\n"


def test_exactly_the_byte_that_was_meant_is_flipped(nginx: Nginx, page: File) -> None:
    wrong = bytearray(page.path.read_bytes())
    wrong[1000] ^= 0xFF
    with proxied(nginx.address, "--fault", r'flip direction=s2c on_match="\r\n\r\n" skip=1000 take=1 mask=255') as proxy:
        got = curl(f"{proxy.url}/page")
    assert (got.code, got.size, got.sha256) == (0, page.size, hashlib.sha256(wrong).hexdigest())


def test_faults_of_the_command_line_come_to_those_of_the_file(nginx: Nginx, page: File) -> None:
    with proxied(nginx.address, "--fault", "latency delay=300ms direction=c2s name=more", scenario="slow_both_ways") as proxy:
        got = curl(f"{proxy.url}/page")
    assert (got.code, got.sha256) == (0, page.sha256)
    assert 0.380 <= got.first_byte < 2
