"""`/v1/runs`: scenarios are played, followed and cancelled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from faultproxy.control.errors import Unfit
from faultproxy.control.runs import Run, Runs
from faultproxy.control.v1 import reading
from faultproxy.control.v1.models import Runs as RunList
from faultproxy.control.v1.models import RunState
from faultproxy.control.v1.parts import Here, body_of, sent
from faultproxy.control.v1.stream import Events, Source, Whole, described

router = APIRouter(tags=["runs"])
Number = Annotated[str, Path(max_length=100)]
_DOCUMENT: dict[str, Any] = {"type": "object", "description": "a scenario, with the keys of its file"}


@router.get("/runs")
async def list_runs(here: Here) -> RunList:
    """Those that are being played, and the last that have ended, without their results."""
    return RunList(runs=[_state(run) for run in _runs(here)])


@router.post("/runs", status_code=202, openapi_extra=body_of(_DOCUMENT))
async def start_run(
    here: Here, request: Request, response: Response, seed: Annotated[int | None, Query(ge=0, lt=2**63)] = None
) -> RunState:
    """Play a scenario as a test, on proxies of its own: follow it with GET. It may have proxies, faults, probes, crowds, expectations.

    Refused are [server], [client], [sandbox] and `include` but of profiles: no command is run and no file read for a caller.
    """
    runs = _runs(here)
    scenario = await here.scenario(await sent(request))
    reading.playable(scenario)
    run = runs.start(scenario, seed)
    response.headers["location"] = f"/v1/runs/{run.id}"
    return _state(run)


@router.get("/runs/{number}", response_model=RunState)
async def get_run(here: Here, number: Number) -> Response:
    """How far it is, or how it ended."""
    return Whole(*_whole(_runs(here).get(number)))


@router.get("/runs/{number}/events", response_class=Response, responses=described("an event `phase` for each that begins, then `ended`"))
async def follow_run(here: Here, number: Number) -> Events:
    """The same as it happens, to its end."""
    run = _runs(here).get(number)

    @contextmanager
    def source() -> Iterator[Source]:
        yield _followed(run)

    return Events(source)


@router.delete("/runs/{number}", status_code=202)
async def cancel_run(here: Here, number: Number) -> RunState:
    """End it before its time."""
    return _state(_runs(here).cancel(number))


async def _followed(run: Run) -> Source:
    told = 0
    while True:
        while told < len(run.phases):
            told += 1
            yield "phase", {"phase": run.phases[told - 1]}
        if run.state != "running":
            yield "ended", _whole(run)
            return
        await run.move()


def _runs(here: Here) -> Runs:
    if here.runs is None:
        raise Unfit("this server plays no scenarios: it was started without anybody who could")
    return here.runs


def _whole(run: Run) -> tuple[bytes, ...]:
    # Its result is JSON already, of megabytes: it is put in its place as it is, and not copied for everybody who asks.
    state = _state(run).model_dump_json().encode()
    if run.ending is None or not run.ending.result:
        return (state,)
    return state.removesuffix(b"null}"), run.ending.result, b"}"


def _state(run: Run) -> RunState:
    return RunState(
        id=run.id,
        scenario=run.scenario.title,
        seed=run.seed,
        state=run.state,
        phases=run.phases,
        outcome=None if run.ending is None else run.ending.outcome,
        reason="" if run.ending is None else run.ending.reason,
        gone=run.gone,
        result=None,
    )
