"""The counters of this network namespace, from ``/proc/net/snmp`` and ``/proc/net/netstat``.

Either file holds pairs of lines, the names and then their values, both led by the protocol that they belong to::

    Tcp: RtoAlgorithm RtoMin … RetransSegs …
    Tcp: 1 200 … 17 …

The same name occurs under several protocols (`InCsumErrors` under Tcp, Udp and Icmp), so the protocol is a part of ours. Names are the
kernel's; Documentation/networking/snmp_counter.rst explains many of them.
"""

from __future__ import annotations

from pathlib import Path

from faultproxy.errors import CapabilityError

_FILES = ("snmp", "netstat")


def counters() -> dict[str, int]:
    """All of them, as ``{"Tcp.RetransSegs": 17, "TcpExt.TCPTimeouts": 3, …}``: since the namespace was made, so compare two readings.

    They count for everybody in the namespace. A counter that the kernel does not have is not in the table. Raises CapabilityError
    where there are no such files.
    """
    # A thread may have entered another namespace than its process, so ours is the thread's.
    folder = Path("/proc/thread-self/net")
    found: dict[str, int] = {}
    for name in _FILES:
        try:
            found |= parse((folder / name).read_text(encoding="ascii"))
        except OSError as error:
            raise CapabilityError(
                f"cannot read the kernel's counters in {folder / name} ({error.strerror}): "
                "they are known on Linux with /proc mounted only; run there, or leave out what asks for them"
            ) from error
    return found


def parse(text: str) -> dict[str, int]:
    """The counters in the text of one file. ValueError if its lines are not the pairs that they should be."""
    lines = text.splitlines()
    found: dict[str, int] = {}
    for names, values in zip(lines[::2], lines[1::2], strict=True):
        protocol, _, rest = names.partition(":")
        other, _, numbers = values.partition(":")
        if protocol != other:
            raise ValueError(f"the names of {protocol} are followed by the values of {other}")
        found |= {f"{protocol}.{name}": int(number) for name, number in zip(rest.split(), numbers.split(), strict=True)}
    return found
