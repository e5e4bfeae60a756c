"""A client process of a scenario: real processes, and every way in which they can misbehave."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from faultproxy.errors import ScenarioError
from faultproxy.verify.client import Client, environment
from tests.live.rig import until
from tests.verify.test_server import PARENT, STUBBORN, is_alive, python

pytestmark = pytest.mark.live

LEAVER = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print("child", child.pid, flush=True)
"""


async def ran(client: Client) -> Client:
    with trio.fail_after(20):
        await client.run()
    assert client.pid is not None
    with pytest.raises(ProcessLookupError):  # it is reaped
        os.kill(client.pid, 0)
    return client


def child_of(client: Client) -> int:
    return int(str(client.output).split("child ")[1].split()[0])


async def test_one_that_does_its_work_has_an_exit_status_and_an_output() -> None:
    client = await ran(Client(python("import sys; print('out'); print('err', file=sys.stderr)")))
    assert (client.exit, client.timed_out) == (0, False)
    assert sorted(str(client.output).splitlines()) == ["err", "out"]
    assert (await ran(Client(python("import sys; sys.exit(3)")))).exit == 3
    assert (await ran(Client(python("import os; os.kill(os.getpid(), 11)")))).exit == -11


async def test_it_has_no_status_before_its_end() -> None:
    client = Client(python("import time; time.sleep(60)"))
    async with trio.open_nursery() as nursery:
        assert await nursery.start(client.run) is client
        assert client.pid is not None
        assert (client.exit, is_alive(client.pid)) == (None, True)
        nursery.cancel_scope.cancel()
    assert (client.exit, is_alive(client.pid)) == (-15, False)


async def test_it_runs_in_its_folder_and_is_told_where_to_connect(tmp_path: Path) -> None:
    (tmp_path / "play.py").write_text(
        "import os, sys\nfor name in sorted(sys.argv[1:]): print(name.removeprefix('FAULTPROXY_'), os.environ[name])\n"
    )
    told = environment("127.0.0.1", 7000, upstream="127.0.0.1:6379", seed=7, scenario="a.toml[b]")
    client = await ran(Client([sys.executable, "play.py", *told], folder=tmp_path, environment=told))
    assert str(client.output).splitlines() == [
        "HOST 127.0.0.1",
        "PORT 7000",
        "SCENARIO a.toml[b]",
        "SEED 7",
        "UPSTREAM 127.0.0.1:6379",
    ]


async def test_one_that_hangs_is_killed_when_its_time_is_over() -> None:
    client = await ran(Client(python("print('begun', flush=True); import time; time.sleep(60)"), timeout=0.5))
    assert (client.exit, client.timed_out, str(client.output)) == (-9, True, "begun\n")


async def test_one_that_would_end_well_at_sigterm_has_not_done_its_work() -> None:
    polite = "import signal, sys, time; signal.signal(15, lambda *a: sys.exit(0)); time.sleep(60)"
    client = await ran(Client(python(polite), timeout=0.3))
    assert (client.exit, client.timed_out) == (-9, True)


async def test_what_hangs_takes_its_children_with_it() -> None:
    client = await ran(Client(python(PARENT), timeout=1.0))
    child = child_of(client)
    await until(lambda: not is_alive(child), "the child is gone")


async def test_what_it_leaves_behind_is_ended_and_does_not_hold_us_up() -> None:
    client = await ran(Client(python(LEAVER)))
    assert (client.exit, client.timed_out) == (0, False)
    child = child_of(client)
    await until(lambda: not is_alive(child), "the child is gone")


async def test_one_who_left_our_group_keeps_its_pipe_and_does_not_hold_us_up() -> None:
    leaver = LEAVER.replace('sleep(60)"]', 'sleep(60)"], start_new_session=True')
    client = await ran(Client(python(leaver)))
    assert client.exit == 0
    child = child_of(client)
    await until(lambda: not is_alive(child), "the child is gone, although it had left")


async def test_one_that_ignores_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faultproxy.verify.client.STOP_GRACE", 0.1)
    client = Client(python(STUBBORN))
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            await nursery.start(client.run)
            await until(lambda: "ready" in client.output, "its first words")
            nursery.cancel_scope.cancel()
    assert client.exit == -9


async def test_it_can_be_ended_by_force() -> None:
    client = Client(python("import time; time.sleep(60)"))
    client.kill()  # before it runs there is nothing to end
    async with trio.open_nursery() as nursery:
        await nursery.start(client.run)
        client.kill()
        await until(lambda: client.exit is not None, "its end")
    assert client.exit == -9


async def test_a_flood_of_output_is_kept_from_the_end() -> None:
    client = await ran(Client(python("import sys; sys.stdout.write('x' * 1_000_000 + 'last')")))
    assert (client.exit, len(str(client.output)), client.output.left_out) == (0, 65536, 1_000_004 - 65536)
    assert "xlast" in client.output


async def test_a_program_that_is_not_there_is_told_as_such(tmp_path: Path) -> None:
    client = Client(["no-such-program", "a b"])
    with pytest.raises(ScenarioError) as caught:
        await client.run()
    assert str(caught.value) == (
        "the client cannot be started: there is no program 'no-such-program' (is it installed, and on PATH?)\n"
        "  command: no-such-program 'a b'"
    )
    with pytest.raises(ScenarioError, match="there is no folder"):
        await Client(["true"], folder=tmp_path / "gone").run()
    (tmp_path / "play").write_text("no program")
    with pytest.raises(ScenarioError, match="the client cannot be started: Permission denied"):
        await Client([str(tmp_path / "play")]).run()


async def test_where_we_are_killed_the_client_dies_too() -> None:
    program = f"""
import trio
from faultproxy.verify.client import Client
async def main():
    client = Client({python("import time; time.sleep(60)")!r})
    async with trio.open_nursery() as nursery:
        await nursery.start(client.run)
        print(client.pid, flush=True)
trio.run(main)
"""
    with subprocess.Popen(python(program), stdout=subprocess.PIPE) as ours:  # noqa: ASYNC220 - it must not be trio's to reap
        assert ours.stdout is not None
        pid = int(await trio.to_thread.run_sync(ours.stdout.readline))
        assert is_alive(pid)
        ours.kill()
    await until(lambda: not is_alive(pid), "the client's death")
