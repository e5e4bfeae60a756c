from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from faultproxy.errors import ScenarioError
from faultproxy.scenario import load_text, profiles


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize("name", profiles.names())
def test_a_profile_loads_and_its_names_are_its_own(name: str, protocol: Literal["tcp", "udp"]) -> None:
    text = f'include = ["profile:{name}"]\n[proxy]\nlisten = "127.0.0.1:0"\nprotocol = "{protocol}"\n'
    (scenario,) = load_text(text, "x.toml", Path())
    assert scenario.faults
    assert all(fault.name.startswith(f"profile:{name}:") and fault.may_not_fire for fault in scenario.faults)
    assert {fault.kind for fault in scenario.faults} <= ({"latency", "bandwidth"} if protocol == "tcp" else {"delay", "drop"})
    ways = [fault.ways() for fault in scenario.faults]
    assert ways == [("c2s",)] * (len(ways) // 2) + [("s2c",)] * (len(ways) // 2)


def test_a_profile_says_where_its_figures_come_from() -> None:
    assert profiles.text("3g").startswith("# 3G mobile (UMTS), for TCP.\n# 1.6 Mbit/s down, 768 kbit/s up")


def test_a_profile_that_there_is_not() -> None:
    with pytest.raises(ScenarioError, match="there is no profile `LTE`: did you mean `lte`"):
        profiles.text("LTE")
    with pytest.raises(ScenarioError, match="there are edge, 3g, 4g, lte, wifi, dsl, satellite, ue-average, ue-bad"):
        profiles.text("../x")
