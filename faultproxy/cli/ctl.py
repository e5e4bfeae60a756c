"""`faultproxy ctl`: steers a running `faultproxy serve` from the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faultproxy.control import HERE
from faultproxy.errors import ScenarioError

if TYPE_CHECKING:
    from faultproxy.cli.caller import Caller

ctl = typer.Typer(
    help="Steer a running `faultproxy serve`: proxies, faults, connections, the journal.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Name = Annotated[str, typer.Argument(metavar="PROXY")]
FaultName = Annotated[str, typer.Argument(metavar="FAULT")]


@ctl.callback()
def options(
    context: typer.Context,
    api: Annotated[str, typer.Option(envvar="FAULTPROXY_API", metavar="URL", help="Where it listens.")] = HERE,
    token: Annotated[
        str | None, typer.Option(envvar="FAULTPROXY_TOKEN", metavar="TEXT", help="Its token; better by FAULTPROXY_TOKEN.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="What the API answers, instead of tables.")] = False,
) -> None:
    """Where it listens and how to show what it says."""
    from faultproxy.cli.caller import Caller

    context.obj = context.with_resource(Caller(api, token, json))


@ctl.command("proxies")
def proxies(context: typer.Context) -> None:
    """List the proxies."""
    found = _caller(context).get("proxies")
    rows = [
        [
            one["name"],
            one["listen"],
            one["upstream"],
            one["listening"],
            f"{one['open']} of {one['opened']}",
            _size(one["c2s"]),
            _size(one["s2c"]),
            ", ".join(fault["name"] for fault in one["faults"]),
        ]
        for one in found["proxies"]
    ]
    _caller(context).show(found, ["proxy", "listens on", "upstream", "state", "open", "c2s", "s2c", "faults"], rows)


@ctl.command("add")
def add(
    context: typer.Context,
    proxy: Name,
    *,
    upstream: Annotated[str, typer.Option(metavar="HOST:PORT", help="What it connects to.")],
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where clients connect; port 0: any.")] = "127.0.0.1:0",
    fault: Annotated[list[str] | None, typer.Option(metavar="WORDS", help="A fault, such as 'latency delay=200ms'.")] = None,
    disabled: Annotated[bool, typer.Option("--disabled", help="It does not listen yet.")] = False,
) -> None:
    """Make a proxy."""
    faults = [_table(words) for words in fault or []]
    new = {"name": proxy, "listen": listen, "upstream": upstream, "enabled": not disabled, "faults": faults}
    made = _caller(context).post("proxies", new)
    _caller(context).say(made, f"{made['name']}: {made['listening']} on {made['listen']}, upstream {made['upstream']}")


@ctl.command("rm")
def remove(context: typer.Context, proxy: Name, fault: Annotated[str | None, typer.Argument(metavar="[FAULT]")] = None) -> None:
    """Delete a proxy with its connections, or one of its faults."""
    _caller(context).delete("proxies", proxy, *(["faults", fault] if fault is not None else []))


@ctl.command("enable")
def enable(context: typer.Context, proxy: Name) -> None:
    """Let a proxy listen."""
    _caller(context).patch({"enabled": True}, "proxies", proxy)


@ctl.command("disable")
def disable(context: typer.Context, proxy: Name) -> None:
    """Close its listener and all its connections."""
    _caller(context).patch({"enabled": False}, "proxies", proxy)


@ctl.command("faults")
def faults(context: typer.Context, proxy: Name) -> None:
    """List the faults of a proxy, and what they have done."""
    found = _caller(context).get("proxies", proxy, "faults")
    _caller(context).show(found, ["fault", "kind", "state", "places", "starts", "fired", "what it does"], _faults(found["faults"]))


@ctl.command("fault")
def fault(
    context: typer.Context,
    proxy: Name,
    words: Annotated[list[str], typer.Argument(metavar="KIND KEY=VALUE...", help="Such as latency delay=200ms direction=s2c.")],
) -> None:
    """Add a fault, also for connections that are open. Where a value has quotes, blanks or brackets, put all the words in single quotes."""
    found = _caller(context).post("proxies", _table(*words), proxy, "faults")
    _caller(context).say(found, *(f"added {one['name']}" for one in found["faults"]))


@ctl.command("change")
def change(
    context: typer.Context,
    proxy: Name,
    fault: FaultName,
    words: Annotated[list[str], typer.Argument(metavar="KEY=VALUE...", help="What is to be otherwise, such as delay=1s.")],
) -> None:
    """Give a fault other figures. What it holds keeps its time."""
    found = _caller(context).patch(_table(*words), "proxies", proxy, "faults", fault)
    _caller(context).say(found, f"changed {fault}")


@ctl.command("apply")
def apply(context: typer.Context, proxy: Name, file: Annotated[Path, typer.Argument(metavar="SCENARIO.toml")]) -> None:
    """Add the faults of a scenario file."""
    found = _caller(context).send(_text(file), "proxies", proxy, "faults")
    _caller(context).say(found, *(f"added {one['name']}" for one in found["faults"]), *found["left_out"])


@ctl.command("start")
def start(context: typer.Context, proxy: Name, fault: FaultName) -> None:
    """Start a fault now."""
    _caller(context).post("proxies", None, proxy, "faults", fault, "start")


@ctl.command("heal")
def heal(context: typer.Context, proxy: Name, fault: Annotated[str | None, typer.Argument(metavar="[FAULT]")] = None) -> None:
    """Heal a fault, or all of a proxy."""
    _caller(context).post("proxies", None, proxy, *(["faults", fault] if fault is not None else []), "heal")


@ctl.command("connections")
def connections(
    context: typer.Context, proxy: Name, number: Annotated[int | None, typer.Argument(metavar="[NUMBER]", min=1)] = None
) -> None:
    """List the connections that are open, newest first; with NUMBER, one of them with what the kernel knows."""
    from faultproxy.cli import legs

    caller = _caller(context)
    if number is None:
        found = caller.get("proxies", proxy, "connections")
        rows = [
            [
                str(one["ordinal"]),
                one["peer"],
                one["state"],
                f"{one['age']:.1f} s",
                _size(one["c2s"]),
                _size(one["s2c"]),
                _size(one["held"]),
                ", ".join(one["active"]),
            ]
            for one in found["connections"]
        ]
        caller.show(found, ["", "client", "state", "age", "c2s", "s2c", "held", "faults"], rows)
        return
    found = caller.get("proxies", proxy, "connections", str(number))
    if not caller.json:
        typer.echo(
            f"connection {number} of {proxy}, from {found['peer']}: {found['state']}, {found['age']:.1f} s old; "
            f"{_size(found['c2s'])} from the client, {_size(found['s2c'])} from the server, {_size(found['held'])} held"
        )
    caller.show(found, legs.HEADS, legs.rows(found["legs"]))


@ctl.command("kill")
def kill(context: typer.Context, proxy: Name, number: Annotated[int, typer.Argument(metavar="NUMBER", min=1)]) -> None:
    """End a connection with a RST to both sides."""
    _caller(context).post("proxies", None, proxy, "connections", str(number), "kill")


@ctl.command("journal")
def journal(
    context: typer.Context,
    proxy: Annotated[str | None, typer.Argument(metavar="[PROXY]")] = None,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="What happens from now on, until Ctrl-C.")] = False,
) -> None:
    """Print the journal of a proxy; with -f, of one or of all, as it is written."""
    caller = _caller(context)
    if follow:
        for _, data in caller.events({"proxy": proxy} if proxy is not None else {}, "journal"):
            typer.echo(data)
    elif proxy is None:
        raise ScenarioError("name a proxy, or follow all of them with -f")
    else:
        typer.echo(caller.text("proxies", proxy, "journal"), nl=False)


@ctl.command("run")
def run(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="SCENARIO.toml")],
    *,
    seed: Annotated[int | None, typer.Option(metavar="NUMBER", help="Repeats another run's choices.")] = None,
) -> None:
    """Have a scenario played there, on proxies of its own, and follow it. Exit code as of `faultproxy test`."""
    import json

    caller = _caller(context)
    begun = caller.send(_text(file), "runs", params={} if seed is None else {"seed": seed})
    if not caller.json:
        typer.echo(f"run {begun['id']}, seed {begun['seed']}")
    ended: dict[str, Any] = begun
    try:
        for name, data in caller.events({}, "runs", begun["id"], "events"):
            if name == "ended":
                ended = json.loads(data)
            elif name == "phase" and not caller.json:
                typer.echo(f"  {json.loads(data)['phase']}")
    except KeyboardInterrupt:
        caller.delete("runs", begun["id"])
        raise
    caller.say(ended, f"{ended['outcome'] or ended['state']}{': ' + ended['reason'] if ended['reason'] else ''}")
    raise typer.Exit({"passed": 0, "skipped": 0, "inconclusive": 3}.get(ended["outcome"] or "", 1))


def _caller(context: typer.Context) -> Caller:
    found: Caller = context.obj
    return found


def _table(*words: str) -> dict[str, Any]:
    from faultproxy.scenario.inline import fault_table

    text = " ".join(words)
    try:
        return fault_table(text)
    except ValueError as error:
        # A shell takes quotes away, and splits at blanks what stood between them.
        how = "\n  write: KIND KEY=VALUE …, and if a value has blanks, quotes or brackets, put single quotes round all of it" * (
            len(words) > 1
        )
        raise ScenarioError(f"{text!r}: {error}{how}") from error


def _text(path: Path) -> str:
    from faultproxy.scenario.source import read_text

    return read_text(path)


def _faults(found: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    from json import dumps

    rows = []
    for one in found:
        keys = {key: value for key, value in one["table"].items() if key not in ("kind", "name")}
        does = " ".join(f"{key}={value if isinstance(value, str) else dumps(value)}" for key, value in keys.items())
        rows.append([one["name"], one["kind"], one["state"], str(one["active"]), str(one["starts"]), str(one["fired"]), does])
    return rows


def _size(count: int) -> str:
    from faultproxy.core.units import show_size

    return show_size(count)
