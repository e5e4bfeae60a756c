"""`faultproxy profiles`: files of faults that are shipped, named after kinds of link."""

from __future__ import annotations

from typing import Annotated

import typer


def complete(incomplete: str) -> list[str]:
    """Profiles that begin like this, for the shell."""
    from faultproxy.scenario.profiles import names

    return [name for name in names() if name.startswith(incomplete)]


def profiles(
    name: Annotated[str | None, typer.Argument(metavar="NAME", autocompletion=complete, help="One profile, as a file.")] = None,
    *,
    udp: Annotated[bool, typer.Option("--udp", help="As it is for UDP, with loss.")] = False,
) -> None:
    """List the profiles of links; with NAME, print one. A scenario takes it by include = ["profile:NAME"]."""
    from faultproxy.scenario import profiles as shipped

    if name is not None:
        typer.echo(shipped.text(name, "udp" if udp else "tcp"), nl=False)
        return
    width = max(map(len, shipped.names()))
    for each in shipped.names():
        first = shipped.text(each).splitlines()[0]
        typer.echo(f"{each:{width}}  {first.lstrip('# ')}" if first.startswith("#") else each)
