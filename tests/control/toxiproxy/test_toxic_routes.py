"""Toxics over Toxiproxy's API: every route, status, field and default of them."""

from __future__ import annotations

from typing import Any

import pytest

from faultproxy.control.toxiproxy.toxics import KINDS
from faultproxy.faults import tables
from tests.control.toxiproxy.conftest import Api

TOXICS = "/proxies/p/toxics"


async def test_a_proxy_has_none_at_first(api: Api) -> None:
    await api.proxy()
    answer = await api.go("GET", TOXICS)
    assert (answer.status, answer.text, answer.headers["content-type"]) == (200, "[]", "application/json")


async def test_a_toxic_as_it_is_shown(api: Api) -> None:
    await api.proxy()
    answer = await api.go("POST", TOXICS, {"type": "latency", "attributes": {"jitter": 5, "latency": 10}, "toxicity": 0.3333333333333})
    shown = (
        '{"attributes":{"latency":10,"jitter":5},"name":"latency_downstream","type":"latency","stream":"downstream","toxicity":0.33333334}'
    )
    assert (answer.status, answer.text) == (200, shown), "200, not 201"
    assert answer.headers["content-type"] == "application/json"
    assert (await api.go("GET", f"{TOXICS}/latency_downstream")).text == shown
    assert (await api.go("GET", TOXICS)).text == f"[{shown}]"
    assert (await api.get("/proxies/p"))["toxics"] == [answer.json]


@pytest.mark.parametrize("type_", sorted(set(KINDS) - {"slicer"}))
@pytest.mark.parametrize("attributes", [None, {}, "missing"])
async def test_attributes_left_out_are_zero(api: Api, type_: str, attributes: Any) -> None:
    await api.proxy()
    body = {"type": type_} | ({} if attributes == "missing" else {"attributes": attributes})
    answer = await api.go("POST", TOXICS, body)
    assert answer.json == {
        "attributes": dict.fromkeys(KINDS[type_].attributes, 0),
        "name": f"{type_}_downstream",
        "type": type_,
        "stream": "downstream",
        "toxicity": 1,
    }
    assert answer.text.endswith('"toxicity":1}')


async def test_the_stream_is_read_in_any_case_and_shown_as_written(api: Api) -> None:
    await api.proxy()
    answer = await api.go("POST", TOXICS, {"type": "latency", "STREAM": "UPSTREAM", "attributes": {"LATENCY": 3}})
    assert (answer.json["stream"], answer.json["name"], answer.json["attributes"]["latency"]) == ("UPSTREAM", "latency_UPSTREAM", 3)
    (fault,) = api.fleet.get("p").faults.values()
    assert fault.table()["direction"] == "c2s"


async def test_null_is_the_default(api: Api) -> None:
    await api.proxy()
    nothing = dict.fromkeys(("name", "stream", "toxicity", "attributes"))
    answer = await api.go("POST", TOXICS, {"type": "timeout"} | nothing)
    assert (answer.json["name"], answer.json["toxicity"]) == ("timeout_downstream", 1)


async def test_those_of_upstream_come_first_each_in_the_order_they_were_made(api: Api) -> None:
    await api.proxy()
    for name, stream in (("d1", "downstream"), ("u1", "upstream"), ("d2", "Downstream"), ("u2", "UPSTREAM")):
        await api.toxic("noop", stream=stream, name=name)
    assert [toxic["name"] for toxic in await api.get(TOXICS)] == ["u1", "u2", "d1", "d2"]


async def test_names_are_unique_over_both_streams(api: Api) -> None:
    await api.proxy()
    await api.toxic("noop", name="t", stream="upstream")
    answer = await api.go("POST", TOXICS, {"type": "noop", "name": "t"})
    assert answer.error == (409, "toxic already exists")
    await api.proxy("q")
    await api.toxic("noop", proxy="q", name="t")


