"""The application behind `/v1`, and its OpenAPI document."""

from __future__ import annotations

from functools import cache
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter

from faultproxy import __version__
from faultproxy.control.v1 import connections, faults, journal, proxies, runs
from faultproxy.control.v1.models import FAULT_MARK, Version, kinds
from faultproxy.control.v1.parts import PROBLEMS, Control, Here
from faultproxy.control.v1.problems import HANDLERS, MEDIA_TYPE
from faultproxy.scenario.model import AnyFault

REF = "#/components/schemas/"
router = APIRouter(tags=["program"])


@router.get("/version")
async def version(here: Here) -> Version:
    """Which program answers, and with which seed."""
    return Version(version=__version__, seed=here.fleet.seed, proxies=len(here.fleet.posts))


def build(control: Control) -> FastAPI:
    """The application, to be mounted at `/v1`."""
    app = FastAPI(
        title="faultproxy",
        version=__version__,
        summary="A fault-injection TCP proxy: what a scenario can say, live.",
        docs_url=None,  # those pages load their scripts from elsewhere
        redoc_url=None,
        exception_handlers=HANDLERS,
        responses=PROBLEMS,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.control = control
    for part in (proxies, connections, faults, journal, runs):
        app.include_router(part.router)
    app.include_router(router)
    app.openapi = lambda: document(app)  # type: ignore[method-assign]
    document(app)  # a fifth of a second each, in which no byte would be carried: rather now
    kinds()
    return app


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document. A fault is described as the union of all kinds, an error as problem details."""
    if app.openapi_schema is None:
        found = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            routes=app.routes,
            servers=[{"url": "/v1"}],
            separate_input_output_schemas=False,
        )
        components = found["components"]["schemas"]
        every = _kinds()
        components |= every["$defs"] | {"Fault": {key: value for key, value in every.items() if key != "$defs"}}
        for operations in found["paths"].values():
            for operation in operations.values():
                operation["responses"]["4XX"]["content"] = {MEDIA_TYPE: {"schema": {"$ref": REF + "Problem"}}}
        app.openapi_schema = _marked(found)
    return app.openapi_schema


@cache
def _kinds() -> dict[str, Any]:
    adapter: TypeAdapter[Any] = TypeAdapter(AnyFault)
    return adapter.json_schema(ref_template=REF + "{model}")


def _marked(node: Any) -> Any:
    """Puts the schema of all kinds where `models.Table` stands for it."""
    if isinstance(node, list):
        return [_marked(item) for item in node]
    if isinstance(node, dict):
        return {"$ref": REF + "Fault"} if FAULT_MARK in node else {key: _marked(value) for key, value in node.items()}
    return node
