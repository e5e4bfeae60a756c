"""Plays one scenario in a process that was started for it: the other end of `apart.py`.

What to play comes on standard input. On standard output goes, line by line, what is to be told: ``{"phase": …}`` as each begins, and at
the end ``{"outcome": …, "reason": …, "size": …}``, behind which so many bytes are the result. Standard error is for what went wrong.
"""

from __future__ import annotations

import json
import math
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, BinaryIO

import trio

from faultproxy.control.runs import Ending
from faultproxy.errors import FaultproxyError, Mistake, ScenarioError
from faultproxy.verify.apart import Task
from faultproxy.verify.cast import Settings
from faultproxy.verify.outcome import Result
from faultproxy.verify.play import Play

LARGEST = 16 * 2**20
"""Bytes of a result; of one that would be larger the connections are left out, which are all but the whole of it."""
COMMANDS = ("server", "client", "sandbox")
"""What would run a command, or make a network: nobody who has a scenario played here may."""


def main() -> None:
    """Plays what comes on standard input. SIGTERM ends it: its connections are closed, and it says no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    task: Task = pickle.load(sys.stdin.buffer)
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as out:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whoever prints something must not be taken for us
        try:
            result = trio.run(_played, task, out)
            if result is not None:
                _end(out, result.outcome, result.reason, text(result))
            else:
                signal.raise_signal(signal.SIGTERM)  # which is what has ended it, and so the end is told
        except FaultproxyError as error:
            _failed(out, error)
        except Exception as error:
            if os.environ.get("FAULTPROXY_DEBUG"):
                traceback.print_exception(error)
            _failed(out, Mistake(error))


async def _played(task: Task, out: BinaryIO) -> Result | None:
    refused = [key for key in COMMANDS if getattr(task.scenario, key) is not None]
    if refused:
        raise ScenarioError(*(f"[{key}] is refused: no command is run for a caller" for key in refused))
    settings = Settings(task.scenario, task.seed, task.again, words=task.words)
    result: Result | None = None
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:

            async def obey() -> None:
                async for _ in signals:
                    nursery.cancel_scope.cancel()

            nursery.start_soon(obey)
            result = await Play(settings, lambda phase: _tell(out, {"phase": phase})).run()
            nursery.cancel_scope.cancel()
    return result


def _tell(out: BinaryIO, said: Mapping[str, Any], data: bytes = b"") -> None:
    out.write(json.dumps(said).encode() + b"\n" + data)
    out.flush()


def _end(out: BinaryIO, outcome: str, reason: str, text: bytes) -> None:
    _tell(out, {"outcome": outcome, "reason": reason, "size": len(text)}, text)


def _failed(out: BinaryIO, error: FaultproxyError) -> None:
    ending = Ending.error(str(error))
    _end(out, ending.outcome, ending.reason, ending.result)


def text(result: Result) -> bytes:
    """It as JSON, of at most LARGEST bytes."""
    whole = _json(result)
    if len(whole) <= LARGEST:
        return whole
    left_out = f"its {len(result.tracks)} connections are left out: with them it has {len(whole) / 2**20:.1f} MiB"
    return _json(replace(result, tracks=(), notes=[*result.notes, left_out]))


def _json(result: Result) -> bytes:
    text = json.dumps(_finite(result.table()), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode(errors="backslashreplace")  # half of a surrogate pair is then written as JSON has it


def _finite(value: Any) -> Any:
    # JSON has no infinity, and no number that is none.
    match value:
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {str(key): _finite(item) for key, item in value.items()}
        case list() | tuple():
            return [_finite(item) for item in value]
    return value


if __name__ == "__main__":
    main()
