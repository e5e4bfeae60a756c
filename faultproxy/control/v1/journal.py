"""`/v1/journal`: what happens and what is decided, as it happens; and for each proxy, what has happened."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import PlainTextResponse, Response

from faultproxy.control.v1.parts import Here, Which
from faultproxy.control.v1.stream import Events, Source, described
from faultproxy.core.journal import Entry

router = APIRouter(tags=["journal"])
ABOUT = (
    "an event `entry` for each entry of the journal; `lost`, with a count, stands for those that were not taken in time; `dropped` is the "
    "last of all, where nothing was taken for 30 s"
)


@router.get("/journal", response_class=Response, responses=described(ABOUT))
async def follow_journal(here: Here, proxy: Annotated[str | None, Query(max_length=1000, description="this one alone")] = None) -> Events:
    """Every event and every decision of all proxies, or of one, from now on. Whoever reads slowly loses the oldest, and is told so."""
    if proxy is not None:
        here.fleet.get(proxy)

    @contextmanager
    def source() -> Iterator[Source]:
        with here.fleet.subscribe(proxy) as entries:
            yield _named(entries)

    return Events(source)


@router.get(
    "/proxies/{proxy}/journal",
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def get_journal(
    post: Which, newest: Annotated[int | None, Query(ge=1, le=2**31, description="no more than so many entries")] = None
) -> PlainTextResponse:
    """The header and the newest 10,000 entries since the proxy was enabled, one JSON object a line. If it is whole, it can be replayed."""
    header, entries = (found := post.journal())[:1], found[1:]
    return PlainTextResponse("".join(f"{line}\n" for line in [*header, *(entries if newest is None else entries[-newest:])]))


async def _named(entries: AsyncIterator[Entry]) -> Source:
    async for entry in entries:
        yield ("lost" if entry.get("event") == "lost" else "entry"), entry
