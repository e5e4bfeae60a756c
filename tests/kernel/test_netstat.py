"""The kernel's counters: a sample, and a real one that must move."""

from __future__ import annotations

import socket
import sys

import pytest

from faultproxy.kernel import netstat

SAMPLE = """\
Tcp: MaxConn ActiveOpens InCsumErrors
Tcp: -1 26 0
Udp: InDatagrams InCsumErrors
Udp: 14 3
"""


def test_names_that_protocols_share_are_kept_apart() -> None:
    assert netstat.parse(SAMPLE) == {
        "Tcp.MaxConn": -1,
        "Tcp.ActiveOpens": 26,
        "Tcp.InCsumErrors": 0,
        "Udp.InDatagrams": 14,
        "Udp.InCsumErrors": 3,
    }
    assert netstat.parse("") == {}


@pytest.mark.parametrize("wrong", ["Tcp: A B\nUdp: 1 2\n", "Tcp: A B\nTcp: 1\n", "Tcp: A\n"])
def test_lines_that_do_not_pair_are_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"followed by|argument 2 is shorter"):
        netstat.parse(wrong)


@pytest.mark.live
@pytest.mark.skipif(sys.platform != "linux", reason="/proc/net is Linux's")
def test_a_connection_is_counted() -> None:
    before = netstat.counters()
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()):
        after = netstat.counters()
    assert after["Tcp.ActiveOpens"] > before["Tcp.ActiveOpens"]
    assert {"Tcp.RetransSegs", "TcpExt.TCPTimeouts", "Tcp.InCsumErrors", "IpExt.InOctets"} <= after.keys()
