"""The command line: thin. Each command is a file, and imports what it needs only when it is called, so that `--help` is there at once."""

from __future__ import annotations

import os
import sys
import traceback

import typer

from faultproxy import __version__
from faultproxy.cli import check, ctl, demo, doctor, faults, new, profiles, replay, run, sandbox, schema, serve, testing
from faultproxy.errors import FaultproxyError, Mistake, Terminated

INTERRUPTED, TERMINATED = 130, 143
"""128 + SIGINT and 128 + SIGTERM, as shells have it."""

app = typer.Typer(
    name="faultproxy",
    help="A fault-injection TCP proxy: put it between a client and a server, and say what goes wrong.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich would double the time that --help takes
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="To see what it does: faultproxy demo. Then: faultproxy new, faultproxy run scenario.toml.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"faultproxy {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    pass


# In the order in which the help shows them.
app.command("run")(run.run)
app.command("test")(testing.testing)
app.command("serve")(serve.serve)
app.add_typer(ctl.ctl, name="ctl")
app.command("check")(check.check)
app.command("new")(new.new)
app.command("faults")(faults.faults)
app.command("profiles")(profiles.profiles)
app.command("replay")(replay.replay)
app.command("schema")(schema.schema)
app.command("demo")(demo.demo)
# The command's own options are the command's, with or without `--` before it.
app.command("sandbox", context_settings={"allow_interspersed_args": False})(sandbox.sandbox)
app.command("doctor")(doctor.doctor)


def main() -> None:
    """The program `faultproxy`. What it must tell goes to stderr in plain words, and the exit code says who must act."""
    try:
        app(prog_name="faultproxy")
    except FaultproxyError as error:
        if isinstance(error, Mistake):
            _debug(error)
        _end(f"faultproxy: {error}", error.exit_code)
    except BrokenPipeError:
        # Whoever read our output has gone. Python would complain again while it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Terminated:
        _end("faultproxy: ended by SIGTERM", TERMINATED)
    except KeyboardInterrupt:
        _end("faultproxy: interrupted", INTERRUPTED)
    except Exception as error:
        _debug(error)
        _end(f"faultproxy: {Mistake(error)}", Mistake.exit_code)


def _debug(error: BaseException) -> None:
    if os.environ.get("FAULTPROXY_DEBUG"):
        traceback.print_exception(error)


def _end(message: str, code: int) -> None:
    print(message, file=sys.stderr)
    sys.exit(code)
