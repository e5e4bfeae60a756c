"""`/v1` against its own OpenAPI document: whatever a caller sends, no mistake of ours comes of it, and answers are as described."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import tempfile
from functools import partial

import pytest
import trio

from faultproxy.cli.serve import play
from tests.control.harness import daemon

pytestmark = pytest.mark.live

EXAMPLES = 6
"""For each operation."""
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


async def test_whatever_is_sent() -> None:
    async with daemon(play=play) as here:
        await here.made("0", faults=[{"kind": "latency", "name": "0", "delay": "1ms"}])
        with tempfile.TemporaryDirectory() as folder:
            document = pathlib.Path(folder) / "openapi.json"
            found = await here.api.get("/v1/openapi.json")
            assert found.status_code == 200, found.text
            document.write_bytes(found.content)
            command = [
                *(sys.executable, "-m", "schemathesis.cli", "run", str(document), "--url", f"http://127.0.0.1:{here.port}/v1"),
                *("--checks", CHECKS, "--max-examples", str(EXAMPLES), "--phases", "fuzzing"),
                *("--generation-deterministic", "--no-color"),
                # Streams have no end that it could wait for, and an address of its own choice is dialled by nobody.
                *("--exclude-path", "/journal", "--exclude-path-regex", "/events$", "--request-timeout", "5"),
            ]
            run = partial(trio.run_process, command, capture_stdout=True, stderr=subprocess.STDOUT, check=False, cwd=folder)
            with trio.fail_after(300):
                done = await run()
        assert done.returncode == 0, done.stdout.decode(errors="replace")[-6000:]
        assert (await here.api.get("/v1/version")).status_code == 200
