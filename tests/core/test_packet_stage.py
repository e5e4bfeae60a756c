"""A packet stage that does nothing."""

from __future__ import annotations

from faultproxy.core.packet_stage import PacketStage
from tests.core.packet_playbook import met


def test_everything_passes() -> None:
    stage, packet = PacketStage(), met("from_client", "P.", 1, 1, b"hi")
    assert (stage.start(0.0), stage.packet(packet, True, 0.0), stage.due(1.0), stage.heal(2.0)) == ((), (packet,), (), ())
    assert stage.deadline() is None
