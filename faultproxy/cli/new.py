"""`faultproxy new`: a scenario to begin with."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from faultproxy.cli.faults import complete
from faultproxy.errors import ScenarioError

TEMPLATE = """\
# What goes wrong here, and what must then be true? The first lines of a scenario say it.
# Check it with `faultproxy check {file}`, {play}.
title = "{title}"
{where}
{fault}
# What starts a fault: at most one of these; none = the connection opens. See `faultproxy faults {kind}`.
# at = "5s"                       # this time on the clock of the run
# after_bytes = "64KiB"           # so many bytes have been sent
# on_match = {{s2c = "LOGIN OK"}}   # the server has sent these bytes
# on_fin = "client"               # the client has sent its FIN
# after = "2s"                    # so much later than any of them
# How long, how often:
# lasts = "10s"                   # then it heals, and what it holds is released
# every = "30s"                   # it starts again, start to start
# Whom it hits:
# connections = [1, 3]            # by number, or {{skip = 2, take = 1}}, {{share = "5%"}}, {{source = "10.0.0.0/8"}}

{expect}"""

ALONE = """\
duration = "30s"                  # how long a test lets things go wrong, where nothing else ends it

[proxy]
listen = "127.0.0.1:0"            # clients connect here; port 0: any that is free, and `run` prints it
upstream = "127.0.0.1:6379"       # the server; or leave it out and give --upstream, or let [server] be started

# [server]                        # started before the proxy, stopped at the end
# command = ["redis-server", "--port", "${server_port}", "--save", ""]
# ready = {connect = true, within = "10s"}
"""
EXPECT = """\
# [[expect]]                      # what must then be true: judged by `faultproxy test`
# what = "client.tcp_state"
# is = "ESTABLISHED"
# throughout = true
"""

SHARED = """\
include = ["{shared}"]           # what it shares with others: proxy, server, probes

[[crowd]]                         # who is hit; faults spare probes
name = "players"
count = 10
send = "PING\\r\\n"                 # what each asks, and the right answer: say it as your server does
reply = "PONG\\r\\n"
every = "200ms"
"""
EXPECT_OF_CROWD = """\
[[expect]]                        # what must then be true
what = "crowd.players.ok"
at_least = "90%"                  # right answers: nine, for it is a share of the crowd's `count`
within = "5s"
since = "start"
"""


def new(
    file: Annotated[Path, typer.Argument(help="The file to write; - is standard output.")] = Path("scenario.toml"),
    *,
    kind: Annotated[str, typer.Option(metavar="KIND", autocompletion=complete, help="The kind of fault in it.")] = "latency",
    include: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A scenario file with what it shares with others, such as the server.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Write a scenario to begin with: it runs, and its comments say what else there is. A folder that is not there is made."""
    text = scenario(kind, file, include)
    if str(file) == "-":
        typer.echo(text, nl=False)
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w" if force else "x", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError as error:
        raise ScenarioError(f"{file} is there already: choose another name, or --force to write over it") from error
    except OSError as error:
        raise ScenarioError(f"{file} cannot be written ({error.strerror})") from error
    typer.echo(f"{file} is written. Next: faultproxy " + (f"run {file} --upstream HOST:PORT" if include is None else f"test {file}"))


def scenario(kind: str, file: Path, include: Path | None = None) -> str:
    """The text, with what the file at `include` has. Raises ScenarioError for a kind that there is not, or such a file."""
    from faultproxy.faults.tables import BY_KIND
    from faultproxy.scenario.kinds import unknown_kind

    if kind not in BY_KIND:
        raise ScenarioError(f"--kind: {unknown_kind(kind)}")
    name = "FILE" if str(file) == "-" else file
    shared = None if include is None else _seen_from(file.parent, include)
    return TEMPLATE.format(
        file=name,
        play=f"run it with `faultproxy run {name}`" if shared is None else f"play it with `faultproxy test {name}`",
        title=f"a first scenario with {kind}",
        where=ALONE if shared is None else SHARED.format(shared=shared),
        kind=kind,
        fault=f"[[fault]]\n{BY_KIND[kind].example.strip()}",
        expect=EXPECT if shared is None else EXPECT_OF_CROWD,
    )


def _seen_from(folder: Path, include: Path) -> str:
    # It is named from where we are; in the file it is named from there.
    if not include.is_file():
        raise ScenarioError(f"--include {include}: there is no such file")
    return Path(os.path.relpath(include, folder)).as_posix()
