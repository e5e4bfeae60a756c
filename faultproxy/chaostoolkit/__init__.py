"""An extension for Chaos Toolkit: actions and probes over `/v1` of any number of daemons.

An experiment names them as providers of type ``python``: module `faultproxy.chaostoolkit.actions` or `.probes`, with the function's
arguments. Where the daemon listens is configuration ``faultproxy_api`` (or argument `api`, where there are many), its token the secret
``faultproxy_token`` (or the environment's FAULTPROXY_TOKEN). Whatever is refused fails the activity, with what the daemon said.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from chaoslib.discovery.discover import discover_activities, initialize_discovery_result
from chaoslib.exceptions import ActivityFailed
from chaoslib.types import Discovery

from faultproxy import __version__
from faultproxy.control import HERE
from faultproxy.control.client import Client
from faultproxy.errors import FaultproxyError

Given = Mapping[str, Any] | None


@contextmanager
def daemon(api: str | None, configuration: Given, secrets: Given) -> Iterator[Client]:
    """Speaks to the daemon that is meant. Raises ActivityFailed."""
    where = api or (configuration or {}).get("faultproxy_api") or os.environ.get("FAULTPROXY_API") or HERE
    token = (secrets or {}).get("faultproxy_token") or os.environ.get("FAULTPROXY_TOKEN")
    try:
        with Client(where, token) as client:
            yield client
    except FaultproxyError as error:
        raise ActivityFailed(str(error)) from error


def discover(discover_system: bool = True) -> Discovery:
    """What ``chaos discover faultproxy`` finds."""
    found = initialize_discovery_result("faultproxy", __version__, "network")
    found["activities"].extend(discover_activities("faultproxy.chaostoolkit.actions", "action"))
    found["activities"].extend(discover_activities("faultproxy.chaostoolkit.probes", "probe"))
    return found
