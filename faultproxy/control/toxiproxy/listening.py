"""Addresses to listen on, written as Go knows them: `:3310` and the empty text mean all interfaces, no port or port 0 any that is free."""

from __future__ import annotations

import socket

import trio

from faultproxy.net.addresses import Address, parse

PATIENCE = 5.0
"""Seconds for which a name to listen on is looked up; only whoever wants to listen there waits."""


class BadAddress(ValueError):
    """No address; the message is the one that Go would give."""


def split(text: str) -> tuple[str, int]:
    """Host (empty: all interfaces) and port (0: any). Raises BadAddress."""
    if not text:
        return "", 0
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or text.endswith("]"):
        raise BadAddress(f"address {text}: missing port in address")
    if ":" in host and not bracketed:
        raise BadAddress(f"address {text}: too many colons in address")
    return (host[1:-1] if bracketed else host), _port(port)


def ours(text: str) -> str:
    """The same address as we write it. Raises BadAddress."""
    host, port = split(text)
    return str(Address(_plain(host), port))


async def resolved(address: str) -> str:
    """An address in our words, with what its name stands for, IPv4 first. Raises BadAddress."""
    name = parse(address)
    if name.literal:
        return address
    try:
        with trio.fail_after(PATIENCE):
            found = await trio.socket.getaddrinfo(name.host, name.port, type=socket.SOCK_STREAM)
    except (OSError, ValueError, trio.TooSlowError) as exc:  # ValueError: a label that no name can have
        raise BadAddress(f"lookup {name.host}: no such host") from exc
    first = min(found, key=lambda each: each[0] != socket.AF_INET)
    return str(Address(str(first[4][0]), name.port))


def same(text: str, asked: str, bound: str, *, any_port: bool = False) -> bool:
    """Whether `text` names the address `bound`, which was asked for as `asked`. No name is looked up, and port 0 is never the same
    unless `any_port` says that whichever it has will do. Raises BadAddress for `text`.
    """
    host, port = split(text)
    for other in (asked, bound):
        try:
            its_host, its_port = split(other)
        except BadAddress:
            continue
        if _plain(host) == _plain(its_host) and (any_port if port == 0 else port == its_port):
            return True
    return False


def everywhere() -> str:
    """The address of all interfaces: of both families where the kernel has IPv6."""
    try:
        socket.socket(socket.AF_INET6, socket.SOCK_STREAM).close()
    except OSError:
        return "0.0.0.0"
    return "::"


def _plain(host: str) -> str:
    return "127.0.0.1" if host == "localhost" else host or everywhere()


def _port(text: str) -> int:
    if not text:
        return 0
    if text.isascii() and text.isdigit():
        if int(text[:6]) > 65535:
            raise BadAddress(f"address {text}: invalid port")
        return int(text)
    try:
        return socket.getservbyname(text, "tcp")
    except OSError as exc:
        raise BadAddress(f"lookup tcp/{text}: unknown port") from exc
