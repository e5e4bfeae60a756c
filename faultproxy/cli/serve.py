"""`faultproxy serve`: a daemon with many proxies, steered over HTTP."""

from __future__ import annotations

import gc
import os
import secrets
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faultproxy.errors import FaultproxyError, ScenarioError

if TYPE_CHECKING:
    from faultproxy.cli.voice import Voice
    from faultproxy.control.fleet import Fleet, Spec
    from faultproxy.control.runs import Ending, Say
    from faultproxy.control.security import Security
    from faultproxy.scenario import Scenario

PORT = 8474
"""As Toxiproxy has it, so that its clients find us where they look."""
GARBAGE = 10_000
"""Objects made before garbage is looked for. With Python's 700, a fault that joins 2,000 connections is held up by it many times over."""


def serve(
    *,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="Proxies to begin with: Toxiproxy's JSON, or a scenario.")] = None,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Where the API listens; beyond loopback only with a token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="NUMBER", min=0, max=65535, help="Its port; 0: any.")] = PORT,
    seed: Annotated[int | None, typer.Option(metavar="NUMBER", help="Repeats another run's choices. Default: drawn, and printed.")] = None,
    token: Annotated[
        str | None, typer.Option(envvar="FAULTPROXY_TOKEN", metavar="TEXT", help="What callers must send; better by FAULTPROXY_TOKEN.")
    ] = None,
    allow_host: Annotated[list[str] | None, typer.Option(metavar="NAME", help="A name by which callers may know this machine.")] = None,
    max_connections: Annotated[int | None, typer.Option(metavar="NUMBER", min=1, help="Each proxy accepts no more at once.")] = None,
) -> None:
    """Serve many proxies until Ctrl-C, and do over HTTP what a scenario file can say.

    Clients of Toxiproxy work unchanged; /v1 is our own API, which `faultproxy ctl` speaks, and /metrics is for Prometheus. The API asks for
    no permission on this machine, and for a token from anywhere else.
    """
    import trio

    from faultproxy.cli.run import first
    from faultproxy.cli.voice import Voice
    from faultproxy.control.security import Security

    if seed is None:
        seed = secrets.randbits(32)
    security = Security.of(host, token or None, allow_host or ())
    daemon = Daemon(security, port, seed, _config(config), max_connections, Voice())
    try:
        trio.run(daemon.run)
    except BaseExceptionGroup as group:
        raise first(group) from group


@dataclass(frozen=True, slots=True)
class Config:
    """What there is to begin with: a list of Toxiproxy's, or proxies of a scenario, and what of that is left out."""

    populate: Any = None
    specs: tuple[Spec, ...] = ()
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Daemon:
    """`serve`, with everything that it needs."""

    security: Security
    port: int
    seed: int
    config: Config
    max_connections: int | None
    voice: Voice

    async def run(self) -> None:
        """Serves until a signal ends it; a second signal ends it by force."""
        import trio

        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async with trio.open_nursery() as nursery:
                running = trio.CancelScope()
                nursery.start_soon(_obey, signals, running)
                nursery.start_soon(self.voice.serve, ())
                try:
                    with running:
                        await self._serve()
                finally:
                    with trio.CancelScope(shield=True):
                        await self.voice.ended(None)
                nursery.cancel_scope.cancel()

    async def _serve(self) -> None:
        import trio

        from faultproxy.control.app import build
        from faultproxy.control.fleet import open_fleet
        from faultproxy.control.serve import address_of, listen, serve

        self.voice.say(f"seed {self.seed}")
        listeners = await listen(self.security.host, self.port)
        for listener in listeners:
            self.voice.say(f"control API on http://{address_of(listener)}{', with a token' if self.security.token is not None else ''}")
        async with open_fleet(seed=self.seed, max_connections=self.max_connections) as fleet, trio.open_nursery() as nursery:
            app = build(fleet, nursery, security=self.security, play=play, notify=self.voice.notify)
            await self._populate(fleet)
            await nursery.start(partial(serve, app, listeners, connections=self.security.limits.connections))
            gc.collect()
            gc.set_threshold(GARBAGE, *gc.get_threshold()[1:])
            gc.freeze()  # all that is loaded stays: a collection need not walk it, while every connection waits
            self.voice.say("ready")

    async def _populate(self, fleet: Fleet) -> None:
        for line in self.config.left_out:
            self.voice.say(f"left out by `serve`: {line}")
        if self.config.populate is not None:
            from faultproxy.control.toxiproxy import populate

            try:
                await populate(fleet, self.config.populate)
            except FaultproxyError as error:  # as Toxiproxy has it: those before it are there, and we go on
                self.voice.notify(f"--config: {error}")
        for spec in self.config.specs:
            await fleet.create(spec)
        for post in fleet.posts.values():
            self.voice.say(f"{post.name}: {f'listening on {post.listen}' if post.enabled else 'disabled'}, upstream {post.upstream}")


async def play(scenario: Scenario, seed: int, say: Say) -> Ending:
    """Plays a scenario for a caller, in a process of its own: `control.runs.Play`."""
    from faultproxy.cli.words import sentence
    from faultproxy.verify import apart

    words = {fault.name: sentence(fault) for fault in scenario.faults}
    return await apart.play(apart.Task(scenario, seed, f"faultproxy ctl run FILE --seed {seed}", words), say)


async def _obey(signals: AsyncIterator[int], running: Any) -> None:
    async for number in signals:
        if running.cancel_called:
            os._exit(128 + number)
        running.cancel()


def _config(path: Path | None) -> Config:
    if path is None:
        return Config()
    from faultproxy.scenario.source import read_text

    text = read_text(path)
    if path.suffix == ".json" or text.lstrip().startswith("[\n") or text.lstrip()[:2] in ("[{", "[]"):
        import json

        try:
            return Config(populate=json.loads(text))
        except (ValueError, RecursionError) as error:
            raise ScenarioError(f"{path}: not valid JSON: {error}") from error
    return _scenario(path, text)


def _scenario(path: Path, text: str) -> Config:
    from faultproxy.control.fleet import Spec
    from faultproxy.core.plan import Sockets
    from faultproxy.scenario import load_text

    found = load_text(text, str(path), path.parent, path=path)
    if len(found) != 1:
        raise ScenarioError(f"{path}: it has {len(found)} cases, and `serve` takes a file that has none")
    scenario = found[0]
    mistakes = list(scenario.unsupported())
    specs: list[Spec] = []
    for proxy in scenario.proxies:
        if proxy.listen is None:
            mistakes.append(f"{path}: proxy {proxy.name}: `intercept` is for `faultproxy run`: here proxies listen")
        elif proxy.upstream is None:
            mistakes.append(f"{path}: proxy {proxy.name}: `upstream` is missing: `serve` starts no [server]")
        else:
            faults = tuple(fault for fault in scenario.faults if fault.belongs_to(proxy.name))
            sockets = Sockets(proxy.rcvbuf, proxy.sndbuf, proxy.rcvbuf, proxy.sndbuf)
            specs.append(Spec(proxy.name, proxy.listen, proxy.upstream, faults=faults, sockets=sockets, fail_open=proxy.fail_open))
    if mistakes:
        raise ScenarioError(*mistakes)
    left_out = [*(["[server] is not started"] if scenario.server is not None else []), *scenario.left_out_by_run()]
    return Config(specs=tuple(specs), left_out=tuple(left_out))
