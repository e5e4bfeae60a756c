"""`faultproxy demo`: what this program is for, in a few seconds, with nothing else installed."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Annotated

import typer

from faultproxy.errors import FaultproxyError

if TYPE_CHECKING:
    from rich.console import Console

    from faultproxy.cli.acts import Act, Evidence, Stage

INCONCLUSIVE = 3
ACT_TAKES = 15.0
"""Seconds after which an act is broken off; each takes one or two."""

NEXT = """\
Next:
  faultproxy demo --show                                  the scenario that this was
  faultproxy run --upstream HOST:PORT --fault 'latency delay=200ms'
  faultproxy new                                          a scenario file of your own
  faultproxy test scenario.toml                           and whether your server passes it
  faultproxy faults                                       everything that can go wrong"""


def demo(
    *,
    show: Annotated[bool, typer.Option("--show", help="Print the scenario of the demo instead.")] = False,
) -> None:
    """Play five acts before your eyes: a slow line, a zero window, a FIN that nobody hears, a RST, lost ACKs. Then two tests.

    A small game server, its player and a proxy between them run on this machine, and their kernels are asked what they see. At last
    `faultproxy test` plays a scenario that this server passes, and one with a mistake in it fails. Exit code 0 only if all was seen;
    3 where this machine cannot tell. What touches packets may need a sandbox, which is then entered.
    """
    text = files("faultproxy.cli").joinpath("demo.toml").read_text(encoding="utf-8")
    if show:
        typer.echo(text, nl=False)
        return
    import trio
    from rich.console import Console

    from faultproxy.cli.run import first

    console = Console(highlight=False)
    without = _settle(console)
    try:
        results = trio.run(_play, text, console, without)
    except BaseExceptionGroup as group:
        raise first(group) from group
    results += _examine(len(results), console)
    if without:
        console.print(f"\nLeft out, what touches packets: {without}", style="yellow", markup=False, soft_wrap=True)
    raise typer.Exit(_judged(results, console))


def _settle(console: Console) -> str:
    """Sees to it that packets may be touched, in a sandbox if need be. Returns why they may not, where they may not."""
    from faultproxy.kernel import privileges, sandbox

    if not privileges.lacking():
        return ""
    without = sandbox.why_not()
    if not without:
        # The loopback as the host has it. With small segments those that are under way overrun a buffer that shrinks, and are dropped:
        # then the sender meets its zero window in retransmitting, and not in probing (tcp_retransmit_timer in the kernel).
        sandbox.enter(mtu=65536)
        console.print("In a sandbox, a network of its own: outside of it this user may not touch packets.", soft_wrap=True)
    return without


def _examine(before: int, console: Console) -> list[Evidence]:
    from faultproxy.cli.exams import EXAMS, sit

    results = []
    for number, exam in enumerate(EXAMS, before + 1):
        console.print(f"\n{number}. {exam.title}", style="bold", markup=False)
        evidence = sit(exam, console)
        _show(evidence, console)
        results.append(evidence)
    return results


async def _play(text: str, console: Console, without: str) -> list[Evidence]:
    from pathlib import Path

    import trio

    from faultproxy.arena.limits import Limits
    from faultproxy.arena.server import serve
    from faultproxy.cli.acts import ACTS, Evidence, Stage, tables_available
    from faultproxy.cli.words import sentence
    from faultproxy.net.proxy import Proxy
    from faultproxy.scenario import load_text

    (scenario,) = load_text(text, "demo.toml", Path())
    acts = [act for act in ACTS if not (without and act.on_packets)]
    wanted = {act.fault for act in acts}
    async with trio.open_nursery() as nursery:

        async def arena(task_status: trio.TaskStatus[tuple[str, int]]) -> None:
            await serve("127.0.0.1", 0, limits=Limits(heartbeat=60.0, login=60.0), task_status=task_status)

        host, port = await nursery.start(arena)
        proxy = Proxy([plan for plan in scenario.plans() if plan.name in wanted], listen="127.0.0.1:0", upstream=f"{host}:{port}", seed=1)
        await nursery.start(proxy.serve)
        console.print(
            f"A player — the proxy, {proxy.address} — the arena, a small game server, {host}:{port}", markup=False, soft_wrap=True
        )
        stage = Stage(proxy, (host, port), tables_available())
        results = []
        for number, act in enumerate(acts, 1):
            console.print(f"\n{number}. {act.title}", style="bold", markup=False)
            fault = next(each for each in scenario.faults if each.name == act.fault)
            console.print(f"   asked: {sentence(fault)}", markup=False, soft_wrap=True)
            evidence = Evidence(missing=[f"the act was not over after {ACT_TAKES:g} s"])
            with trio.move_on_after(ACT_TAKES):
                evidence = await _seen(act, stage)
            _show(evidence, console)
            results.append(evidence)
        nursery.cancel_scope.cancel()
    return results


async def _seen(act: Act, stage: Stage) -> Evidence:
    from faultproxy.arena.player import ConnectionEnded
    from faultproxy.cli.acts import Evidence

    try:
        return await act.play(stage)
    except (OSError, ConnectionEnded, ValueError) as error:
        return Evidence(missing=[f"the act broke off: {error}"])


def _show(evidence: Evidence, console: Console) -> None:
    from rich.markup import escape

    tick, cross = ("✓", "✗") if _takes("✓✗", console) else ("ok", "FAILED")
    for line in evidence.seen:
        console.print(f"   [green]{tick}[/green] {escape(line)}", soft_wrap=True)
    for line in evidence.unavailable:
        console.print(f"   [yellow]?[/yellow] {escape(line)}", soft_wrap=True)
    for line in evidence.missing:
        console.print(f"   [bold red]{cross}[/bold red] {escape(line)}", soft_wrap=True)


def _judged(results: list[Evidence], console: Console) -> int:
    if any(result.missing for result in results):
        console.print(
            "\nNot all was seen that should have been. On a very busy machine, try again; else please report it.",
            style="red",
            soft_wrap=True,
        )
        return FaultproxyError.exit_code
    unavailable = any(result.unavailable for result in results)
    console.print("\nAs far as this machine can tell, all was seen." if unavailable else "\nAll was seen.")
    console.print(NEXT, markup=False, soft_wrap=True)
    return INCONCLUSIVE if unavailable else 0


def _takes(text: str, console: Console) -> bool:
    try:
        text.encode(console.encoding)
    except UnicodeEncodeError:
        return False
    return True
