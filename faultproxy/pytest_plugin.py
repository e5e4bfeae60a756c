"""The fixture `faultproxy` for pytest: proxies for one test, closed at its end, and their journal in the report when it fails.

It works in plain tests and beside pytest-trio and pytest-asyncio alike, for every proxy runs in a thread of its own. Nothing but pytest is
imported until a test asks for a proxy.
"""

from __future__ import annotations

import shlex
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from faultproxy.embed import Faults, StartedProxy
    from faultproxy.scenario import Scenario

SHOWN = 20
"""Lines of a journal that a report shows, the last."""

_SEED = pytest.StashKey[int]()
_PROXIES = pytest.StashKey["Proxies"]()
_PASSED = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--faultproxy-seed`."""
    group = parser.getgroup("faultproxy", "fault injection by proxies")
    group.addoption("--faultproxy-seed", type=int, metavar="N", help="seed of all proxies, to repeat a test that failed (default: drawn)")


def pytest_configure(config: pytest.Config) -> None:
    """The marker `faults`."""
    config.addinivalue_line(
        "markers",
        "faults(*faults, upstream=None, listen=None, proxy=None, case=None, variables=None): what the fixture `faultproxy` starts for the "
        "test: the path of a scenario (beside the test, or from the root), or faults in words. Each of them must fire.",
    )


@pytest.fixture
def faultproxy(request: pytest.FixtureRequest) -> Iterator[Proxies]:
    """Call it to start a proxy: ``faultproxy("127.0.0.1:6379", ["latency delay=200ms"])``; it is closed when the test is over."""
    with ExitStack() as stack:
        proxies = request.node.stash[_PROXIES] = Proxies(request, stack)
        proxies.start_marked()
        yield proxies
        silent = proxies.silent() if request.node.stash.get(_PASSED, False) else []
    if silent:
        pytest.fail(f"the test has passed, but it was none: never fired: {', '.join(silent)} (may_not_fire=true allows it)", pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tells a failed test what its proxies did."""
    report = yield
    if report.when == "call":
        item.stash[_PASSED] = report.passed
    proxies = item.stash.get(_PROXIES, None)
    if report.failed and proxies is not None:
        report.sections += proxies.sections()
    return report


class Proxies:
    """The proxies of one test. Called, it starts one; `proxy` is the only one, and ``faultproxy["name"]`` the one of a [[proxy]] table."""

    def __init__(self, request: pytest.FixtureRequest, stack: ExitStack) -> None:
        self.all: list[StartedProxy] = []
        """In the order in which they were started."""
        self._request = request
        self._stack = stack
        marker = request.node.get_closest_marker("faults")
        self._marked: dict[str, Any] = dict(marker.kwargs) if marker is not None else {}
        self._strict: list[StartedProxy] = []
        """Those of the marker, whose faults must fire."""
        self._faults = self._read_marker(marker.args) if marker is not None else None

    def __call__(
        self,
        upstream: str | None = None,
        faults: Faults | None = None,
        *,
        listen: str | None = None,
        seed: int | None = None,
        proxy: str | None = None,
        skip_if_lacking: bool = False,
        **options: Any,
    ) -> StartedProxy:
        """Starts a proxy (`faultproxy.start_proxy`); what is not given is as the marker `faults` says.

        `skip_if_lacking`: the test is skipped where packet faults cannot be had; otherwise CapabilityError is raised.
        """
        from faultproxy.embed import start_proxy
        from faultproxy.errors import CapabilityError

        marked = faults is None and self._faults is not None
        try:
            started = self._stack.enter_context(
                start_proxy(
                    upstream or self._marked.get("upstream"),
                    (self._faults if marked else faults) or (),
                    listen=listen or self._marked.get("listen"),
                    seed=self.seed if seed is None else seed,
                    proxy=proxy or (self._marked.get("proxy") if marked else None),
                    **options,
                )
            )
        except CapabilityError as error:
            if skip_if_lacking:
                pytest.skip(str(error))
            raise
        self.all.append(started)
        if marked:
            self._strict.append(started)
        return started

    @property
    def proxy(self) -> StartedProxy:
        """The proxy, if there is just one."""
        if len(self.all) != 1:
            has = f"{len(self.all)} proxies" if self.all else "no proxy yet: its upstream is not known, so call faultproxy(upstream=…)"
            raise LookupError(f"the test has {has}")
        return self.all[0]

    def __getitem__(self, name: str) -> StartedProxy:
        for proxy in reversed(self.all):
            if proxy.name == name:
                return proxy
        raise LookupError(f"the test has no proxy called {name!r}: there is {', '.join(proxy.name for proxy in self.all) or 'none'}")

    @property
    def seed(self) -> int:
        """That of the command line, or one drawn for the whole session."""
        config = self._request.config
        if _SEED not in config.stash:
            import secrets

            given: int | None = config.getoption("--faultproxy-seed")
            config.stash[_SEED] = secrets.randbits(32) if given is None else given
        return config.stash[_SEED]

    def start_marked(self) -> None:
        """Starts what the marker says, as far as that knows what to connect to."""
        names, known = [None], bool(self._marked.get("upstream"))
        scenario = self._scenario()
        if scenario is not None and self._marked.get("proxy") is None:
            names = [table.name for table in scenario.proxies]  # type: ignore[misc]
            known = known or all(table.upstream is not None for table in scenario.proxies)
        for name in names if known else ():
            self(proxy=name)

    def silent(self) -> list[str]:
        """The faults of the marker that have never fired."""
        return [name for proxy in self._strict for name in proxy.never_fired]

    def sections(self) -> list[tuple[str, str]]:
        """What a report says of each proxy."""
        return [(f"faultproxy {proxy.address} -> {proxy.upstream}", self._told(proxy)) for proxy in self.all]

    def _told(self, proxy: StartedProxy) -> str:
        again = shlex.join(["pytest", self._request.node.nodeid, "--faultproxy-seed", str(proxy.seed)])
        lines = [f"seed {proxy.seed}; to repeat: {again}"]
        for stats in proxy.stats:
            did = f"started {stats.starts}, fired {stats.fired}, healed {stats.heals} times" if stats.starts else "never started"
            lines.append(f"{stats.name}: {stats.kind}, {did}" + (f"; last: {stats.last}" if stats.last else ""))
        lines += proxy.messages
        journal = proxy.journal()
        lines.append(f"journal, the last {min(SHOWN, len(journal))} of {len(journal)} lines:")
        return "\n".join([*lines, *journal[-SHOWN:]])

    def _scenario(self) -> Scenario | None:
        from faultproxy.scenario import Scenario

        return next((item for item in self._faults or () if isinstance(item, Scenario)), None)

    def _read_marker(self, items: tuple[Any, ...]) -> list[Any]:
        from faultproxy.scenario import load

        found: list[Any] = []
        for item in items:
            if isinstance(item, Path) or (isinstance(item, str) and item.endswith(".toml") and "=" not in item):
                beside = self._request.path.parent / item
                path = beside if beside.exists() else self._request.config.rootpath / item
                loaded = load(path, variables=self._marked.get("variables") or {}, case=self._marked.get("case"))
                if len(loaded) > 1:
                    raise ValueError(f'{path} has {len(loaded)} cases: name one, @pytest.mark.faults("{item}", case="…")')
                found.append(loaded[0])
            else:
                found.append(item)
        return found
