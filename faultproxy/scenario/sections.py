"""The tables of a scenario file but `[[fault]]` and `[[expect]]`: who takes part, and where."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic import Strict as Exact

from faultproxy.core import match
from faultproxy.faults.fields import Duration, Size, Strict, data_bytes, pattern
from faultproxy.scenario.variables import Value, substitute

UNIX = "unix:"
"""What the address of a unix socket begins with."""


@dataclass(frozen=True, slots=True)
class Message:
    """Bytes to send or to wait for, in which what only a run knows is still to be filled in."""

    text: str | None
    raw: bytes = b""

    def render(self, values: Mapping[str, Value]) -> bytes:
        """The bytes: a string's UTF-8 with every ``${name}`` filled in; those of ``{hex = …}`` as they are."""
        return self.raw if self.text is None else substitute(self.text, values).encode()


def _message(value: object) -> Message:
    if isinstance(value, Message):
        return value
    message = Message(value) if isinstance(value, str) else Message(None, data_bytes(value))
    if not (message.text or message.raw):
        raise ValueError("nothing to send or to wait for: the string is empty")
    return message


def _reply(value: object) -> Message | match.Regex:
    if isinstance(value, dict) and "regex" in value:
        found = pattern(value)
        assert isinstance(found, match.Regex)
        return found
    try:
        return _message(value)
    except ValueError as exc:
        raise ValueError(str(exc).replace("expected bytes: a string, or", "expected bytes: a string, {regex = '…'} or")) from exc


def _object(key: str) -> dict[str, Any]:
    return {"type": "object", "properties": {key: {"type": "string"}}, "required": [key], "additionalProperties": False}


Send = Annotated[Message, BeforeValidator(_message), WithJsonSchema({"anyOf": [{"type": "string"}, _object("hex")]})]
Reply = Annotated[
    Message | match.Regex,
    BeforeValidator(_reply),
    WithJsonSchema({"anyOf": [{"type": "string"}, _object("hex"), _object("regex")]}),
]
Truth = Annotated[bool, Exact()]
Whole = Annotated[int, Exact()]


def _address(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f'expected an address such as "127.0.0.1:6379", "[::1]:6379" or "unix:/run/app.sock", not {value!r}')
    if value.startswith(UNIX):
        path = value.removeprefix(UNIX)
        if not path or "\0" in path:
            raise ValueError('a unix socket needs a path: "unix:/run/app.sock"')
        if len(path.encode()) > 107:  # sun_path of unix(7), with its closing zero
            raise ValueError(f"the path of a unix socket has at most 107 bytes, this one {len(path.encode())}")
        return value
    found = re.fullmatch(r"(?P<host>\[[0-9A-Fa-f:.%\w]+\]|[^\s:\[\]/]+):(?P<port>[0-9]{1,5})", value)
    if found is None:
        port = value.removeprefix(":")
        hint = " (an IPv6 address stands in brackets: [::1]:6379)" if value.count(":") > 1 else ""
        hint = f' (on this machine alone: "127.0.0.1:{port}")' if port.isascii() and port.isdigit() else hint
        raise ValueError(f'{value!r} is not an address such as "127.0.0.1:6379"{hint}')
    if int(found["port"]) > 65535:
        raise ValueError(f"port {found['port']} does not exist: the last is 65535")
    return value


Address = Annotated[str, BeforeValidator(_address), WithJsonSchema({"type": "string", "examples": ["127.0.0.1:6379"]})]


