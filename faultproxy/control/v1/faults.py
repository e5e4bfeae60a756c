"""`/v1/proxies/{proxy}/faults`: faults are listed, added, changed, started, healed and taken out; and the catalogue of kinds."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request

from faultproxy.control.errors import Unknown
from faultproxy.control.post import Post
from faultproxy.control.v1 import reading
from faultproxy.control.v1.models import FAULT_MARK, Faults, FaultState, Kinds, Table, faults_of, kinds
from faultproxy.control.v1.parts import Control, FaultName, Here, Which, body_of, sent
from faultproxy.errors import ScenarioError
from faultproxy.faults.base import Fault
from faultproxy.scenario import Scenario

router = APIRouter(tags=["faults"])
_SCENARIO: dict[str, Any] = {
    "type": "object",
    "description": "a scenario, with the keys of its file",
    "properties": {"fault": {"type": "array", "items": {FAULT_MARK: True, "type": "object"}}},
    "required": ["fault"],
}


@router.get("/kinds")
async def list_kinds() -> Kinds:
    """Every kind of fault, with its documentation and the JSON Schema of its table."""
    return kinds()


@router.get("/proxies/{proxy}/faults")
async def list_faults(post: Which) -> Faults:
    """What goes wrong here, in the order in which bytes meet it."""
    return faults_of(post)


@router.post("/proxies/{proxy}/faults", status_code=201, openapi_extra=body_of({"type": "object", FAULT_MARK: True}, _SCENARIO))
async def add_faults(here: Here, post: Which, request: Request) -> Faults:
    """Add a fault, behind the others, or all those of a scenario that concern this proxy. All are added, or none.

    Connections that are open are concerned too, by packet faults as by all others.
    """
    body = await sent(request)
    left_out: list[str] = []
    if isinstance(body, str) or "fault" in body:
        scenario = await here.scenario(body)
        tables = [_own(fault) for fault in scenario.faults if fault.proxy in (None, post.name, *_only(scenario))]
        left_out = [f"left out: {line}" for line in scenario.left_out_by_run()]
    else:
        tables = [body]
    added = reading.faults(tables, here.limits, beside=tuple(post.faults))
    done: list[str] = []
    try:
        for fault in added:
            post.add(fault)
            done.append(fault.name)
    except BaseException:
        for name in done:
            post.remove(name)
        raise
    names = {fault.name for fault in added}
    return Faults(faults=[state for state in faults_of(post).faults if state.name in names], left_out=left_out)


@router.get("/proxies/{proxy}/faults/{fault}")
async def get_fault(post: Which, fault: FaultName) -> FaultState:
    """One fault, and what it has done."""
    return _state(post, fault)


@router.patch("/proxies/{proxy}/faults/{fault}")
async def change_fault(here: Here, post: Which, fault: FaultName, change: Annotated[Table, Body()]) -> FaultState:
    """Give it other figures: the keys that are sent; null takes one back to its default. Nothing that it holds is released early."""
    table = {key: value for key, value in (_known(post, fault).table() | change).items() if value is not None}
    return _given(here, post, fault, table)


@router.put("/proxies/{proxy}/faults/{fault}", openapi_extra=body_of({"type": "object", FAULT_MARK: True}, _SCENARIO))
async def replace_fault(here: Here, post: Which, fault: FaultName, request: Request) -> FaultState:
    """Give it this table: as `PATCH`, but what is left out goes back to its default. In TOML it is the one fault of a scenario."""
    body = await sent(request)
    _known(post, fault)
    if not isinstance(body, str) and "fault" not in body:
        return _given(here, post, fault, body)
    tables = [_own(each) for each in (await here.scenario(body)).faults]
    if len(tables) != 1:
        raise ScenarioError(f"it has {len(tables)} faults, and one is changed: send that one alone")
    return _given(here, post, fault, tables[0])


@router.delete("/proxies/{proxy}/faults/{fault}", status_code=204)
async def delete_fault(
    post: Which, fault: FaultName, drain: Annotated[bool, Query(description="what it holds keeps its time")] = False
) -> None:
    """Heal it, and take it out."""
    _known(post, fault)
    post.remove(fault, drain=drain)


@router.post("/proxies/{proxy}/faults/{fault}/start")
async def start_fault(post: Which, fault: FaultName) -> FaultState:
    """Start it now, wherever it applies, and for connections that open until it is healed."""
    _known(post, fault)
    post.order(fault)
    return _state(post, fault)


@router.post("/proxies/{proxy}/faults/{fault}/heal")
async def heal_fault(post: Which, fault: FaultName) -> FaultState:
    """Heal it everywhere; what it holds is released in order. It stays healed until it is started by hand."""
    _known(post, fault)
    post.order(fault, heal=True)
    return _state(post, fault)


@router.post("/proxies/{proxy}/heal")
async def heal_all(post: Which) -> Faults:
    """Heal all faults of a proxy; all goes on."""
    post.heal_all()
    return faults_of(post)


def _given(here: Control, post: Post, name: str, table: dict[str, Any]) -> FaultState:
    if table.get("name", table.get("kind")) != name or table.get("kind") != _known(post, name).kind:
        raise ScenarioError("name, kind: these stay; delete the fault, and add another")
    (after,) = reading.faults([table], here.limits, beside=[each for each in post.faults if each != name])
    post.change(after)
    return _state(post, name)


def _known(post: Post, name: str) -> Fault:
    if name not in post.faults:
        raise Unknown(f"proxy {post.name!r} has no fault {name!r}")
    return post.faults[name]


def _state(post: Post, name: str) -> FaultState:
    fault = _known(post, name)
    return FaultState.of(post, fault, next((stats for stats in post.stats if stats.name == name), None))


def _own(fault: Fault) -> dict[str, Any]:
    return {key: value for key, value in fault.table().items() if key != "proxy"}


def _only(scenario: Scenario) -> list[str]:
    # A scenario with one proxy is meant for the one that it is sent to, whatever it is called there.
    return [proxy.name for proxy in scenario.proxies] if len(scenario.proxies) == 1 else []
