"""`faultproxy new`: a scenario to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from faultproxy.cli.faults import complete
from faultproxy.errors import ScenarioError

TEMPLATE = """\
# What goes wrong here, and what must then be true? The first lines of a scenario say it.
# Check it with `faultproxy check {file}`, run it with `faultproxy run {file}`.
title = "{title}"
duration = "30s"                  # how long a test lets things go wrong, where nothing else ends it

[proxy]
listen = "127.0.0.1:0"            # clients connect here; port 0: any that is free, and `run` prints it
upstream = "127.0.0.1:6379"       # the server; or leave it out and give --upstream, or let [server] be started

# [server]                        # started before the proxy, stopped at the end
# command = ["redis-server", "--port", "${{server_port}}", "--save", ""]
# ready = {{connect = true, within = "10s"}}

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

# [[expect]]                      # what must then be true: judged by `faultproxy test`
# what = "client.tcp_state"
# is = "ESTABLISHED"
# throughout = true
"""


def new(
    file: Annotated[Path, typer.Argument(help="The file to write; - is standard output.")] = Path("scenario.toml"),
    *,
    kind: Annotated[str, typer.Option(metavar="KIND", autocompletion=complete, help="The kind of fault in it.")] = "latency",
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Write a scenario to begin with: it runs, and its comments say what else there is."""
    text = scenario(kind, file)
    if str(file) == "-":
        typer.echo(text, nl=False)
        return
    try:
        with file.open("w" if force else "x", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError as error:
        raise ScenarioError(f"{file} is there already: choose another name, or --force to write over it") from error
    except OSError as error:
        raise ScenarioError(f"{file} cannot be written ({error.strerror})") from error
    typer.echo(f"{file} is written. Next: faultproxy run {file} --upstream HOST:PORT")


def scenario(kind: str, file: Path) -> str:
    """The text. Raises ScenarioError for a kind that there is not."""
    from faultproxy.faults.tables import BY_KIND
    from faultproxy.scenario.kinds import unknown_kind

    if kind not in BY_KIND:
        raise ScenarioError(f"--kind: {unknown_kind(kind)}")
    title = f"a first scenario with {kind}"
    return TEMPLATE.format(
        file=file if str(file) != "-" else "FILE", title=title, kind=kind, fault=f"[[fault]]\n{BY_KIND[kind].example.strip()}"
    )
