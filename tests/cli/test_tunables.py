"""What a tunable's value means: computed, and compared with what the kernel's documentation says of its defaults."""

from __future__ import annotations

import pytest

from faultproxy.cli.tunables import CONSULTED, OPEN_FILES, TUNABLES, meaning, opening, resending, resending_syn, spoken

DEFAULTS = {
    "net.ipv4.tcp_syn_retries": "6",
    "net.ipv4.tcp_syn_linear_timeouts": "4",
    "net.ipv4.tcp_synack_retries": "5",
    "net.ipv4.tcp_max_syn_backlog": "256",
    "net.ipv4.tcp_syncookies": "1",
    "net.core.somaxconn": "4096",
    "net.ipv4.tcp_retries1": "3",
    "net.ipv4.tcp_retries2": "15",
    "net.ipv4.tcp_rto_max_ms": "120000",
    "net.ipv4.tcp_orphan_retries": "0",
    "net.ipv4.tcp_keepalive_time": "7200",
    "net.ipv4.tcp_keepalive_intvl": "75",
    "net.ipv4.tcp_keepalive_probes": "9",
    "net.ipv4.tcp_fin_timeout": "60",
    "net.ipv4.tcp_tw_reuse": "2",
    "net.ipv4.ip_local_port_range": "32768 60999",
    "net.ipv4.tcp_rmem": "4096 131072 6291456",
    "net.ipv4.tcp_wmem": "4096 16384 4194304",
    "net.core.netdev_max_backlog": "1000",
    "net.ipv4.tcp_sack": "1",
    "net.ipv4.tcp_timestamps": "1",
    "net.ipv4.tcp_window_scaling": "1",
    OPEN_FILES: "1024 (hard 524288)",
}


def means(name: str, **changed: str) -> str:
    values = DEFAULTS | {f"net.ipv4.tcp_{key}": value for key, value in changed.items()}
    (tunable,) = (each for each in TUNABLES if each.name == name)
    return meaning(tunable, values)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.6, "0.6 s"), (3.0, "3 s"), (60, "1 min"), (63.9, "1 min 3 s"), (924.6, "15 min 24 s"), (7875, "2 h 11 min"), (90000, "1 d 1 h")],
)
def test_times_as_one_says_them(seconds: float, text: str) -> None:
    assert spoken(seconds) == text


def test_the_kernels_own_figures() -> None:
    # ip-sysctl.rst: 924.6 seconds for tcp_retries2 15; 131 seconds for tcp_syn_retries 6 with four linear time-outs.
    assert resending(15, 120.0) == pytest.approx(924.6)
    assert opening(6, 4, 120.0) == 131
    assert opening(6, 0, 120.0) == 127
    assert resending_syn(5, 120.0) == 63


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("net.ipv4.tcp_syn_retries", "an unanswered connect fails after 2 min 11 s, and 11 SYNs"),
        ("net.ipv4.tcp_synack_retries", "a half-open connection is forgotten after 1 min 3 s"),
        ("net.ipv4.tcp_max_syn_backlog", "nothing, while tcp_syncookies is on: then the backlog of the listener counts"),
        ("net.core.somaxconn", "a listener holds at most 4097 connections that nobody has accepted, whatever backlog it asks for"),
        ("net.ipv4.tcp_retries2", "an unanswered sender gives up after at least 15 min 24 s (ETIMEDOUT)"),
        ("net.ipv4.tcp_orphan_retries", "a closed socket whose data nobody acknowledges is gone after at least 1 min 42 s (0 means 8)"),
        ("net.ipv4.tcp_keepalive_time", "a dead peer is noticed after 2 h 11 min, if the program asked for SO_KEEPALIVE"),
        ("net.ipv4.tcp_fin_timeout", "a closed socket waits 1 min for the peer's FIN (FIN_WAIT_2)"),
        ("net.ipv4.tcp_tw_reuse", "connect takes a port from TIME_WAIT after 1 s, on loopback only"),
        ("net.ipv4.ip_local_port_range", "28232 ports: so many connections to one server address and port, those in TIME_WAIT included"),
        ("net.ipv4.tcp_rmem", "a receive buffer begins with 128 KiB and grows to 6 MiB"),
        (OPEN_FILES, "about 487 connections through one proxy process, of two sockets each"),
    ],
)
def test_what_the_defaults_mean(name: str, words: str) -> None:
    assert means(name) == words


def test_settings_work_together() -> None:
    assert means("net.ipv4.tcp_syn_retries", syn_linear_timeouts="0") == "an unanswered connect fails after 2 min 7 s, and 7 SYNs"
    assert means("net.ipv4.tcp_retries2", rto_max_ms="1000") == "an unanswered sender gives up after at least 14 s (ETIMEDOUT)"
    assert means("net.ipv4.tcp_max_syn_backlog", syncookies="0") == "a listener keeps about 193 half-open connections"
    assert means("net.ipv4.tcp_keepalive_time", keepalive_time="60", keepalive_probes="3").startswith(
        "a dead peer is noticed after 4 min 45 s"
    )


@pytest.mark.parametrize("value", ["", "plenty", "-1 -1", "9" * 30])
def test_a_value_that_is_not_understood_ends_nothing(value: str) -> None:
    for tunable in TUNABLES:
        assert isinstance(meaning(tunable, {tunable.name: value}), str)


def test_what_is_read_is_what_is_needed() -> None:
    assert {each.name for each in TUNABLES} - {OPEN_FILES} < set(CONSULTED)
    assert means("net.ipv4.tcp_retries2") != ""
