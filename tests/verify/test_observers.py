"""What is observed of sockets that are gone, or not there yet: the kernel's tables alone do not tell."""

from __future__ import annotations

import socket

import pytest
import trio

from faultproxy.kernel import procnet
from faultproxy.net.proxy import Proxy
from tests.live.rig import until
from tests.verify.test_play import ARENA, play

pytestmark = pytest.mark.live

CROWD = """
[[crowd]]
name = "one"
count = 1
behaviour = "{behaviour}"
send = "{send}\\r\\n"
"""
UNREAD = """
[[fault]]
name = "unread"
kind = "stall_reads"
direction = "c2s"
on_match = "PING deaf"
[[fault]]
name = "closed"
kind = "close"
direction = "s2c"
on_fault = "unread"
after = "300ms"
"""


def expect(what: str, wanted: str) -> str:
    return f'[[expect]]\nwhat = "{what}"\n{wanted}\nwithin = "2s"\nsince = "start"\n'


async def test_a_rst_that_only_the_kernel_has_decided_on_is_told_by_the_player_who_got_it() -> None:
    flood = CROWD.format(behaviour="flood", send="PING deaf")
    result = await play(ARENA + flood + UNREAD + expect("client.rst_received", "is = true"))
    assert (result.outcome, result.reason) == ("passed", "")


async def test_bytes_that_came_between_the_last_look_and_the_end_are_counted() -> None:
    asker = CROWD.format(behaviour="half_close", send="STREAM 500000")
    result = await play(ARENA + asker + expect("client.bytes_received", 'is = "500000B"'))
    assert (result.outcome, result.reason) == ("passed", "")


async def test_the_port_that_a_server_is_dialled_from_is_known_before_it_answers() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.socket() as waits, socket.socket() as client:
        waits.connect(full.getsockname())  # there is room for one, who is never accepted
        proxy = Proxy((), listen="127.0.0.1:0", upstream=f"127.0.0.1:{full.getsockname()[1]}", seed=1, tells_all=True)
        async with trio.open_nursery() as nursery:
            await nursery.start(proxy.serve)
            client.connect(("127.0.0.1", int(proxy.address.rpartition(":")[2])))
            await until(lambda: bool(proxy.dialling()), "the dial")
            ((port, own),) = proxy.dialling().items()
            assert port == client.getsockname()[1]
            assert [row.state for row in procnet.find(local_port=own)] == ["SYN_SENT"]
            nursery.cancel_scope.cancel()
