"""A fault in words, for those who did not write the file: what it does, when, and to whom."""

from __future__ import annotations

from typing import Any

from faultproxy.core.units import show_duration
from faultproxy.faults.base import Choice, Fault, ListenerFault

COMMON = frozenset(Fault.model_fields)
"""Keys that every kind has; the others say what it does."""


def sentence(fault: Fault) -> str:
    """All in one line: ``slow: latency s2c, delay 200ms, jitter 50ms; from the start; on every connection``."""
    head = fault.kind if fault.name == fault.kind else f"{fault.name}: {fault.kind}"
    return f"{head}{does(fault)}; {when(fault)}; on {whom(fault)}"


def does(fault: Fault) -> str:
    """The keys of its own, as the file would have them: `` s2c, delay 200ms``."""
    table = fault.table()
    direction = table.pop("direction", None)
    if direction is None:
        direction = getattr(fault, "direction", None)
    if direction == ():  # of a packet fault on a connection that is not proxied, or on UDP
        direction = "both"
    way = f" {_value(direction)}" if direction is not None else ""
    own = [f"{key} {_value(value)}" for key, value in table.items() if key not in COMMON]
    return way + "".join(f", {part}" for part in own)


def when(fault: Fault) -> str:
    """What starts it, how long it lasts, how often."""
    parts = [_start(fault)]
    if fault.lasts is not None:
        parts.append(f"for {show_duration(fault.lasts)}")
    if fault.every is not None:
        parts.append(f"every {show_duration(fault.every)}")
    if fault.times is not None and fault.times > 1:
        parts.append(f"at most {fault.times} times")
    return ", ".join(parts)


def whom(fault: Fault) -> str:
    """Which connections."""
    if isinstance(fault, ListenerFault):
        return "the listener"
    chosen = fault.connections
    if chosen == "all":
        return "every connection"
    if isinstance(chosen, Choice):
        table = chosen.model_dump(mode="json", exclude_defaults=True)
        return f"connections with {', '.join(f'{key} {_value(value)}' for key, value in table.items())}"
    return f"connection{'s' if len(chosen) > 1 else ''} {_listed([str(number) for number in chosen])}"


def _start(fault: Fault) -> str:
    if fault.at is not None:
        return f"at {show_duration(fault.at + fault.after)}"
    if fault.manual:
        preposition, what = "when started ", "by hand"
    elif fault.after_bytes is not None:
        preposition, what = "behind ", _watched(fault.table()["after_bytes"])
    elif fault.on_match is not None:
        preposition, what = "behind ", _watched(fault.table()["on_match"], quoted=True)
    elif fault.on_fin is not None:
        preposition, what = "on ", f"the {fault.on_fin}'s FIN"
    elif fault.on_fault is not None or fault.on_heal is not None:
        preposition, what = "when ", f"{fault.on_fault} starts" if fault.on_fault is not None else f"{fault.on_heal} heals"
    else:
        preposition, what = "from ", "the start"
    return f"{show_duration(fault.after)} after {what}" if fault.after else preposition + what


def _watched(value: Any, quoted: bool = False) -> str:
    if isinstance(value, dict) and len(value) == 1 and (way := next(iter(value))) in ("c2s", "s2c"):
        return f"{_watched(value[way], quoted)} in {way}"
    return repr(value) if quoted and isinstance(value, str) else _value(value)


def _value(value: Any) -> str:
    match value:
        case dict():
            return " ".join(f"{key} {_value(part)}" for key, part in value.items())
        case list():
            return _listed([_value(part) for part in value])
        case bool():
            return "yes" if value else "no"
        case float() if 0 < value < 1:
            return f"{value:.4%}".rstrip("0%").rstrip(".") + "%"
        case str() if not value.isprintable() or not value:
            return repr(value)
    return str(value)


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