async def test_what_is_wrong_is_told_in_this_order(api: Api) -> None:
    await api.proxy()
    await api.toxic("noop", name="t")
    body: dict[str, Any] = {"type": "none", "name": "t", "stream": "", "attributes": {"latency": 1.5}}
    assert (await api.go("POST", TOXICS, "{")).error[0] == 400
    assert (await api.go("POST", TOXICS, body)).error == (400, "stream was invalid, can be either upstream or downstream")
    body["stream"] = "upstream"
    assert (await api.go("POST", TOXICS, body)).error == (400, "invalid toxic type")
    body["type"] = "latency"
    assert (await api.go("POST", TOXICS, body)).error == (409, "toxic already exists")
    body["name"] = "other"
    status, text = (await api.go("POST", TOXICS, body)).error
    assert (status, text.partition(": ")[0]) == (400, "bad request body")
    assert [toxic["name"] for toxic in await api.get(TOXICS)] == ["t"]


@pytest.mark.parametrize("type_", ["down", "", "Latency"])
async def test_what_is_no_type(api: Api, type_: str) -> None:
    await api.proxy()
    assert (await api.go("POST", TOXICS, {"type": type_})).error == (400, "invalid toxic type")


@pytest.mark.parametrize("written", ["1.5", "1.0", "1e2", '"1"', "true"])
async def test_attributes_are_integers_written_as_such(api: Api, written: str) -> None:
    await api.proxy()
    answer = await api.go("POST", TOXICS, f'{{"type":"latency","attributes":{{"latency":{written}}}}}')
    assert answer.error[0] == 400
    assert answer.error[1].startswith("bad request body: Toxic.attributes.latency: expected an integer")


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_a_change_takes_attributes_one_by_one_and_the_toxicity(api: Api, method: str) -> None:
    await api.proxy()
    path = await api.toxic("latency", latency=10, jitter=5, toxicity=0.5)
    other = {"name": "other", "type": "timeout", "stream": "upstream"}
    answer = await api.go(method, path, {"attributes": {"latency": 20, "jitter": None, "unknown": "x"}} | other)
    shown = {"name": "latency_downstream", "type": "latency", "stream": "downstream", "toxicity": 0.5}
    assert (answer.status, answer.json) == (200, {"attributes": {"latency": 20, "jitter": 5}} | shown)
    answer = await api.go(method, path, {"toxicity": 1, "attributes": None})
    assert answer.json == {"attributes": {"latency": 20, "jitter": 5}} | shown | {"toxicity": 1}
    assert (await api.go(method, path, "{}")).json == answer.json == await api.get(path)
    (fault,) = api.fleet.get("p").faults.values()
    assert (fault.kind, fault.table()["delay"], fault.table()["jitter"]) == ("latency", "20ms", "5ms")


async def test_a_change_that_is_refused_changes_nothing(api: Api) -> None:
    await api.proxy()
    path = await api.toxic("latency", latency=10)
    before = await api.get(path)
    for attributes in ({"latency": 20, "jitter": "x"}, {"latency": 20, "jitter": -1}):
        assert (await api.go("PATCH", path, {"attributes": attributes})).error[0] == 400
    assert (await api.go("PATCH", path, {"attributes": {"latency": 20}, "toxicity": 7})).error[0] == 400
    assert await api.get(path) == before


async def test_removed_it_is_gone(api: Api) -> None:
    post = await api.proxy()
    path = await api.toxic("timeout", timeout=10)
    assert list(post.faults) == ["timeout_downstream"]
    answer = await api.go("DELETE", path)
    assert (answer.status, answer.text) == (204, "")
    assert await api.get(TOXICS) == []
    assert not post.faults
    assert (await api.go("DELETE", path)).error == (404, "toxic not found")


async def test_figures_that_cannot_be_meant_are_refused(api: Api) -> None:
    await api.proxy()
    for body, said in (
        ({"type": "bandwidth", "attributes": {"rate": -1}}, "attribute rate must be 0 or more, not -1"),
        ({"type": "noop", "toxicity": 7}, "toxicity must be from 0 to 1, not 7: it is the share of connections that the toxic hits"),
        ({"type": "slicer"}, "attribute average_size must be 1 or more: a slicer cuts pieces of that many bytes"),
    ):
        assert (await api.go("POST", TOXICS, body)).error == (400, said)
    assert await api.get(TOXICS) == []


