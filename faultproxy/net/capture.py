"""A capture: the packets of a run, and what was done to each, in a file for Wireshark (pcapng)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from faultproxy.core import pcapng
from faultproxy.core.limits import CAPTURE_BUFFER
from faultproxy.errors import ScenarioError


class Capture:
    """A file that packets are written to. What can be read of it is whole at any time: only whole packets are ever written.

    Written packets wait in memory until there are 64 KiB of them or until `flush`; those are lost to a kill. If the file cannot be
    written any more, the disk being full, the capture ends with one call of `notify`; the run goes on.
    """

    def __init__(self, path: Path, notify: Callable[[str], None], *, application: str = "faultproxy", comment: str = "") -> None:
        """Creates the file, or empties it. `comment` says what the whole capture is of. Raises ScenarioError if it cannot be written."""
        self._notify = notify
        self._path = path
        self._waiting = bytearray()
        self._interfaces: dict[str, int] = {}
        self._size = 0
        try:
            self._file: int | None = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise ScenarioError(f"--pcap {path}: cannot be written ({error.strerror})") from error
        self._waiting += pcapng.section(application, comment)
        self.flush()

    def interface(self, name: str) -> int:
        """The number of the interface of that name, which is described in the file the first time."""
        if name not in self._interfaces:
            self._interfaces[name] = len(self._interfaces)
            self._add(pcapng.interface(name))
        return self._interfaces[name]

    def packet(self, interface: int, time: float, data: bytes, *, outbound: bool, length: int | None = None, comment: str = "") -> None:
        """Adds one packet, from its IP header on; `time` is in seconds since 1970, `length` its whole length if `data` is a part."""
        if self._file is not None:
            self._add(pcapng.packet(interface, time, data, outbound=outbound, length=length, comment=comment))

    def flush(self) -> None:
        """Writes what waits."""
        if self._file is None:
            return
        waiting = bytes(self._waiting)
        self._waiting.clear()
        rest = memoryview(waiting)
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError as error:
            self._end(error)
        else:
            self._size += len(waiting)

    def close(self) -> None:
        """Writes what waits, and closes the file. Once closed, a capture takes packets and throws them away."""
        self.flush()
        if self._file is not None:
            self._shut(self._file)

    def _add(self, block: bytes) -> None:
        if self._file is None:
            return
        self._waiting += block
        if len(self._waiting) >= CAPTURE_BUFFER:
            self.flush()

    def _end(self, error: OSError) -> None:
        file = self._file
        assert file is not None
        with contextlib.suppress(OSError):  # a pipe has no end to cut
            os.ftruncate(file, self._size)
        self._shut(file)
        self._notify(f"the capture {self._path} ends here: it cannot be written ({error.strerror})")

    def _shut(self, file: int) -> None:
        self._file = None
        with contextlib.suppress(OSError):  # some file systems tell of a full disk only now; there is nothing left to be done
            os.close(file)
