"""Takes the rivals through a case in turns: A B C, A B C, …, so that whatever the machine does meanwhile meets them all."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.cases import Case, Sample, Visit
from bench.process import BenchError
from bench.rivals import Rival, Running
from bench.upstreams import upstream


@dataclass(slots=True)
class Result:
    """What was found: for each rival one sample a round, in the order of the rounds; and who is left out, with the reason.

    `failed` names rivals who took part and did not get through: they keep the rounds before.
    """

    case: Case
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def values(self, rival: str, metric: str) -> list[float]:
        """One for each round that the rival got through."""
        return [sample[metric] for sample in self.samples.get(rival, [])]


def measure(case: Case, rivals: Sequence[Rival], rounds: int, scale: float, tell: Callable[[str], None]) -> Result:
    """Run one case. `scale` shortens each turn; `tell` is given a line for each turn."""
    result = Result(case)
    takers = [rival for rival in rivals if _takes_part(rival, result)]
    if not takers:
        return result
    with TemporaryDirectory(prefix="faultproxy-bench-") as name:
        try:
            _Rounds(result, Path(name), scale, tell).run(takers, min(rounds, case.rounds))
        except BenchError as error:  # of the upstream: then nobody can be measured
            result.skipped |= {rival.name: str(error) for rival in takers}
    return result


def _takes_part(rival: Rival, result: Result) -> bool:
    case = result.case
    reason = "it has no meaning there" if rival.name in case.without else rival.missing(case.fault)
    if reason is not None:
        result.skipped[rival.name] = reason
    return reason is None


class _Rounds:
    def __init__(self, result: Result, folder: Path, scale: float, tell: Callable[[str], None]) -> None:
        self._result, self._case, self._folder, self._scale, self._tell = result, result.case, folder, scale, tell
        cores = sorted(os.sched_getaffinity(0))
        self._client_core = cores[0] if self._case.apart else None
        self._server_core = cores[-1] if self._case.apart else None

    def run(self, rivals: Sequence[Rival], rounds: int) -> None:
        with ExitStack() as stack:
            port = stack.enter_context(upstream(self._case.upstream, self._folder, self._server_core))
            running: dict[str, Running] = {}
            for rival in rivals if not self._case.fresh else ():
                self._tell(f"{self._case.name}: {rival.name} starts")
                self._start(rival, port, stack, running)
            for number in range(1, rounds + 1):
                found: dict[str, Sample] = {}
                for rival in rivals:
                    self._tell(f"{self._case.name}: round {number}, {rival.name}")
                    with ExitStack() as turn:
                        if self._case.fresh and rival.name not in self._result.failed:
                            self._start(rival, port, turn, running)
                        if rival.name not in self._result.failed:
                            self._visit(rival, running[rival.name], found)
                if self._case.compare is not None:
                    self._case.compare(found)

    def _start(self, rival: Rival, port: int, stack: ExitStack, running: dict[str, Running]) -> None:
        try:
            running[rival.name] = stack.enter_context(rival.run(port, self._case.fault, self._folder))
        except BenchError as error:
            self._result.failed[rival.name] = str(error)

    def _visit(self, rival: Rival, running: Running, found: dict[str, Sample]) -> None:
        fault = None if rival.name == "direct" else self._case.fault
        visit = Visit(running, fault, self._case.seconds * self._scale, self._folder, self._client_core)
        try:
            sample = self._case.run(visit)
        except BenchError as error:
            self._result.failed[rival.name] = str(error)
        else:
            found[rival.name] = sample
            self._result.samples.setdefault(rival.name, []).append(sample)
