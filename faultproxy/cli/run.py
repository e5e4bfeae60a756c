"""`faultproxy run`: one proxy, or several, until Ctrl-C."""

from __future__ import annotations

import os
import secrets
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from faultproxy.errors import CapabilityError, FaultproxyError, ScenarioError

if TYPE_CHECKING:
    from faultproxy.cli.voice import Voice
    from faultproxy.scenario import Scenario


def run(
    file: Annotated[Path | None, typer.Argument(help="The scenario. Without it: what --fault says, or a plain relay.")] = None,
    *,
    case: Annotated[str | None, typer.Option(metavar="NAME", help="Which [[case]] of the file.")] = None,
    listen: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Where clients connect; port 0: any. Or unix:PATH.")] = None,
    upstream: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="What the proxy connects to. Or unix:PATH.")] = None,
    intercept: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="No proxy: act on the segments of all connections to this server.")
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(metavar="WORDS", help="A fault, such as 'latency delay=200ms direction=s2c'; comes after those of the file."),
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="NUMBER", help="Repeats another run's choices. Default: drawn, and printed.")] = None,
    var: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="Sets a ${NAME} of the file.")] = None,
    journal: Annotated[Path | None, typer.Option(metavar="OUT.jsonl", help="Records the run, for `faultproxy replay`.")] = None,
    pcap: Annotated[Path | None, typer.Option(metavar="OUT.pcapng", help="Captures every segment, and says what was done to it.")] = None,
    seconds: Annotated[str | None, typer.Option("--for", metavar="TIME", help="Ends by itself after this time, such as 10s.")] = None,
    max_connections: Annotated[int | None, typer.Option(metavar="NUMBER", min=1, help="Accepts no more than so many at once.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No table and no event lines.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line: each event, and a summary at the end.")] = False,
) -> None:
    """Run a proxy with its faults until Ctrl-C.

    On a terminal it shows a live table, into a pipe it writes a line for each event. A [server] of the file is started first and stopped
    at the end. Faults on packets need the right to touch them (`faultproxy doctor`). Several --fault and --var may be given.
    """
    from faultproxy.core.units import duration

    if seed is None:
        seed = secrets.randbits(32)
    if intercept is not None and (file is not None or listen is not None or upstream is not None):
        raise ScenarioError("--intercept is a run without a proxy: it goes with --fault, and with no file, --listen or --upstream")
    scenario = _scenario(file, variables(var or []), case, listen=listen, upstream=upstream, faults=fault or [], intercept=intercept)
    if unsupported := scenario.unsupported():
        raise CapabilityError("\n  ".join([f"{scenario.id} needs what this version cannot do:", *unsupported]))
    try:
        limit = duration(seconds) if seconds is not None else None
    except ValueError as error:
        raise ScenarioError(f"--for: {error}") from error
    from faultproxy.cli.session import Session, Settings, heading
    from faultproxy.verify.ground import settle

    where = settle(scenario, upstream=upstream, capture=pcap is not None)
    voice = _voice(quiet, json)
    heading(scenario, seed, voice.say)
    if where:
        join = f"faultproxy sandbox --join {os.getpid()} -- COMMAND"
        voice.say(f"in a sandbox, {where}: nobody outside can connect; join it with: {join}")
    settings = Settings(scenario, seed, _again(seed), upstream, journal, pcap, max_connections, limit)
    import trio

    try:
        trio.run(Session(settings, voice).run)
    except BaseExceptionGroup as group:
        raise first(group) from group


def _scenario(
    file: Path | None,
    variables: dict[str, str],
    case: str | None,
    *,
    listen: str | None,
    upstream: str | None,
    faults: list[str],
    intercept: str | None,
) -> Scenario:
    from faultproxy.scenario import from_faults, load

    if file is None:
        if case is not None or variables:
            raise ScenarioError(f"{'--case' if case is not None else '--var'} belongs to a file: name one")
        return from_faults(faults, listen or "127.0.0.1:0", upstream, intercept=intercept)
    found = load(file, variables=variables, case=case)
    if len(found) > 1:
        cases = "".join(f"\n  --case {shlex.quote(each.id.rpartition('[')[2].removesuffix(']'))}" for each in found)
        raise ScenarioError(f"{file} has {len(found)} cases; choose one:{cases}")
    scenario = found[0]
    if len(scenario.proxies) > 1 and (listen or upstream):
        names = ", ".join(proxy.name for proxy in scenario.proxies)
        raise ScenarioError(f"{file} has several proxies ({names}): --listen and --upstream are for one; write them into the file")
    extra = from_faults(faults, listen or "127.0.0.1:0", upstream)
    taken = {each.name for each in scenario.faults} & {each.name for each in extra.faults}
    if taken:
        raise ScenarioError(f"--fault: {file} has a fault called {taken.pop()!r} already; give yours another name=…")
    proxies = [proxy if listen is None else proxy.model_copy(update={"listen": listen}) for proxy in scenario.proxies]
    return replace(scenario, faults=(*scenario.faults, *extra.faults), proxies=tuple(proxies))


def variables(given: list[str]) -> dict[str, str]:
    variables = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ScenarioError(f"--var {text!r}: write it as NAME=VALUE")
        variables[name] = value
    return variables


def _voice(quiet: bool, json: bool) -> Voice:
    from faultproxy.cli.live import Screen
    from faultproxy.cli.voice import Events, Machine, Voice

    if json:
        return Machine()
    if quiet:
        return Voice()
    return Screen() if sys.stdout.isatty() else Events()


def _again(seed: int) -> str:
    arguments = sys.argv[1:]
    if not any(word == "--seed" or word.startswith("--seed=") for word in arguments):
        arguments = [*arguments, "--seed", str(seed)]
    return shlex.join(["faultproxy", *arguments])


def first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What to tell of a group: the first error that a user can understand, else the group itself."""
    known = group.subgroup((FaultproxyError, BrokenPipeError))
    error: BaseException = known if known is not None else group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
