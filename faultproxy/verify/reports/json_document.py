"""All results as one JSON document (RFC 8259: no NaN, no infinity)."""

from __future__ import annotations

import json
import math
from typing import Any

from faultproxy import __version__
from faultproxy.verify.reports.whole import Whole


def write(whole: Whole) -> str:
    """The document: what was run, the totals, then every result with all that is known of it."""
    document = {
        "faultproxy": __version__,
        "command": whole.command,
        "began": whole.began.isoformat() if whole.began is not None else None,
        "seconds": whole.seconds,
        "seed": whole.seed,
        "outcome": whole.outcome,
        "totals": whole.totals,
        "results": [result.table() for result in whole.results],
    }
    return json.dumps(finite(document), allow_nan=False) + "\n"


def finite(value: Any) -> Any:
    """The same with null in place of numbers that JSON does not have."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: finite(each) for key, each in value.items()}
        case list() | tuple():
            return [finite(each) for each in value]
    return value
