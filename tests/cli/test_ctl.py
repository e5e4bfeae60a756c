"""`faultproxy ctl` against a running daemon."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli.conftest import Call
from tests.control.processes import Served, served

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def running() -> Iterator[Served]:
    """One for all tests of this module."""
    with served(FAULTPROXY_TOKEN="secret") as here:
        yield here


@pytest.fixture
def here(running: Served, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """With a proxy `a` in front of somebody who listens, and the environment that finds it."""
    monkeypatch.setenv("FAULTPROXY_API", running.url)
    monkeypatch.setenv("FAULTPROXY_TOKEN", "secret")
    running.client.headers["authorization"] = "Bearer secret"
    with socket.create_server(("127.0.0.1", 0)) as upstream:
        running.made("a", f"127.0.0.1:{upstream.getsockname()[1]}", [])
        yield running
        with suppress(AssertionError):
            running.call("DELETE", "/v1/proxies/a")


def test_proxies(call: Call, here: Served) -> None:
    made = call("ctl", "add", "b", "--upstream", "127.0.0.1:9", "--fault", "latency delay=1s")
    assert made.out.startswith("b: listening on 127.0.0.1:")
    table = call("ctl", "proxies").out.splitlines()
    assert table[0].split()[:3] == ["proxy", "listens", "on"]
    assert [line.split()[0] for line in table[1:]] == ["a", "b"]
    assert table[2].rstrip().endswith("latency")
    assert call("ctl", "disable", "b").code == 0
    assert [proxy["enabled"] for proxy in json.loads(call("ctl", "--json", "proxies").out)["proxies"]] == [True, False]
    assert call("ctl", "enable", "b").code == 0
    assert call("ctl", "rm", "b").code == 0
    gone = call("ctl", "rm", "b")
    assert gone.code == 1
    assert "`faultproxy ctl proxies` lists" in gone.err
    taken = call("ctl", "add", "a", "--upstream", "127.0.0.1:9")
    assert "`faultproxy ctl rm PROXY` deletes one" in taken.err
    assert call("ctl", "disable", "a").code == 0
    assert call("ctl", "fault", "a", "latency", "delay=1s").code == 0
    assert "`faultproxy ctl enable a` lets it listen" in call("ctl", "start", "a", "latency").err


def test_faults(call: Call, here: Served, tmp_path: Path) -> None:
    assert call("ctl", "fault", "a", "latency delay=1s manual=true").out == "added latency\n"
    file = tmp_path / "scenario.toml"
    file.write_text('[[fault]]\nname = "thin"\nkind = "bandwidth"\nrate = "1kB/s"\n', encoding="utf-8")
    assert call("ctl", "apply", "a", file).out == "added thin\n"
    assert call("ctl", "start", "a", "latency").code == 0
    assert call("ctl", "heal", "a", "latency").code == 0
    assert call("ctl", "heal", "a").code == 0
    rows = call("ctl", "faults", "a").out.splitlines()
    assert [row.split()[:3] for row in rows] == [
        ["fault", "kind", "state"],
        ["latency", "latency", "resting"],
        ["thin", "bandwidth", "resting"],
    ]
    assert call("ctl", "change", "a", "thin", "rate=2kB/s").out == "changed thin\n"
    assert "rate=16kbit/s" in call("ctl", "faults", "a").out
    assert call("ctl", "rm", "a", "thin").code == 0
    wrong = call("ctl", "fault", "a", "latency dealy=1s")
    assert wrong.code == 1
    assert "did you mean `delay`?" in wrong.err
    for said in (wrong, call("ctl", "heal", "a", "nix"), call("ctl", "fault", "a", "latency delay=1s"), call("ctl", "connections", "a", 7)):
        assert said.code == 1
        assert not any(word in said.err for word in ("GET", "PATCH", "POST", "DELETE", "/v1", "HTTP")), said.err
        assert "`faultproxy " in said.err
    assert call("ctl", "fault", "a", "close", "name=later", "direction=s2c", "allow=1KiB").out == "added later\n", "words without quotes"
    lost = call("ctl", "fault", "a", "close", "on_match={s2c=OK THEN}")
    assert lost.code == 2
    assert "put single quotes round all of it" in lost.err, lost
    assert call("ctl", "fault", "a", "latency 'x").code == 2


def test_connections(call: Call, here: Served) -> None:
    host, _, port = here.call("GET", "/v1/proxies/a").json()["listen"].rpartition(":")
    with socket.create_connection((host, int(port))) as client:
        client.settimeout(10)
        while not here.call("GET", "/v1/proxies/a/connections").json()["open"]:
            pass
        rows = call("ctl", "connections", "a").out.splitlines()
        assert rows[1].split()[:2] == ["1", "127.0.0.1:" + str(client.getsockname()[1])]
        client.sendall(b"x" * 3000)
        one = call("ctl", "connections", "a", 1).out.splitlines()
        while "2.9 KiB" not in " ".join(one):
            one = call("ctl", "connections", "a", 1).out.splitlines()
        assert one[0].startswith(f"connection 1 of a, from 127.0.0.1:{client.getsockname()[1]}: open")
        assert one[1].split("  ", 1)[1].split() == ["client's", "leg", "server's", "leg"]
        assert one[2].split() == ["state", "ESTABLISHED", "ESTABLISHED"]
        shown = {line.strip().split("  ")[0]: line.split("  ", 2)[-1].split() for line in one[3:]}
        assert shown["smoothed"][1::2] == ["ms", "ms"]
        assert shown["what we let the peer send"][-1] in ("B", "KiB", "MiB")
        assert {"received, not read by us", "sent, not acknowledged", "segments resent"} <= set(shown)
        assert set(json.loads(call("ctl", "--json", "connections", "a", 1).out)["legs"]) == {"client", "server"}
        assert call("ctl", "kill", "a", 1).code == 0
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    lines = call("ctl", "journal", "a").out.splitlines()
    assert json.loads(lines[0])["faultproxy.journal"] == 1
    assert json.loads(lines[1])["event"] in ("open", "connect")


def test_a_scenario_is_played(call: Call, here: Served, tmp_path: Path) -> None:
    file = tmp_path / "scenario.toml"
    upstream = here.call("GET", "/v1/proxies/a").json()["upstream"]
    file.write_text(f'duration = "200ms"\n[proxy]\nlisten = "127.0.0.1:0"\nupstream = "{upstream}"\n', encoding="utf-8")
    done = call("ctl", "run", file, "--seed", 3)
    assert done.out.splitlines()[0].endswith("seed 3"), done
    assert done.out.splitlines()[-1] == "passed", done
    assert done.code == 0
    file.write_text('[server]\ncommand = ["id"]\n', encoding="utf-8")
    assert "no command is run for a caller" in call("ctl", "run", file).err


def test_nobody_is_there(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    found = call("ctl", "--api", f"http://127.0.0.1:{port}", "proxies")
    assert (found.code, found.err.count("\n")) == (1, 1)
    assert "is `faultproxy serve` running there?" in found.err
    assert call("ctl", "--api", "nonsense", "proxies").code == 1


def test_a_wrong_token(call: Call, here: Served) -> None:
    found = call("ctl", "--token", "wrong", "proxies")
    assert found.code == 1
    assert "the token is wrong" in found.err
