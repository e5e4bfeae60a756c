"""Where a run takes place: here, or in a network of its own because that is asked for, or because here it may not touch packets."""

from __future__ import annotations

from faultproxy.core.mechanism import choose
from faultproxy.errors import CapabilityError
from faultproxy.kernel import privileges, sandbox, sockfilter
from faultproxy.scenario import Scenario
from faultproxy.scenario.sandbox import Sandbox


def settle(scenario: Scenario, *, upstream: str | None, capture: bool = False) -> str:
    """Moves this process, which must have one thread, to where the scenario can run; returns why it is in a sandbox, or nothing.

    Raises CapabilityError, before anything is started, where it can run nowhere.
    """
    if scenario.sandbox is not None:
        _enter(scenario.sandbox)
        return "as the file asks"
    if not needs_queue(scenario, capture=capture):
        return ""
    lacking = privileges.lacking()
    if not lacking:
        return ""
    if upstream is None and scenario.self_contained:
        _enter(Sandbox.model_validate({}))
        return "because it acts on packets and may not do so here"
    raise CapabilityError(lacking if not capture else f"--pcap: {lacking}")


def needs_queue(scenario: Scenario, *, capture: bool = False) -> bool:
    """Whether segments must be taken in hand one by one, which is not allowed everywhere."""
    if capture or any(proxy.intercept for proxy in scenario.proxies):
        return True
    if not scenario.acts_on_packets:
        return False
    permitted = sockfilter.permitted()
    return any(plan.queued for proxy in scenario.proxies for plan in choose(scenario.plans(proxy.name), filters=permitted))


def _enter(table: Sandbox) -> None:
    sandbox.enter(table.mtu, table.sysctl)
