"""A client that hears no acknowledgement, on the live page: run in a sandbox, in a process that has no threads yet (a fork of pytest has
inherited what trio knows of those of its parent)."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.control.page.conftest import READY
from tests.control.page.stage import stage
from tests.peers.browser import browser

LABELS = "[...document.querySelectorAll('.ladder text.label')].map((each) => each.textContent)"
DEAF = {"kind": "drop", "name": "deaf", "direction": "to_client", "segments": ["ack"], "rewind": True, "manual": True}


def main() -> None:
    """The client's own kernel sends again; its proxy's kernel tells so by D-SACK, on ACKs that the fault drops."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, browser(Path(folder)) as page, stage() as on:
        client = on.connect(on.made(faults=[DEAF]))
        page.open(on.url)
        page.comes(READY)
        page.comes(f"{LABELS}.includes('SYN ACK')")
        page.click(".switch")
        page.comes("document.querySelector('.band.f0') !== null")
        on.send(client, b"x" * 500)
        page.comes(f"{LABELS}.includes('retransmission 500 B') && {LABELS}.includes('ACK · deaf')")
        page.comes("document.querySelector('.cross.f0') !== null")
        page.comes("/^The client has sent the same 500 B again [3-9] times, waiting/.test(document.querySelector('#stall').textContent)")
        page.comes("Number([...document.querySelectorAll('.kernel tr')].at(-1).querySelector('.value').textContent) >= 3")
        page.click(".switch")
        page.comes(f"{LABELS}.includes('made up · deaf')")
        page.comes("document.querySelector('#stall').hidden")
        assert page.complaints == []


if __name__ == "__main__":
    main()
