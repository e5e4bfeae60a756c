"""The kinds of fault. One file = one kind = schema + behaviour + user documentation; a new kind is a file and a line in `KINDS`."""

from faultproxy.faults.base import Fault
from faultproxy.faults.stream.latency import Latency

KINDS: tuple[type[Fault], ...] = (Latency,)
