"""The kinds of fault by name, and the names that other tools have for them."""

from __future__ import annotations

from difflib import get_close_matches

from faultproxy.faults.tables import BY_KIND

_LOSS = "packets are lost with `drop` (of the packet plane); bytes of a TCP stream are never lost, only swallowed: `blackhole`"
SYNONYMS = {
    "lag": "it is called `latency`",
    "slow": "it is called `latency` (late) or `bandwidth` (thin)",
    "jitter": 'it is a key of `latency`: jitter = "50ms"',
    "loss": _LOSS,
    "packet_loss": _LOSS,
    "rate": "it is called `bandwidth`",
    "throttle": "it is called `bandwidth`",
    "limit": "it is called `bandwidth`",
    "slicer": "it is called `slice`",
    "chop": "it is called `slice`",
    "fragment": "it is called `slice`",
    "drip": "it is called `slice`, with a small `size` and an `interval`; as a client's behaviour, `drip` of a [[crowd]]",
    "dribble": "it is called `slice`, with a small `size` and an `interval`",
    "reset_peer": "it is called `reset`",
    "rst": "it is called `reset`; for a RST in somebody's name, `forge`",
    "abort": "it is called `reset`",
    "timeout": "silence is `blackhole` (bytes are swallowed) or `stall_reads` (bytes wait); to end the connection after it, add `close`",
    "slow_close": "it is called `hold_fin`: the FIN comes late, one way",
    "delay_fin": "it is called `hold_fin`",
    "limit_data": 'it is `close` with after_bytes = "64KiB"',
    "close_after_bytes": 'it is `close` with after_bytes = "64KiB"',
    "partition": "between two ends it is `vanish` (of the packet plane); for bytes alone, `blackhole` or `stall_reads`",
    "down": "it is called `refuse`",
    "reject": "it is called `refuse`",
    "pause": "it is called `stall_reads`",
    "stall": "it is called `stall_reads`",
    "hang": "it is called `stall_reads`; before the connection, `accept_stall`",
    "noop": "it is called `stall_reads`, if nobody is to read; a fault that does nothing is left out",
    "zero_window": "really full it is `stall_reads`; only announced, `window` (of the packet plane)",
    "half_open": "one end gone, the other unaware: `vanish` (of the packet plane), or `reset` in one direction",
    "duplication": "it is called `duplicate`",
    "reordering": "it is called `reorder`",
    "corruption": "on segments it is called `corrupt`, on bytes `flip`",
    "mutate": "it is called `flip`",
    "replay": "it is called `duplicate` (of the packet plane)",
    "nat_rebind": "it is called `source`",
}


def unknown_kind(kind: object) -> str:
    """What to say of a `kind` that there is not."""
    if not isinstance(kind, str):
        return f"expected the name of a kind of fault, not {kind!r}"
    if hint := SYNONYMS.get(kind.lower().replace("-", "_").replace(" ", "_")):
        return f"there is no fault `{kind}`: {hint}"
    near = get_close_matches(kind.lower().replace("-", "_"), BY_KIND, 1, 0.6)
    return f"there is no fault `{kind}`: " + (f"did you mean `{near[0]}`?" if near else f"the kinds are {', '.join(BY_KIND)}")
