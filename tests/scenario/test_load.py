"""Scenario files that are right: what they become."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from faultproxy.core import match, timeline
from faultproxy.errors import ScenarioError
from faultproxy.scenario import Scenario, load, load_text, substitute
from faultproxy.scenario.expect import Expect

DATA = Path(__file__).parent.parent / "data" / "scenarios"


def only(name: str, **how: object) -> Scenario:
    (scenario,) = load(DATA / name, **how)  # type: ignore[arg-type]
    return scenario


@pytest.mark.parametrize("path", sorted(DATA.glob("*.toml")), ids=lambda path: path.name)
def test_every_data_file_loads(path: Path) -> None:
    assert load(path)


def test_a_whole_file() -> None:
    scenario = only("half_close.toml")
    assert (scenario.id, scenario.title, scenario.covers) == ("half_close.toml", "half-close", ("D10",))
    assert (scenario.timeout, scenario.duration, scenario.recovery) == (60.0, None, 10.0)
    (proxy,) = scenario.proxies
    assert (proxy.listen, proxy.upstream, proxy.rcvbuf, proxy.sndbuf) == ("127.0.0.1:0", "127.0.0.1:9000", 16384, 16384)
    assert scenario.client is not None
    assert scenario.client.timeout == 10.0
    (plan,) = scenario.plans()
    assert plan.schedule.trigger == timeline.OnMatch(("s2c",), match.Literal(b"OK"))
    assert scenario.unsupported() == ()
    assert scenario.lacking_for_test() == ()
    assert scenario.left_out_by_run() == ("[client] is not started", "[[expect]]: 2 expectations are not judged")


def test_expectations_in_plain_numbers() -> None:
    output, states = only("half_close.toml").expects
    assert (output.comparison, output.wanted, output.within, output.since) == ("contains", ("3",), 5.0, "late")
    assert not output.about_healing
    assert [condition.wanted for condition in states.conditions] == [("FIN_WAIT_2", "TIME_WAIT"), ("ESTABLISHED",)]
    assert [condition.comparison for condition in states.conditions] == ["is", "not"]
    assert (states.within, states.limit, states.holds_for, states.about_healing) == ((0.1, 2.0), 2.0, 0.95, True)


def test_what_only_a_run_knows_stays_a_template() -> None:
    client = only("half_close.toml").client
    assert client is not None
    assert client.command[2] == "printf 'SUM 1 2\\n' | nc -N ${proxy_host} ${proxy_port}; echo $$? costs 5$$"
    filled = substitute(client.command, {"proxy_host": "::1", "proxy_port": 9})
    assert filled == ("sh", "-c", "printf 'SUM 1 2\\n' | nc -N ::1 9; echo $? costs 5$")


def test_cases_variables_and_includes() -> None:
    inside, beyond = load(DATA / "cases.toml")
    assert [inside.id, beyond.id] == ["cases.toml[inside]", "cases.toml[beyond]"]
    assert [inside.faults[-1].lasts, beyond.faults[-1].lasts] == [1.0, 6.0]
    assert [inside.expects[0].wanted, beyond.expects[0].wanted] == [(0,), (1,)]
    assert beyond.variables == {"net": "lte", "late": "6s", "silence": "6s", "out": 1}
    assert beyond.timeout == 90.0, "included, because this file says nothing"
    assert [probe.name for probe in beyond.probes] == ["healthy"]
    assert [fault.name for fault in beyond.faults] == [
        "profile:lte:bandwidth-c2s",
        "profile:lte:latency-c2s",
        "profile:lte:bandwidth-s2c",
        "profile:lte:latency-s2c",
        "late",
    ]
    assert beyond.expects[1].since == "late", "the only fault, profiles aside"
    (crowd,) = beyond.crowds
    assert crowd.hello is not None
    assert crowd.hello.send.render({"n": 7}) == b"LOGIN p7\r\n"
    assert beyond.probes[0].reply == match.Regex(re.compile(rb"^PONG( \d+)?$"))


def test_variables_of_the_command_line_come_last() -> None:
    (beyond,) = load(DATA / "cases.toml", case="beyond", variables={"late": "7s", "out": "3", "net": "3g"})
    assert beyond.faults[-1].lasts == 7.0
    assert beyond.expects[0].wanted == (3,)
    assert beyond.faults[0].name == "profile:3g:bandwidth-c2s"


def test_packets_are_read() -> None:
    scenario = only("packets.toml")
    assert scenario.sandbox is not None
    assert scenario.sandbox.sysctl == (("net.ipv4.tcp_retries2", "3"), ("net.ipv4.ip_local_port_range", "40000 40099"))
    assert scenario.unsupported() == ()
    assert scenario.acts_on_packets
    assert [plan.queued is not None for plan in scenario.plans()] == [fault.plane == "packet" for fault in scenario.faults]


def test_a_profile_on_udp_delays_and_loses_datagrams() -> None:
    scenario = only("datagrams.toml")
    assert [fault.kind for fault in scenario.faults] == ["delay", "drop", "delay", "drop", "drop"]
    assert scenario.proxies[0].idle == 10.0


def test_a_file_of_faults_alone_listens_somewhere() -> None:
    (scenario,) = load_text('[[fault]]\nkind = "latency"\ndelay = "1ms"\n', "late.toml", Path())
    assert scenario.proxies[0].listen == "127.0.0.1:0"
    assert scenario.lacking_for_test() == (
        '`duration` is missing: nothing in the file ends the fault phase; write duration = "30s" at the top',
    )


def test_faults_belong_to_their_proxy_or_to_each() -> None:
    text = """
    proxy = [{name = "a", listen = "127.0.0.1:0"}, {name = "b", listen = "unix:/tmp/b.sock"}]
    fault = [
      {name = "1", kind = "latency", delay = "1ms", proxy = "a"},
      {name = "2", kind = "latency", delay = "1ms"},
      {name = "3", kind = "latency", delay = "1ms", proxy = "b"},
    ]
    """
    (scenario,) = load_text(text, "x.toml", Path())
    assert [[plan.name for plan in scenario.plans(name)] for name in ("a", "b", None)] == [["1", "2"], ["2", "3"], ["1", "2", "3"]]


def test_an_expectation_without_faults_counts_from_the_start() -> None:
    text = '[proxy]\nlisten = "127.0.0.1:0"\n[[expect]]\nwhat = "connections.open"\nbetween = [1, 3]\nthroughout = true\n'
    (scenario,) = load_text(text, "x.toml", Path())
    expect: Expect = scenario.expects[0]
    assert (expect.since, expect.wanted, expect.limit) == ("start", (1, 3), None)


def test_a_case_that_there_is_not() -> None:
    with pytest.raises(ScenarioError) as caught:
        load(DATA / "cases.toml", case="insid")
    assert caught.value.mistakes == (f"{DATA}/cases.toml: no case is called `insid`: its cases are inside, beyond",)


def test_crlf_and_a_byte_order_mark() -> None:
    text = '[proxy]\r\nlisten = "127.0.0.1:0"\r\n[[fault]]\r\nkind = "latency"\r\ndelay = 5\r\n'
    with pytest.raises(ScenarioError, match=r"^x.toml:5: "):
        load_text(text, "x.toml", Path())