async def test_while_it_is_disabled_too(api: Api) -> None:
    post = await api.proxy(enabled=False)
    path = await api.toxic("bandwidth", rate=10)
    await api.go("PATCH", path, {"attributes": {"rate": 0}})
    assert list(post.faults) == ["bandwidth_downstream~stall"]
    await api.go("PATCH", "/proxies/p", {"enabled": True})
    assert [stats.name for stats in post.stats] == ["bandwidth_downstream~stall"]


async def test_a_fault_of_ours_is_no_toxic_and_its_name_is_taken(api: Api) -> None:
    post = await api.proxy()
    post.add(tables.fault({"kind": "latency", "name": "ours", "delay": "1ms"}))
    assert await api.get(TOXICS) == []
    status, text = (await api.go("POST", TOXICS, {"type": "timeout", "name": "ours"})).error
    assert (status, text.startswith("toxic already exists: ")) == (409, True)
    await api.go("POST", "/reset")
    assert list(post.faults) == ["ours"], "it is not theirs to remove"


async def test_a_toxic_whose_fault_somebody_else_removed_is_gone(api: Api) -> None:
    post = await api.proxy()
    await api.toxic("latency", latency=1)
    post.remove("latency_downstream")
    assert await api.get(TOXICS) == []
    await api.toxic("latency", latency=1)


async def test_a_toxic_whose_fault_somebody_else_changed_shows_the_new_figures(api: Api) -> None:
    post = await api.proxy()
    changes: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, int]]] = [
        ("latency", {"latency": 10}, {"delay": "200ms", "jitter": "50ms"}, {"latency": 200, "jitter": 50}),
        ("bandwidth", {"rate": 10}, {"rate": "32kB/s"}, {"rate": 32}),
        ("slow_close", {"delay": 10}, {"hold": "1.5s"}, {"delay": 1500}),
        ("timeout", {"timeout": 60_000}, {"ends_after": None}, {"timeout": 0}),
        ("slicer", {"average_size": 9}, {"size": "100B", "interval": "20us"}, {"average_size": 100, "size_variation": 0, "delay": 20}),
        ("limit_data", {"bytes": 9}, {"allow": "1KiB", "lasts": "5s"}, {"bytes": 1024}),
    ]
    for type_, before, keys, after in changes:
        path = await api.toxic(type_, name=type_, **before)
        table = {key: value for key, value in (post.faults[type_].table() | keys).items() if value is not None}
        post.change(tables.fault(table | {"connections": {"share": 0.5}}))
        shown = await api.get(path)
        assert (shown["attributes"], shown["toxicity"], shown["stream"]) == (after, 0.5, "downstream")
        assert (await api.go("PATCH", path, {"toxicity": 1})).json["attributes"] == after
    post.change(tables.fault({"kind": "latency", "name": "latency", "delay": "1s", "direction": "c2s"}))
    assert (await api.get(TOXICS))[0] == {
        "attributes": {"latency": 1000, "jitter": 0}, "name": "latency", "type": "latency", "stream": "upstream", "toxicity": 1,
    }  # fmt: skip


async def test_there_are_only_so_many(api: Api) -> None:
    post = await api.proxy()
    for number in range(100):
        await api.toxic("timeout", name=str(number))
    status, text = (await api.go("POST", TOXICS, {"type": "timeout"})).error
    assert (status, text) == (429, "p has 100 faults already: remove one")
    assert len(post.faults) == 100


async def test_names_are_bounded(api: Api) -> None:
    await api.proxy("p" * 128)
    for name, path, body in (
        ("p" * 129, "/proxies", {"upstream": "u"}),
        ("t" * 200, f"/proxies/{'p' * 128}/toxics", {"type": "noop"}),
    ):
        assert (await api.go("POST", path, body | {"name": name})).error == (
            400,
            f"name must have 128 characters at most, not {len(name)}",
        )
