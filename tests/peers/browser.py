"""A real browser, driven over its own protocol: the Chrome DevTools Protocol on a pair of pipes, a JSON text and a NUL each.

Every command is answered when it is done, every state is polled by name: no virtual time and no waiting for luck.
https://chromedevtools.github.io/devtools-protocol/ has the commands.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.peers.programs import PATIENCE, program, until

FLAGS = (
    "--headless",
    "--remote-debugging-pipe",
    # Its own sandbox needs what containers often withhold, and all it opens here are our own files.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--force-device-scale-factor=1",
)
START = 60.0
"""Seconds that it may take to come up: it is a big program, and a machine that runs tests is busy."""
KEYS = {
    "Delete": 46,
    "ArrowDown": 40,
    "ArrowUp": 38,
    "ArrowLeft": 37,
    "ArrowRight": 39,
    "Enter": 13,
    "Escape": 27,
    "Tab": 9,
    "Home": 36,
    "End": 35,
}
"""Keys that write nothing, by the names and numbers that the web knows them by."""


class Browser:
    """One that is running, with one page open."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._into, self._from = process.stdin.fileno(), process.stdout.fileno()
        self._unread = b""
        self._sent = 0
        self._session: str | None = None
        self.complaints: list[str] = []
        """What it had to say of the page: exceptions, errors, whatever the scripts have written to its console."""
        self.asked_for: list[str] = []
        """Every address that the page wanted to load."""
        self._loaded: set[str] = set()
        (page,) = (each for each in self.do("Target.getTargets", START)["targetInfos"] if each["type"] == "page")
        self._session = self.do("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.do(f"{domain}.enable")
        self.do("Page.setLifecycleEventsEnabled", enabled=True)

    def do(self, method: str, patience: float = PATIENCE, /, **parameters: Any) -> dict[str, Any]:
        """A command of the protocol; returns when it is answered."""
        self._sent += 1
        message: dict[str, Any] = {"id": self._sent, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        unsent = json.dumps(message).encode() + b"\0"
        while unsent:
            unsent = unsent[os.write(self._into, unsent) :]
        deadline = time.monotonic() + patience
        while True:
            answer = self._next(deadline, method)
            if answer.get("id") == self._sent:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: dict[str, Any] = answer["result"]
                return result
            self._heard(answer)

    def open(self, address: str, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Loads a page; its scripts have run when this returns. What was said of the page before is forgotten."""
        self.do("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.do("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self._load("about:blank")  # between two addresses of the same page nothing would be loaded
        self.complaints.clear()
        self.asked_for.clear()
        self._load(address)

    def _load(self, address: str) -> None:
        loader = self.do("Page.navigate", START, url=address)["loaderId"]
        deadline = time.monotonic() + START
        while loader not in self._loaded:
            self._heard(self._next(deadline, f"the loading of {address}"))

    def value(self, expression: str) -> Any:
        """What an expression is, there."""
        answer = self.do("Runtime.evaluate", START, expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, f"{expression}: {answer['exceptionDetails']}"
        return answer["result"].get("value")

    def comes(self, expression: str) -> Any:
        """Waits until an expression is true; returns what it is then."""
        until(lambda: self.value(expression), lambda: f"{expression} (it is {self.value(expression)!r})")
        return self.value(expression)

    def texts(self, selector: str) -> list[str]:
        """The texts of the elements that a selector finds."""
        found: list[str] = self.value(f"[...document.querySelectorAll({json.dumps(selector)})].map((each) => each.textContent)")
        return found

    def box(self, element: str) -> tuple[float, float, float, float]:
        """Where an element (an expression) stands in the window, brought into sight: left, top, width, height in pixels.

        What is scrolled to may move once more when it is laid out, so it must have stood still for two frames.
        """
        x, y, width, height = self.value(f"""(async () => {{
            let before = "";
            for (;;) {{
                const it = {element};
                it.scrollIntoView({{block: "nearest"}});
                const {{x, y, width, height}} = it.getBoundingClientRect();
                const now = [x, y, width, height];
                if (String(now) === before) return now;
                before = String(now);
                await new Promise((next) => requestAnimationFrame(() => requestAnimationFrame(next)));
            }}
        }})()""")
        return x, y, width, height

    def middle(self, selector: str) -> tuple[float, float]:
        """The middle of an element, brought into sight."""
        x, y, width, height = self.box(f"document.querySelector({json.dumps(selector)})")
        return x + width / 2, y + height / 2

    def point(self, x: float, y: float) -> None:
        """Moves the pointer."""
        self.do("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def click(self, selector: str) -> None:
        """A click of the left button upon an element."""
        where = self.middle(selector)
        self.drag(where, where)

    def drag(self, from_: tuple[float, float], to: tuple[float, float]) -> None:
        """Presses the left button at one place and releases it at another."""
        button: dict[str, Any] = {"button": "left", "buttons": 1, "clickCount": 1}
        self.point(*from_)
        self.do("Input.dispatchMouseEvent", type="mousePressed", x=from_[0], y=from_[1], **button)
        if to != from_:
            self.do("Input.dispatchMouseEvent", type="mouseMoved", x=to[0], y=to[1], **button)
        self.do("Input.dispatchMouseEvent", type="mouseReleased", x=to[0], y=to[1], **button)

    def wheel(self, x: float, y: float, delta: float, *, control: bool = False) -> None:
        """Turns the wheel; `delta` in pixels, downwards is positive."""
        self.do("Input.dispatchMouseEvent", type="mouseWheel", x=x, y=y, deltaX=0, deltaY=delta, modifiers=2 if control else 0)

    def key(self, key: str) -> None:
        """Presses a key where the focus is: a character, or a name out of `KEYS`."""
        known: dict[str, Any] = {"key": key}
        known |= {"windowsVirtualKeyCode": KEYS[key], "code": key} if key in KEYS else {"text": key}
        if key == "Enter":
            known["text"] = "\r"
        self.do("Input.dispatchKeyEvent", type="keyDown", **known)
        self.do("Input.dispatchKeyEvent", type="keyUp", **{name: each for name, each in known.items() if name != "text"})

    # --------------------------------------------------------- what it says

    def _next(self, deadline: float, method: str) -> dict[str, Any]:
        while b"\0" not in self._unread:
            left = deadline - time.monotonic()
            readable, _, _ = select.select([self._from], [], [], max(left, 0))
            assert readable, f"the browser did not answer to {method}"
            more = os.read(self._from, 1 << 20)
            assert more, f"the browser went away at {method}"
            self._unread += more
        text, _, self._unread = self._unread.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        return message

    def _heard(self, event: dict[str, Any]) -> None:
        about = event.get("params", {})
        match event.get("method"):
            case "Runtime.exceptionThrown":
                details = about["exceptionDetails"]
                self.complaints.append(details.get("exception", {}).get("description", details["text"]))
            case "Runtime.consoleAPICalled":
                self.complaints.append(" ".join(str(each.get("value", each.get("description"))) for each in about["args"]))
            case "Log.entryAdded":
                self.complaints.append(about["entry"]["text"])
            case "Network.requestWillBeSent":
                self.asked_for.append(about["request"]["url"])
            case "Page.lifecycleEvent" if about["name"] == "load":
                self._loaded.add(about["loaderId"])


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """Starts one, with a profile of its own in `folder`; it is gone with all its children when this ends."""
    # The protocol wants descriptors 3 and 4, and a shell is the shortest way to put what we have there.
    shell = ["sh", "-c", 'exec "$@" 3<&0 4>&1 </dev/null >/dev/null', "sh"]
    command = [*shell, program("chromium", "chromium"), *FLAGS, f"--user-data-dir={folder / 'profile'}", "about:blank"]
    with (folder / "stderr").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, bufsize=0, start_new_session=True)
    try:
        yield Browser(process)
    finally:
        # It has children; all are in its session.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