def _name(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected a name, not {value!r}")
    if not re.fullmatch(r"[^\W_][\w-]*", value):
        raise ValueError(f"{value!r} is not a name: letters, digits, `-` and `_`, beginning with a letter or digit")
    return value


Name = Annotated[str, BeforeValidator(_name), WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_-]*$"})]


def _command(value: object) -> Any:
    if isinstance(value, str):
        raise ValueError('a command is a list of its words, such as ["redis-server", "--port", "${server_port}"]: no shell reads it')
    return value


Command = Annotated[tuple[str, ...], BeforeValidator(_command), Field(min_length=1)]


class Proxy(Strict):
    """Where the proxy listens and what it connects to; `[[proxy]]` with a `name` for several."""

    name: Name = Field("proxy", description="how faults call it, where there are several")
    listen: Address | None = Field(None, description='where clients connect: "127.0.0.1:0" (port 0: any that is free) or "unix:/path"')
    upstream: Address | None = Field(None, description="the server (default: --upstream, or what [server] listens on)")
    protocol: Literal["tcp", "udp"] = Field("tcp", description="tcp or udp")
    intercept: Truth = Field(False, description="instead of `listen`: packet faults act on the client's own connection to the server")
    fail_open: Truth = Field(True, description="segments that cannot be judged (unreadable, too many at once) pass; false: are lost")
    rcvbuf: Size | None = Field(None, gt=0, description="SO_RCVBUF of both legs, set before listen and connect (socket(7))")
    sndbuf: Size | None = Field(None, gt=0, description="SO_SNDBUF of both legs, set before listen and connect (socket(7))")
    idle: Duration = Field(30.0, gt=0, description="UDP: a connection ends after so long without a datagram")

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if self.intercept and self.listen is not None:
            raise ValueError("`listen` and `intercept` exclude each other: with `intercept`, nobody stands between client and server")
        if not self.intercept and self.listen is None:
            raise ValueError('say where clients connect: listen = "127.0.0.1:0" (or intercept = true, to stand aside)')
        if "idle" in self.model_fields_set and self.protocol != "udp":
            raise ValueError("`idle` is for UDP: a TCP connection ends by FIN or RST")
        if self.protocol == "udp" and (self.unix("client") or self.unix("server")):
            raise ValueError("a unix address cannot be used with UDP")
        if self.rcvbuf is not None and (self.unix("client") or self.unix("server")):
            raise ValueError("`rcvbuf` has no effect on a unix socket (unix(7)); `sndbuf` has")
        return self

    def unix(self, side: Literal["client", "server"]) -> bool:
        """Whether the leg to that side is a unix socket."""
        return ((self.listen if side == "client" else self.upstream) or "").startswith(UNIX)


class Ready(Strict):
    """How to see that the server is ready: it accepts a connection, or its output has a text."""

    connect: Truth = Field(False, description="when it accepts a connection")
    log: str | None = Field(None, min_length=1, description="when this stands in its output")
    within: Duration = Field(10.0, gt=0, description="how long that may take")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.connect == (self.log is not None):
            raise ValueError('expected either connect = true or log = "…", which says when it is ready')
        return self


class Server(Strict):
    """A server that the run starts and stops, in a process group of its own; it runs in the folder of the file where this table stands."""

    command: Command = Field(description="its words; ${server_port} is a free port")
    ready: Ready = Field(Ready.model_validate({"connect": True}), description="when it can be used")


class Client(Strict):
    """The program under test, or the suite that drives it; it runs in the folder of the file where this table stands."""

    command: Command = Field(description="its words; ${proxy_host} and ${proxy_port} are where to connect")
    timeout: Duration | None = Field(None, gt=0, description="how long it may take (default: as long as the run)")


class Hello(Strict):
    """Said once a connection, before anything is asked."""

    send: Send = Field(description="what is sent")
    reply: Reply | None = Field(None, description="what must come back")


class Probe(Strict):
    """A healthy player beside the trouble: asks again and again on one connection, and is measured."""

    name: Name = Field(description="how expectations call it")
    hello: Hello | None = Field(None, description="said once a connection")
    send: Send = Field(description="what it asks")
    reply: Reply = Field(description="the right answer")
    every: Duration = Field(gt=0, description="how often it asks")


Behaviour = Literal["ask", "idle", "drip", "never_read", "flood", "half_close", "vanish", "churn"]
_NEEDS: dict[Behaviour, tuple[str, ...]] = {
    "ask": ("send", "every"),
    "drip": ("send", "every"),
    "never_read": (),
    "flood": ("send",),
    "half_close": ("send",),
    "churn": ("send", "every"),
}


class Crowd(Strict):
    """`count` players of one behaviour, hit by faults."""

    name: Name = Field(description="how faults and expectations call it")
    count: Whole = Field(ge=1, le=100_000, description="how many")
    behaviour: Behaviour = Field(
        "ask", description="ask (as a probe), idle, drip (1 byte every `every`), never_read, flood, half_close, vanish, churn"
    )
    hello: Hello | None = Field(None, description="said once a connection")
    send: Send | None = Field(None, description="what each asks; ${n} is its number")
    reply: Reply | None = Field(None, description="the right answer (default: any)")
    every: Duration | None = Field(None, gt=0, description="how often each asks")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for key in _NEEDS.get(self.behaviour, ()):
            if getattr(self, key) is None:
                raise ValueError(f"a crowd that behaves as `{self.behaviour}` needs `{key}`")
        return self
