"""Where to listen and what to dial: `host:port`, `[v6]:port` or `unix:/path`."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from faultproxy.errors import ScenarioError


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP host and port, or (`path` not empty) a unix socket. A host may be a name; an IPv6 address stands without brackets."""

    host: str = ""
    port: int = 0
    path: str = ""

    @property
    def is_unix(self) -> bool:
        """Whether it is a unix socket."""
        return bool(self.path)

    @property
    def literal(self) -> bool:
        """Whether the host needs no name resolution."""
        try:
            ipaddress.ip_address(self.host.partition("%")[0])
        except ValueError:
            return self.is_unix
        return True

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse(text: str, what: str = "address") -> Address:
    """An `Address` from its text; ScenarioError (naming `what`) says how one is written."""
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if not path:
            raise ScenarioError(f"{what} {text!r}: the path of the unix socket is missing: write unix:/run/game.sock")
        if len(path.encode()) > 107:  # sun_path, unix(7)
            raise ScenarioError(f"{what} {text!r}: the path of a unix socket has at most 107 bytes")
        return Address(path=path)
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if bracketed:
        host = host[1:-1]
    if not colon or not host or (":" in host and not bracketed):
        raise ScenarioError(f"{what} {text!r} is not HOST:PORT: write 127.0.0.1:6379, [::1]:6379, localhost:6379 or unix:/run/game.sock")
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ScenarioError(f"{what} {text!r}: {port!r} is not a port: expected a number from 0 to 65535")
    return Address(host, int(port))
