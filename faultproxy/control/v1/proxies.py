"""`/v1/proxies`: proxies are listed, made, changed and deleted."""

from __future__ import annotations

from fastapi import APIRouter, Response

from faultproxy.control.fleet import Spec
from faultproxy.control.v1 import reading
from faultproxy.control.v1.models import NewProxy, Proxies, ProxyChange, ProxyState
from faultproxy.control.v1.parts import Here, Which
from faultproxy.core.plan import Sockets
from faultproxy.errors import FaultproxyError, ScenarioError
from faultproxy.net import addresses

router = APIRouter(tags=["proxies"])


@router.get("/proxies", response_model=Proxies)
async def list_proxies(here: Here) -> Response:
    """All proxies, with their faults."""
    found = Proxies(seed=here.fleet.seed, proxies=[ProxyState.of(post) for post in here.fleet.posts.values()])
    return Response(found.model_dump_json(), media_type="application/json")  # thousands of faults, without a detour through Python


@router.post("/proxies", status_code=201)
async def create_proxy(here: Here, new: NewProxy) -> ProxyState:
    """Make a proxy, with faults of all planes."""
    if mistakes := [*reading.unix("listen", new.listen), *reading.unix("upstream", new.upstream)]:
        raise ScenarioError(*mistakes)
    faults = reading.faults(new.faults, here.limits)
    sockets = Sockets(new.rcvbuf, new.sndbuf, new.rcvbuf, new.sndbuf)
    spec = Spec(
        name=new.name,
        listen=new.listen,
        upstream=new.upstream,
        enabled=new.enabled,
        faults=faults,
        sockets=sockets,
        fail_open=new.fail_open,
        orderly=new.unreachable == "close",
    )
    return ProxyState.of(await here.fleet.create(spec))


@router.get("/proxies/{proxy}")
async def get_proxy(post: Which) -> ProxyState:
    """One proxy, with its faults."""
    return ProxyState.of(post)


@router.patch("/proxies/{proxy}")
async def change_proxy(post: Which, change: ProxyChange) -> ProxyState:
    """Move a proxy to other addresses, enable or disable it. If it cannot listen there, all stays as it was."""
    if mistakes := [*reading.unix("listen", change.listen), *reading.unix("upstream", change.upstream)]:
        raise ScenarioError(*mistakes)
    if change.listen is not None:
        addresses.parse(change.listen, "listen")
    if change.enabled is False:
        await post.disable()
    before = post.listen, post.upstream
    if change.listen is not None or change.upstream is not None:
        await post.move(listen=change.listen, upstream=change.upstream)
    if change.enabled:
        try:
            await post.enable()
        except FaultproxyError:
            post.listen, post.upstream = before
            raise
    return ProxyState.of(post)


@router.delete("/proxies/{proxy}", status_code=204)
async def delete_proxy(here: Here, post: Which) -> None:
    """Close its connections and take it out."""
    await here.fleet.remove(post.name)
