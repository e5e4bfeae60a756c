"""The kinds of fault. One file = one kind = schema + behaviour + user documentation; a new kind is a file and a line in `KINDS`."""

from faultproxy.faults.base import Fault
from faultproxy.faults.connection.accept_stall import AcceptStall
from faultproxy.faults.connection.close import CloseFault
from faultproxy.faults.connection.connect_delay import ConnectDelay
from faultproxy.faults.connection.half_close import HalfClose
from faultproxy.faults.connection.hold_fin import HoldFin
from faultproxy.faults.connection.linger import Linger
from faultproxy.faults.connection.refuse import Refuse
from faultproxy.faults.connection.reset import Reset
from faultproxy.faults.connection.source import Source
from faultproxy.faults.packet.corrupt import Corrupt
from faultproxy.faults.packet.delay import Delay
from faultproxy.faults.packet.drop import Drop
from faultproxy.faults.packet.duplicate import Duplicate
from faultproxy.faults.packet.flags import Flags
from faultproxy.faults.packet.forge import Forge
from faultproxy.faults.packet.mtu import Mtu
from faultproxy.faults.packet.reorder import Reorder
from faultproxy.faults.packet.strip import Strip
from faultproxy.faults.packet.timestamps import Timestamps
from faultproxy.faults.packet.vanish import Vanish
from faultproxy.faults.packet.window import Window
from faultproxy.faults.stream.bandwidth import Bandwidth
from faultproxy.faults.stream.blackhole import Blackhole
from faultproxy.faults.stream.coalesce import Coalesce
from faultproxy.faults.stream.flip import Flip
from faultproxy.faults.stream.inject import Inject
from faultproxy.faults.stream.latency import Latency
from faultproxy.faults.stream.slice import Slice
from faultproxy.faults.stream.stall_reads import StallReads

STREAM: tuple[type[Fault], ...] = (Latency, Bandwidth, Slice, Coalesce, StallReads, Blackhole, Flip, Inject)
CONNECTION: tuple[type[Fault], ...] = (Refuse, Reset, CloseFault, HalfClose, HoldFin, AcceptStall, ConnectDelay, Linger, Source)
PACKET: tuple[type[Fault], ...] = (Drop, Delay, Duplicate, Reorder, Corrupt, Window, Forge, Strip, Flags, Timestamps, Mtu, Vanish)

KINDS: tuple[type[Fault], ...] = (*STREAM, *CONNECTION, *PACKET)
