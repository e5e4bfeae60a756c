"""`/v1` over real sockets: what is ordered happens to real connections, and what is refused says why."""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import Any

import httpx
import pytest
import trio

from faultproxy.control import serve
from faultproxy.control.v1 import stream as stream_
from faultproxy.faults import KINDS
from faultproxy.kernel import procnet
from tests.control.harness import Daemon, ask, connect, daemon, lines

pytestmark = pytest.mark.live

LATE = {"kind": "latency", "name": "late", "direction": "s2c", "delay": "200ms"}
NEVER = {"kind": "stall_reads", "name": "never", "direction": "c2s", "manual": True}


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """What is wrong, and in the right form."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    said: dict[str, Any] = answer.json()
    assert said["status"] == status
    assert said["title"]
    assert said["detail"]
    assert said["todo"]
    return said


async def test_a_proxy_lives_and_dies() -> None:
    async with daemon() as here:
        address = await here.made("a", faults=[LATE])
        stream = await connect(address)
        began = trio.current_time()
        assert await ask(stream) == b"ping"
        assert trio.current_time() - began >= 0.19
        state = (await here.api.get("/v1/proxies")).json()["proxies"][0]
        assert (state["name"], state["opened"], state["open"], state["c2s"], state["s2c"]) == ("a", 1, 1, 4, 4)
        assert state["faults"][0]["fired"] == 1
        assert (await here.api.patch("/v1/proxies/a", json={"enabled": False})).json()["listening"] == "disabled"
        assert await stream.receive_some() == b"", "a FIN"
        assert (await here.api.patch("/v1/proxies/a", json={"enabled": True})).json()["listen"] == address
        assert (await here.api.delete("/v1/proxies/a")).status_code == 204
        problem(await here.api.get("/v1/proxies/a"), 404)
        with pytest.raises(OSError, match=r"."):
            await connect(address)
        await stream.aclose()


async def test_a_change_that_cannot_be_changes_nothing() -> None:
    async with daemon() as here:
        first = await here.made("a")
        taken = await here.made("b")
        said = problem(await here.api.patch("/v1/proxies/a", json={"listen": taken, "upstream": "127.0.0.1:9"}), 409)
        assert taken in said["detail"]
        assert (await here.api.get("/v1/proxies/a")).json()["listen"] == first
        stream = await connect(first)
        assert await ask(stream) == b"ping", "the upstream is the old one too"
        await stream.aclose()


async def test_faults_come_change_and_go_on_open_connections() -> None:
    async with daemon() as here:
        stream = await connect(await here.made("a"))
        await ask(stream)
        added = (await here.api.post("/v1/proxies/a/faults", json=LATE)).json()
        assert [fault["name"] for fault in added["faults"]] == ["late"]
        began = trio.current_time()
        await ask(stream)
        assert trio.current_time() - began >= 0.19
        changed = await here.api.patch("/v1/proxies/a/faults/late", json={"delay": "1ms"})
        assert changed.json()["table"]["delay"] == "1ms"
        assert (await here.api.get("/v1/proxies/a/faults/late")).json()["plane"] == "stream"
        assert (await here.api.delete("/v1/proxies/a/faults/late")).status_code == 204
        assert (await here.api.get("/v1/proxies/a/faults")).json()["faults"] == []
        await stream.aclose()


async def test_a_fault_starts_and_heals_by_hand() -> None:
    async with daemon() as here:
        stream = await connect(await here.made("a", faults=[NEVER]))
        assert await ask(stream) == b"ping"
        assert (await here.api.post("/v1/proxies/a/faults/never/start")).json()["active"] == 1
        await stream.send_all(b"held")
        with trio.move_on_after(0.3) as waited:
            await stream.receive_some()
        assert waited.cancelled_caught
        healed = await here.api.post("/v1/proxies/a/heal")
        assert healed.json()["faults"][0]["heals"] == 1
        with trio.fail_after(10):
            assert await stream.receive_some() == b"held"
        await stream.aclose()


async def test_the_state_of_a_fault_says_who_has_healed_it() -> None:
    by_match = {"kind": "close", "name": "later", "direction": "s2c", "on_match": "QUIT"}
    shut = {"kind": "refuse", "name": "shut", "at": "1ms", "lasts": "1ms"}
    async with daemon() as here:
        await here.made("a", faults=[LATE, NEVER, by_match, shut])

        async def states() -> list[str]:
            faults = (await here.api.get("/v1/proxies/a/faults")).json()["faults"]
            return [fault["state"] for fault in faults]

        with trio.fail_after(10):
            while await states() != ["armed", "waiting", "waiting", "over"]:
                await trio.sleep(0.01)
        await here.api.post("/v1/proxies/a/faults/never/start")
        await here.api.post("/v1/proxies/a/faults/late/heal")
        assert await states() == ["resting", "armed", "waiting", "over"]
        stream = await connect((await here.api.get("/v1/proxies/a")).json()["listen"])
        with trio.fail_after(10):
            while await states() != ["resting", "active", "waiting", "over"]:
                await trio.sleep(0.01)
        await here.api.post("/v1/proxies/a/faults/late/start")
        assert (await states())[0] == "active"
        await here.api.post("/v1/proxies/a/heal")
        assert await states() == ["resting"] * 4
        await here.api.patch("/v1/proxies/a", json={"enabled": False})
        assert await states() == ["disabled"] * 4
        await stream.aclose()


async def test_a_fault_gets_another_table() -> None:
    toml = {"content-type": "application/toml"}
    async with daemon() as here:
        await here.made("a", faults=[LATE | {"jitter": "1ms"}])
        path = "/v1/proxies/a/faults/late"
        after = (await here.api.put(path, json=LATE | {"delay": "5ms"})).json()
        assert after["table"] == LATE | {"delay": "5ms"}, "what is left out is at its default"
        text = '[[fault]]\nkind = "latency"\nname = "late"\ndelay = "7ms"\n'
        assert (await here.api.put(path, content=text, headers=toml)).json()["table"]["delay"] == "7ms"
        wrong = problem(await here.api.put(path, content=text.replace("7ms", "7"), headers=toml), 422)
        assert "delay" in wrong["detail"]
        problem(await here.api.put(path, content=text + text.replace("late", "more"), headers=toml), 422)
        problem(await here.api.put(path, json=LATE | {"name": "other"}), 422)
        problem(await here.api.put("/v1/proxies/a/faults/nix", json=LATE), 404)


async def test_faults_of_a_scenario_file() -> None:
    text = """
        [proxy]
        listen = "127.0.0.1:0"
        [[fault]]
        kind = "latency"
        delay = "1ms"
        [[fault]]
        name = "later"
        kind = "close"
        on_heal = "latency"
        [[expect]]
        what = "client.tcp_state"
        is = "ESTABLISHED"
        within = "1s"
        since = "start"
    """
    async with daemon() as here:
        await here.made("a")
        done = await here.api.post("/v1/proxies/a/faults", content=text, headers={"content-type": "application/toml"})
        assert done.status_code == 201, done.text
        assert [fault["name"] for fault in done.json()["faults"]] == ["latency", "later"]
        assert any("expect" in line for line in done.json()["left_out"])
        again = problem(await here.api.post("/v1/proxies/a/faults", json={"fault": [LATE, LATE | {"name": "later"}]}), 409)
        assert "later" in again["detail"]
        names = [fault["name"] for fault in (await here.api.get("/v1/proxies/a/faults")).json()["faults"]]
        assert names == ["latency", "later"], "all or none"


WRONG = [
    ({"delay": "1s"}, "`kind` is missing"),
    ({"kind": "slicer"}, "it is called `slice`"),
    ({"kind": "latency"}, "`delay` is missing"),
    ({"kind": "latency", "delay": 5}, "delay"),
    ({"kind": "latency", "dealy": "1s", "delay": "1s"}, "did you mean `delay`?"),
    ({"kind": "latency", "delay": "1s", "on_fault": "nix"}, "no fault is called `nix`"),
    ({"kind": "latency", "delay": "1s", "proxy": "b"}, "leave this key out"),
    ({"kind": "latency", "delay": "1s", "name": "a/b"}, "no /"),
    ({"kind": "latency", "delay": "1s", "connections": {"crowd": "x"}}, "crowds and probes"),
    (
        {"kind": "latency", "delay": "1s", "on_match": {"regex": r"(a)\1"}},
        "since a search for it may take long: because of a back-reference",
    ),
    (
        {"kind": "latency", "delay": "1s", "on_match": {"s2c": {"regex": "a{999}"}}},
        "on_match.s2c: the regular expression 'a{999}' is refused",
    ),
    ({"kind": "drop", "payload": {"regex": "x(?!y)"}, "manual": True}, "payload: the regular expression"),
    ({"kind": "latency", "delay": "1s", "on_match": {"regex": "a" * 257}}, "of 257 bytes is refused"),
    ({"fault": [{"kind": "latency", "delay": "1s"}], "include": ["/etc/passwd"]}, "no file is read"),
    ({"fault": [{"kind": "latency", "delay": "1s"}], "include": ["${x}"], "vars": {"x": "/etc/passwd"}}, "no file is read"),
    ({"fault": [{"kind": "latency", "delay": "1s"}], "server": {"command": ["id"]}}, "no command is run"),
]


@pytest.mark.parametrize(("table", "why"), WRONG, ids=[why for _, why in WRONG])
async def test_a_wrong_fault_is_told_all_that_is_wrong(table: dict[str, Any], why: str) -> None:
    async with daemon() as here:
        await here.made("a")
        said = problem(await here.api.post("/v1/proxies/a/faults", json=table), 422)
        assert why in said["detail"]
        assert said["mistakes"]


async def test_no_unix_socket_for_a_caller() -> None:
    async with daemon() as here:
        for key in ("listen", "upstream"):
            new = {"name": "a", "listen": "127.0.0.1:0", "upstream": here.upstream} | {key: "unix:/run/x.sock"}
            assert "refused" in problem(await here.api.post("/v1/proxies", json=new), 422)["detail"]
        await here.made("a")
        problem(await here.api.patch("/v1/proxies/a", json={"upstream": "unix:/run/x.sock"}), 422)
        for key in ("listen", "upstream"):  # as a client of Toxiproxy asks for it
            other: dict[str, object] = {"name": "b", "upstream": "127.0.0.1:9", "enabled": False} | {key: "unix:/run/x.sock"}
            assert "unix sockets" in (await here.api.post("/proxies", json=other)).json()["error"]
            assert "unix sockets" in (await here.api.post("/populate", json=[other])).json()["error"]
            assert (await here.api.post("/proxies/a", json={key: "unix:/run/x.sock"})).status_code == (400 if key == "upstream" else 500)
        text = '[proxy]\nlisten = "127.0.0.1:0"\nupstream = "unix:/run/x.sock"\n'
        problem(await here.api.post("/v1/proxies/a/faults", content=text, headers={"content-type": "application/toml"}), 422)


async def test_what_cannot_be_has_its_own_status() -> None:
    async with daemon() as here:
        address = await here.made("a")
        problem(await here.api.post("/v1/proxies", json={"name": "a", "upstream": here.upstream}), 409)
        problem(await here.api.post("/v1/proxies", json={"name": "b", "upstream": here.upstream, "listen": address}), 409)
        problem(await here.api.post("/v1/proxies", json={"name": "b", "upstream": here.upstream, "listen": "nonsense"}), 422)
        problem(await here.api.post("/v1/proxies", json={"name": "b/c", "upstream": here.upstream}), 422)
        problem(await here.api.post("/v1/proxies", json={"name": "b", "upstream": here.upstream, "extra": 1}), 422)
        problem(await here.api.post("/v1/proxies", content=b"{"), 422)
        problem(await here.api.post("/v1/proxies/a/faults", content=b"\xff"), 422)
        problem(await here.api.post("/v1/proxies/a/faults", content=b"[" * 100_000), 422)
        problem(await here.api.post("/v1/proxies/a/faults/nix/heal"), 404)
        problem(await here.api.post("/v1/proxies/a/connections/7/kill"), 404)
        problem(await here.api.put("/v1/proxies/a"), 405)
        problem(await here.api.get("/v1/nix"), 404)
        problem(await here.api.get("/v1/runs"), 409)


async def test_connections_newest_first_and_what_the_kernel_knows() -> None:
    async with daemon() as here:
        address = await here.made("a")
        streams = [await connect(address) for _ in range(3)]
        for stream in streams:
            await ask(stream)
        found = (await here.api.get("/v1/proxies/a/connections")).json()
        assert (found["open"], [one["ordinal"] for one in found["connections"]]) == (3, [3, 2, 1])
        one = (await here.api.get("/v1/proxies/a/connections/2")).json()
        assert (one["c2s"], one["s2c"], one["state"]) == (4, 4, "open")
        assert one["age"] >= 0
        assert [(leg["receive_queue"], leg["send_queue"]) for leg in one["legs"].values()] == [(0, 0), (0, 0)]
        assert {side: leg["state"] for side, leg in one["legs"].items()} == {"client": "ESTABLISHED", "server": "ESTABLISHED"}
        assert (await here.api.post("/v1/proxies/a/connections/2/kill")).status_code == 204
        with pytest.raises(trio.BrokenResourceError) as broken, trio.fail_after(10):
            await streams[1].receive_some()
        assert isinstance(broken.value.__cause__, ConnectionResetError)
        assert await ask(streams[0]) == b"ping"
        for stream in streams:
            await stream.aclose()


async def test_the_catalogue() -> None:
    async with daemon() as here:
        kinds = (await here.api.get("/v1/kinds")).json()["kinds"]
        assert len(kinds) == len(KINDS)
        assert all(kind["summary"] and kind["example"] and kind["json_schema"]["properties"] for kind in kinds)


async def follow(here: Daemon, path: str, until: str) -> list[tuple[str, dict[str, Any]]]:
    """Server-sent events, up to one that has `until` in it."""
    found: list[tuple[str, dict[str, Any]]] = []
    name = ""
    async with await here.stream(path) as stream, aclosing(lines(stream)) as told:
        async for line in told:
            key, _, value = line.partition(": ")
            if key == "event":
                name = value
            elif key == "data":
                found.append((name, json.loads(value)))
                if until in value:
                    break
    return found


async def test_the_journal_as_it_is_written_and_as_it_was() -> None:
    async with daemon() as here:
        address = await here.made("a", faults=[LATE])
        found: list[tuple[str, dict[str, Any]]] = []

        async def listen() -> None:
            found.extend(await follow(here, "/v1/journal?proxy=a", '"close"'))

        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(listen)
                while not here.fleet._news._listeners:
                    await trio.sleep(0.01)
                stream = await connect(address)
                await ask(stream)
                await stream.aclose()
        assert {name for name, _ in found} == {"entry"}
        events = [entry["event"] for _, entry in found]
        assert events[0] == "connect"
        assert "data" in events
        whole = (await here.api.get("/v1/proxies/a/journal")).text.splitlines()
        assert json.loads(whole[0])["faultproxy.journal"] == 1
        assert [json.loads(line)["event"] for line in whole[1:]][-len(events) :] == events
        newest = (await here.api.get("/v1/proxies/a/journal?newest=2")).text.splitlines()
        assert newest == [whole[0], *whole[-2:]]
        problem(await here.api.get("/v1/journal?proxy=nix"), 404)


async def test_a_listener_that_has_gone_is_forgotten() -> None:
    async with daemon() as here:
        stream = await here.stream("/v1/journal")
        with trio.fail_after(10):
            while not here.fleet._news._listeners:
                await trio.sleep(0.01)
        await stream.aclose()
        with trio.fail_after(10):
            while here.fleet._news._listeners:
                await trio.sleep(0.01)


@pytest.mark.parametrize("reads", [True, False])
async def test_a_listener_that_never_reads_loses_its_place(reads: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_, "DEAF", 0.2)
    monkeypatch.setattr(serve, "STUCK", 60.0 if reads else 0.5)
    async with daemon() as here:
        deaf, known = await here.stream("/v1/journal"), here.fleet._news
        with trio.fail_after(20):
            while not known._listeners:
                await trio.sleep(0.01)
            while known._listeners:
                known.tell({"event": "x", "text": "x" * 500_000})
                await trio.sleep(0.01)
            if reads:
                last = ""
                async with aclosing(lines(deaf)) as told:
                    async for line in told:
                        if line == "0":  # the last chunk: the answer is whole
                            break
                        last = line if line.startswith("data: ") else last
                assert last == 'data: {"event": "dropped", "why": "nothing was read for 0.2 s; ask again"}'
            else:
                await closed(deaf, here)
        await deaf.aclose()


async def closed(deaf: trio.SocketStream, here: Daemon) -> None:
    """Until the daemon has closed its end, of which nothing was read."""
    port = deaf.socket.getsockname()[1]
    while (row := procnet.find(local_port=here.port, remote_port=port)) and row[0].state == "ESTABLISHED":
        await trio.sleep(0.02)


async def test_a_token_is_needed_where_there_is_one() -> None:
    async with daemon(token="secret") as here:
        assert problem(await here.api.get("/v1/version"), 401)["todo"]
        answer = await here.api.get("/v1/version", headers={"authorization": "Bearer secret"})
        assert answer.json()["seed"] == 1


async def test_whoever_does_not_read_the_journal_holds_up_nobody() -> None:
    async with daemon() as here:
        address = await here.made("a")
        stuck = await here.stream("/v1/journal")
        with trio.fail_after(30):
            stream = await connect(address)
            for _ in range(300):
                assert await ask(stream) == b"ping"
            assert (await here.api.get("/v1/version")).status_code == 200
        await stream.aclose()
        # And the end of the daemon does not wait for it either.
        with trio.fail_after(10):
            await here.api.aclose()
    await stuck.aclose()


async def test_the_page_is_there_and_not_for_pages_of_elsewhere() -> None:
    browser = {"user-agent": "Mozilla/5.0", "sec-fetch-site": "same-origin"}
    async with daemon(token="secret") as here:
        page = await here.api.get("/", headers=browser)
        assert (page.status_code, page.headers["content-type"].partition(";")[0]) == (200, "text/html")
        key = {"authorization": "Bearer secret"}
        assert (await here.api.get("/v1/proxies", headers=browser | key)).status_code == 200
        assert (await here.api.get("/v1/proxies", headers=browser)).status_code == 401
        assert (await here.api.get("/v1/proxies", headers=key | {"origin": "http://evil.example"})).status_code == 403
        assert (await here.api.get("/v1/proxies", headers=key | {"host": "evil.example"})).status_code == 403
