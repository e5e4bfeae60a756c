"""`faultproxy sandbox`: a command in a network of its own."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from faultproxy.errors import ScenarioError


def sandbox(
    command: Annotated[list[str] | None, typer.Argument(metavar="[--] COMMAND...", help="What to run. On a terminal: $SHELL.")] = None,
    *,
    mtu: Annotated[int, typer.Option(metavar="BYTES", min=68, max=65536, help="The largest packet of its loopback.")] = 1500,
    sysctl: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A kernel setting in it, such as net.ipv4.tcp_sack=0.")
    ] = None,
    join: Annotated[int | None, typer.Option(metavar="PID", min=1, help="Enter the sandbox that this process lives in.")] = None,
) -> None:
    """Run a command in a network of its own, where the packet plane needs no privilege.

    It has a loopback and nothing else, and none of the host's settings or firewalls. Exit code, signals, terminal, folder and environment
    are the command's, as if it ran outside. When it ends, all that it has started ends too. Several --sysctl may be given.
    """
    wanted = command or _shell()
    if join is not None:
        if sysctl:
            raise ScenarioError("--sysctl is for a new sandbox: that of --join has its settings")
        _join(join, wanted)
    from faultproxy.kernel import sandbox as kernel

    sys.exit(kernel.run(wanted, mtu, _settings(sysctl or []), shell=not command))


def _join(pid: int, command: list[str]) -> None:
    from faultproxy.kernel import sandbox as kernel
    from faultproxy.kernel import supervisor

    kernel.join(pid)
    sys.exit(supervisor.become(command))


def _shell() -> list[str]:
    if not sys.stdin.isatty():
        raise ScenarioError("say what to run: faultproxy sandbox -- COMMAND; without one it starts a shell, but only on a terminal")
    return [os.environ.get("SHELL") or "/bin/sh"]


def _settings(given: list[str]) -> tuple[tuple[str, str], ...]:
    if not given:
        return ()
    from pydantic import ValidationError

    from faultproxy.scenario.sandbox import Sandbox

    table = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ScenarioError(f"--sysctl {text!r}: write it as NAME=VALUE")
        table[name.strip()] = value.strip()
    try:
        return Sandbox.model_validate({"sysctl": table}).sysctl
    except ValidationError as error:
        raise ScenarioError(*(f"--sysctl: {each['msg'].removeprefix('Value error, ')}" for each in error.errors())) from error
