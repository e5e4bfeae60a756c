"""Speaks to a running `faultproxy serve`: /v1, from anybody's program, without waiting for ever."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, NoReturn, Self
from urllib.parse import quote

import httpx

from faultproxy.control import HERE
from faultproxy.errors import FaultproxyError, ScenarioError

PATIENCE = 10.0
"""Seconds for an answer."""


class CallError(FaultproxyError):
    """The API refused, or nobody answers there."""


class Client:
    """`api` is where the daemon listens. Paths are given in parts, of which each may hold any character. All raise CallError."""

    def __init__(self, api: str = HERE, token: str | None = None) -> None:
        self._api = api.rstrip("/")
        headers = {"authorization": f"Bearer {token}"} if token else {}
        try:
            # Nobody's proxy stands between: neither that of the environment nor a redirect may see the token.
            self._client = httpx.Client(headers=headers, timeout=PATIENCE, trust_env=False)
            httpx.URL(self._api)
        except (httpx.InvalidURL, UnicodeError) as error:
            raise ScenarioError(f"--api {api!r}: {error}") from error

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Closes its connections."""
        self._client.close()

    def get(self, *path: str) -> Any:
        """What is there."""
        return self._call("GET", path).json()

    def text(self, *path: str) -> str:
        """What is there, as it is."""
        return self._call("GET", path).text

    def post(self, first: str, body: Mapping[str, Any] | None, *path: str) -> Any:
        """What comes of an order."""
        answer = self._call("POST", (first, *path), json=body) if body is not None else self._call("POST", (first, *path))
        return answer.json() if answer.content else None

    def send(self, toml: str, *path: str, params: Mapping[str, Any] | None = None) -> Any:
        """What comes of a scenario."""
        return self._call("POST", path, content=toml.encode(), headers={"content-type": "application/toml"}, params=params).json()

    def patch(self, body: Mapping[str, Any], *path: str) -> Any:
        """What it is after a change."""
        return self._call("PATCH", path, json=body).json()

    def delete(self, *path: str) -> None:
        """Takes it out."""
        self._call("DELETE", path)

    def events(self, params: Mapping[str, Any], *path: str) -> Iterator[tuple[str, str]]:
        """Server-sent events, each by name and data, as long as there are some."""
        try:
            with self._client.stream("GET", self._url(path), params=params, timeout=httpx.Timeout(PATIENCE, read=None)) as answer:
                if answer.is_error:
                    answer.read()
                    self._refused(answer, path)
                name = ""
                for line in answer.iter_lines():
                    key, _, value = line.partition(": ")
                    if key == "event":
                        name = value
                    elif key == "data":
                        yield name, value
        except httpx.TransportError as error:
            raise self._nobody(error) from error

    def _url(self, path: Sequence[str]) -> str:
        return f"{self._api}/v1/{'/'.join(quote(part, safe='') for part in path)}"

    def _call(self, method: str, path: Sequence[str], **more: Any) -> httpx.Response:
        try:
            answer = self._client.request(method, self._url(path), **more)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise self._nobody(error) from error
        if not answer.is_success:
            self._refused(answer, path)
        return answer

    def advice(self, path: Sequence[str], problem: Mapping[str, Any]) -> str:
        """What to do about a refusal; the API's own `todo` speaks to somebody who calls it by HTTP."""
        return str(problem.get("todo", ""))

    def _nobody(self, error: Exception) -> CallError:
        what = "does not answer in time" if isinstance(error, httpx.TimeoutException) else f"cannot be reached: {error}"
        return CallError(f"{self._api} {what}; is `faultproxy serve` running there? (--api or FAULTPROXY_API says where)")

    def _refused(self, answer: httpx.Response, path: Sequence[str]) -> NoReturn:
        try:
            said = answer.json()
            lines = [f"{said['title']}:", *(said.get("mistakes") or [said["detail"]])]
            todo = self.advice(path, said)
            raise CallError("\n  ".join([*lines, *([todo] if todo else [])]))
        except (ValueError, KeyError, AttributeError, TypeError):
            raise CallError(
                f"{answer.url} answers {answer.status_code}, and not as `faultproxy serve` does: is it another program?"
            ) from None
