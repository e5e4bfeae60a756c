"""What goes wrong, as problem details (RFC 9457): what, why, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from faultproxy.control.errors import Bounded, Taken, Unfit, Unknown
from faultproxy.control.security import problem
from faultproxy.errors import CapabilityError, FaultproxyError, ListenError, ScenarioError

MEDIA_TYPE = "application/problem+json"

SAID: Mapping[type[FaultproxyError], tuple[int, str, str]] = {
    Unknown: (404, "there is none of that name", "list what there is, with a GET one level up"),
    Taken: (409, "that name is taken", "choose another, or delete the one that has it"),
    Bounded: (409, "there are too many already", "wait until some have gone, or delete some"),
    Unfit: (409, "it cannot be done in this state", "see what the detail names"),
    ListenError: (409, "it cannot listen there", "choose another address; port 0 takes any port that is free"),
    CapabilityError: (
        409,
        "this cannot be done here and now",
        "see what the detail names; `faultproxy doctor` says what this machine can do",
    ),
    ScenarioError: (422, "what was sent cannot be used", "mend every mistake that is named, and send it again"),
}
"""Status, title and advice for each sort of error."""


class Refused(Exception):
    """Something that is refused for a reason of its own."""

    def __init__(self, status: int, what: str, why: str, todo: str, *mistakes: str) -> None:
        super().__init__(what, why)
        self.response = answer(status, what, why, todo, mistakes=mistakes)


def answer(
    status: int, what: str, why: str, todo: str, *, mistakes: tuple[str, ...] = (), headers: Mapping[str, str] | None = None
) -> Response:
    """An answer that says no."""
    more: dict[str, Any] = {"mistakes": list(mistakes)} if mistakes else {}
    return JSONResponse(problem(status, what, why, todo, **more), status, headers, media_type=MEDIA_TYPE)


def told(error: FaultproxyError) -> Response:
    """The answer to an error of ours."""
    status, what, todo = next((said for kind, said in SAID.items() if isinstance(error, kind)), (422, "it did not work", ""))
    mistakes = error.mistakes if isinstance(error, ScenarioError) else ()
    return answer(status, what, str(error), todo, mistakes=mistakes)


async def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, FaultproxyError)
    return told(error)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return error.response


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    mistakes = tuple(f"{_place(each['loc'])}: {each['msg']}" for each in error.errors()[:100])
    return answer(422, "what was sent cannot be used", "; ".join(mistakes[:5]), "see /v1/openapi.json for what is taken", mistakes=mistakes)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    known = {
        404: ("there is nothing at this address", f"{request.url.path} is no path of this API", "see /v1/openapi.json for those that are"),
        405: ("this cannot be done to it", f"{request.method} is no method of {request.url.path}", "see the header Allow"),
    }
    what, why, todo = known.get(error.status_code, ("it cannot be answered", str(error.detail), "see /v1/openapi.json"))
    return answer(error.status_code, what, why, todo, headers=error.headers)


async def _mistake(request: Request, error: Exception) -> Response:
    return answer(500, "a mistake of faultproxy itself", repr(error), "please report it")


def _place(loc: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in loc if part != "body") or "the body"


HANDLERS: dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]] = {
    FaultproxyError: _ours,
    Refused: _refused,
    RequestValidationError: _invalid,
    HTTPException: _http,
    Exception: _mistake,
}
