"""Where a run takes place: here, or in a network of its own because that is asked for, or because here it may not touch packets."""

from __future__ import annotations

import os

from faultproxy.errors import CapabilityError
from faultproxy.scenario import Scenario
from faultproxy.scenario.sandbox import Sandbox


def settle(scenario: Scenario, *, upstream: str | None, capture: bool) -> str:
    """Moves this process, which must have one thread, to where the scenario can run; returns what to say about it, or nothing.

    Raises CapabilityError, before anything is started, where it can run nowhere.
    """
    if scenario.sandbox is not None:
        _enter(scenario.sandbox)
        return f"in a sandbox, as the file asks: {_join()}"
    if not _needs_queue(scenario, capture):
        return ""
    from faultproxy.kernel import privileges

    lacking = privileges.lacking()
    if not lacking:
        return ""
    if upstream is None and scenario.self_contained:
        _enter(Sandbox.model_validate({}))
        return f"in a sandbox, because it acts on packets and may not do so here: {_join()}"
    raise CapabilityError(lacking if not capture else f"--pcap: {lacking}")


def _needs_queue(scenario: Scenario, capture: bool) -> bool:
    if capture or any(proxy.intercept for proxy in scenario.proxies):
        return True
    if not scenario.acts_on_packets:
        return False
    from faultproxy.core.mechanism import choose
    from faultproxy.kernel import sockfilter

    permitted = sockfilter.permitted()
    return any(plan.queued for proxy in scenario.proxies for plan in choose(scenario.plans(proxy.name), filters=permitted))


def _enter(table: Sandbox) -> None:
    from faultproxy.kernel import sandbox

    sandbox.enter(table.mtu, table.sysctl)


def _join() -> str:
    return f"nobody outside can connect; join it with: faultproxy sandbox --join {os.getpid()} -- COMMAND"
