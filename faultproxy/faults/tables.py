"""Faults from tables of plain JSON, as the journal keeps them: `Fault.table()` the other way round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from faultproxy.core.plan import FaultPlan
from faultproxy.faults import KINDS
from faultproxy.faults.base import Fault

BY_KIND: dict[str, type[Fault]] = {kind.model_fields["kind"].default: kind for kind in KINDS}
"""Every kind of fault by its name, in the order in which they are shown."""


def fault(table: Mapping[str, Any]) -> Fault:
    """The fault of a table. Raises ValueError, in one line."""
    kind = BY_KIND.get(str(table.get("kind")))
    if kind is None:
        raise ValueError(f"there is no kind of fault {table.get('kind')!r}")
    try:
        return kind.model_validate(table)
    except ValidationError as exc:
        first = exc.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"the fault {table.get('name')!r} cannot be read: {place}: {first['msg']}") from exc


def plans(tables: Sequence[Mapping[str, Any]]) -> list[FaultPlan]:
    """What the core needs of the faults of these tables; `core.replay.Build`. Raises ValueError."""
    return [fault(table).plan() for table in tables]
