"""Chaos Toolkit itself runs the experiment that we ship, against a daemon in a process of its own."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed
from chaoslib.experiment import ensure_experiment_is_valid, run_experiment

from faultproxy.chaostoolkit import actions, discover, probes
from tests.control.processes import Served, served

pytestmark = pytest.mark.live

EXPERIMENT = Path(__file__).parent.parent.parent / "deploy" / "chaostoolkit" / "experiment.json"


@pytest.fixture(scope="module")
def daemon() -> Iterator[Served]:
    with served() as running:
        yield running


@pytest.fixture
def game(daemon: Served) -> Iterator[str]:
    """A proxy called "game" before a server that echoes: where it listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        threading.Thread(target=_echo, args=(server,), daemon=True).start()
        yield daemon.made("game", f"127.0.0.1:{server.getsockname()[1]}", [])
        daemon.call("DELETE", "/v1/proxies/game")


def _echo(server: socket.socket) -> None:
    try:
        while True:
            connection, _ = server.accept()
            with connection:
                connection.sendall(connection.recv(1000))
                connection.recv(1000)
    except OSError:
        pass


def connect(listen: str) -> socket.socket:
    host, _, port = listen.rpartition(":")
    stream = socket.create_connection((host, int(port)), 5)
    stream.sendall(b"PING")
    assert stream.recv(100) == b"PING"
    return stream


def test_the_experiment_that_is_shipped_runs(daemon: Served, game: str) -> None:
    experiment: dict[str, Any] = json.loads(EXPERIMENT.read_text(encoding="utf-8"))
    ensure_experiment_is_valid(experiment)
    experiment["configuration"] = {"faultproxy_api": daemon.url}
    first = experiment["method"][0]
    first["provider"]["arguments"]["fault"]["connections"] = {"share": "100%"}
    first["pauses"] = {"after": 0.2}
    with connect(game) as player:
        player.sendall(b"again, and nobody will read it for a while")
        experiment["method"][1]["tolerance"] = {"type": "range", "range": [0, 1000000]}
        journal = run_experiment(experiment)
    assert journal["status"] == "completed", journal
    assert [run["status"] for run in journal["run"]] == ["succeeded"] * 2
    assert [run["status"] for run in journal["rollbacks"]] == ["succeeded"]
    assert probes.proxy_state("game", daemon.url)["faults"] == []


def test_each_action_does_what_it_says_and_a_refusal_fails_it(daemon: Served, game: str) -> None:
    with connect(game) as player:
        assert probes.open_connections("game", daemon.url) == 1
        assert probes.leg("game", 1, "client", "state", daemon.url) == "ESTABLISHED"
        actions.add_fault("game", {"kind": "latency", "name": "late", "delay": "10ms", "manual": True}, daemon.url)
        assert actions.start_fault("game", "late", daemon.url)["active"] == 1
        assert actions.heal_fault("game", "late", daemon.url)["active"] == 0
        assert probes.fault_fired("game", "late", daemon.url) == 0
        actions.start_fault("game", "late", daemon.url)
        actions.heal_all("game", daemon.url)
        assert probes.proxy_state("game", daemon.url)["faults"][0]["active"] == 0
        actions.kill_connection("game", 1, daemon.url)
        with pytest.raises(ConnectionResetError):
            player.recv(1)
    actions.set_enabled("game", False, daemon.url)
    assert not probes.is_listening("game", daemon.url)
    with pytest.raises(ActivityFailed, match="no open connection 1"):
        probes.leg("game", 1, "client", "state", daemon.url)
    with pytest.raises(ActivityFailed, match="there is no proxy 'other'"):
        actions.remove_fault("other", "late", daemon.url)
    with pytest.raises(ActivityFailed, match="is `faultproxy serve` running there"):
        probes.is_listening("game", "http://127.0.0.1:1")


def test_it_is_discovered() -> None:
    names = {activity["name"] for activity in discover()["activities"]}
    assert names == {*actions.__all__, *probes.__all__}
