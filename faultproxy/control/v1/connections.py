"""`/v1/proxies/{proxy}/connections`: what is open, the kernel's word on it, and its end by force."""

from __future__ import annotations

import trio
from fastapi import APIRouter

from faultproxy.control.post import Post
from faultproxy.control.v1.models import Connection, Connections, ConnectionState
from faultproxy.control.v1.parts import Ordinal, Which
from faultproxy.errors import CapabilityError
from faultproxy.net import insight

router = APIRouter(tags=["connections"])


@router.get("/proxies/{proxy}/connections")
async def list_connections(post: Which) -> Connections:
    """The newest 200 that are open, newest first."""
    now, clock = post.snapshot(), _clock(post)
    return Connections(open=now.open, connections=[ConnectionState.of(row, clock) for row in reversed(now.rows)])


@router.get("/proxies/{proxy}/connections/{ordinal}")
async def get_connection(post: Which, ordinal: Ordinal) -> Connection:
    """One that is open, with TCP_INFO of both our sockets."""
    now = _clock(post)
    state = ConnectionState.of(post.connection(ordinal), now)
    return Connection(**state.model_dump(), time=now, legs=_legs(post, ordinal))


@router.post("/proxies/{proxy}/connections/{ordinal}/kill", status_code=204)
async def kill_connection(post: Which, ordinal: Ordinal) -> None:
    """End it with a RST to both sides, whatever is on its way."""
    post.kill(ordinal)


def _legs(post: Post, ordinal: int) -> dict[str, dict[str, int | str]]:
    if post.proxy is None:
        return {}
    try:
        found: dict[str, dict[str, int | str]] = {side: info._asdict() for side, info in insight.legs(post.proxy, ordinal).items()}
    except (KeyError, CapabilityError):
        return {}
    for side, waiting in insight.queues(post.proxy, ordinal).items():
        if side in found:
            found[side] |= {"receive_queue": waiting.receive, "send_queue": waiting.send}
    return found


def _clock(post: Post) -> float:
    """Seconds on the clock of the proxy's run."""
    return trio.current_time() - post.proxy.run.clock_start if post.proxy is not None else 0.0
