"""Opening a connection (scenarios/open) while segments of the handshake are lost, as the kernels of both ends see it."""

from __future__ import annotations

import pytest

from faultproxy.kernel import procnet
from tests.live.rig import holds, until
from tests.scenarios.dialling import Dialling
from tests.scenarios.observed import Counts, servers
from tests.scenarios.stage import Stage, played

pytestmark = pytest.mark.live


@played("open/syn_lost.toml")
async def test_syn_lost(s: Stage) -> None:
    caller = Dialling(s.port)
    await until(lambda: caller.info.state == "SYN_SENT" and caller.info.retransmits >= 2, "two SYNs sent again")
    assert procnet.find(remote_port=caller.port) == []
    assert s.of_server() == []
    s.heal("syn-lost")
    player = await caller.done(s)
    assert await player.ask("PING") == "PONG"


@played("open/synack_lost.toml")
async def test_synack_lost(s: Stage) -> None:
    caller = Dialling(s.port)

    def both() -> tuple[str, list[str]]:
        return caller.info.state, [each.state for each in servers(s)]

    await until(lambda: both() == ("SYN_SENT", ["SYN_RECV"]), "SYN_SENT against SYN_RECV")
    await until(lambda: caller.info.retransmits >= 1 and servers(s)[0].retransmits >= 1, "both to send again")
    assert both() == ("SYN_SENT", ["SYN_RECV"])
    s.heal("synack-lost")
    player = await caller.done(s)
    assert await player.ask("PING") == "PONG"
    assert both() == ("ESTABLISHED", ["ESTABLISHED"])


@played("open/synack_lost_at_proxy.toml", "client")
async def test_synack_lost_to_the_client(s: Stage) -> None:
    caller = Dialling(s.port)
    await until(lambda: caller.info.state == "SYN_SENT" and caller.info.retransmits >= 1, "a SYN sent again")
    assert s.of_server() == []
    s.heal("synack-lost")
    player = await caller.done(s)
    assert await player.ask("PING") == "PONG"


@played("open/synack_lost_at_proxy.toml", "server")
async def test_synack_lost_from_the_server(s: Stage) -> None:
    player = await s.player()
    await player.say("PING")
    await until(lambda: [each.state for each in servers(s)] == ["SYN_RECV"], "SYN_RECV at the server")
    await until(lambda: servers(s)[0].retransmits >= 1, "a SYN-ACK sent again")
    assert player.state() == "ESTABLISHED"
    assert player.nothing_to_read()
    s.heal("synack-lost")
    assert await player.hear() == "PONG"


@played("open/last_ack_lost.toml", "completed")
async def test_last_ack_lost_and_data_completes(s: Stage) -> None:
    player = await s.player()

    def both() -> tuple[str, list[str]]:
        return player.state(), [each.state for each in servers(s)]

    await until(lambda: both() == ("ESTABLISHED", ["SYN_RECV"]), "ESTABLISHED against SYN_RECV")
    await until(lambda: servers(s)[0].retransmits >= 1, "a SYN-ACK sent again")
    assert both() == ("ESTABLISHED", ["SYN_RECV"])
    assert await player.ask("PING") == "PONG"
    assert both() == ("ESTABLISHED", ["ESTABLISHED"])
    s.heal("last-ack-lost")
    await until(lambda: servers(s)[0].send_queue == 0, "the acknowledgement of the answer")


@played("open/last_ack_lost.toml", "completed")
async def test_last_ack_lost_and_healed(s: Stage) -> None:
    player = await s.player()
    await until(lambda: [each.state for each in servers(s)] == ["SYN_RECV"], "SYN_RECV at the server")
    await until(lambda: s.fired("last-ack-lost"), "the loss of an ACK")
    s.heal("last-ack-lost")
    await until(lambda: [each.state for each in servers(s)] == ["ESTABLISHED"], "the answer to the next SYN-ACK")
    assert await player.ask("PING") == "PONG"


@played("open/last_ack_lost.toml", "forgotten")
async def test_last_ack_lost_and_forgotten(s: Stage) -> None:
    player = await s.player()
    await until(lambda: [each.state for each in servers(s)] == ["SYN_RECV"], "SYN_RECV at the server")
    await until(lambda: servers(s) == [], "that the server forgets it")
    assert player.state() == "ESTABLISHED"
    await player.say("PING")
    assert await player.error() == "ECONNRESET"


@played("open/syn_backlog_full.toml")
async def test_syn_backlog_full(s: Stage) -> None:
    counts = Counts()
    players = [await s.player() for _ in range(20)]
    for player in players:
        await player.say("PING")

    def half_open() -> int:
        return procnet.states(s.of_server())["SYN_RECV"]

    await until(lambda: half_open() == 13, "13 half-open connections")
    newcomer = Dialling(s.server_port)
    await until(lambda: newcomer.info.retransmits >= 1, "a SYN sent again")
    await holds(lambda: (half_open(), newcomer.info.state) == (13, "SYN_SENT"), 0.2, "a full queue")
    assert counts["TcpExt.ListenDrops"] >= 7 + 2
    s.heal("answers-lost")
    for player in players:
        assert await player.hear() == "PONG"
    assert await (await newcomer.done(s)).ask("PING") == "PONG"
    assert half_open() == 0
