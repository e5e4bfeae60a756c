"""What every part of `/v1` needs: the fleet, the bounds, and how its answers are described."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import trio
from fastapi import Depends, Path, Request

from faultproxy.control.fleet import Fleet
from faultproxy.control.post import Post
from faultproxy.control.runs import Runs
from faultproxy.control.security import Limits, too_large
from faultproxy.control.v1 import reading
from faultproxy.control.v1.models import Problem
from faultproxy.control.v1.problems import Refused
from faultproxy.scenario import Scenario

PROBLEMS: dict[int | str, dict[str, Any]] = {"4XX": {"model": Problem, "description": "It is refused; see `title`, `detail`, `todo`"}}
TOML_TYPES = ("application/toml", "text/toml", "text/plain")


@dataclass(frozen=True, slots=True)
class Control:
    """What the API acts on. `runs` None: this server plays no scenarios."""

    fleet: Fleet
    limits: Limits
    runs: Runs | None
    reader: trio.CapacityLimiter = field(default_factory=lambda: trio.CapacityLimiter(1))

    async def scenario(self, sent: str | Mapping[str, Any]) -> Scenario:
        """`reading.scenario`, in a thread, one at a time: meanwhile bytes are carried."""
        return await trio.to_thread.run_sync(reading.scenario, sent, limiter=self.reader)


async def _control(request: Request) -> Control:
    control: Control = request.app.state.control
    return control


Here = Annotated[Control, Depends(_control)]


async def _post(here: Here, proxy: Annotated[str, Path(max_length=1000)]) -> Post:
    return here.fleet.get(proxy)


Which = Annotated[Post, Depends(_post)]
FaultName = Annotated[str, Path(max_length=1000)]
Ordinal = Annotated[int, Path(ge=1, le=2**53)]


async def sent(request: Request) -> str | dict[str, Any]:
    """The body: a text, if it is TOML, else an object in JSON. Raises Refused."""
    body = await request.body()
    most = request.app.state.control.limits.document
    if len(body) > most:
        refused = too_large(most)
        raise Refused(refused.status, refused.what, refused.why, refused.todo)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise Refused(422, "what was sent cannot be used", f"it is no UTF-8: {error}", "send JSON, or TOML, in UTF-8") from error
    if media_type in TOML_TYPES:
        return text
    try:
        found = json.loads(text)
        if "\\u" in text:
            json.dumps(found, ensure_ascii=False).encode()  # half of a surrogate pair could never be told again
    except (ValueError, RecursionError) as error:
        todo = "send JSON, or TOML with the content type application/toml"
        raise Refused(422, "what was sent cannot be used", f"it is no JSON: {error}", todo) from error
    if not isinstance(found, dict):
        raise Refused(422, "what was sent cannot be used", f"expected an object, not {type(found).__name__}", "see /v1/openapi.json")
    return found


def body_of(*schemas: dict[str, Any], toml: bool = True) -> dict[str, Any]:
    """How a body that `sent` reads is described."""
    schema = schemas[0] if len(schemas) == 1 else {"anyOf": list(schemas)}
    content: dict[str, Any] = {"application/json": {"schema": schema}}
    if toml:
        content["application/toml"] = {"schema": {"type": "string", "description": "a scenario file"}}
    return {"requestBody": {"required": True, "content": content}}
