"""`[sandbox]`: a network namespace, and the kernel settings that a scenario may make in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from faultproxy.faults.fields import Strict
from faultproxy.scenario.sections import Whole

_TCP = (
    "abort_on_overflow adv_win_scale autocorking base_mss congestion_control dsack early_retrans ecn fack fastopen fin_timeout frto "
    "invalid_ratelimit keepalive_intvl keepalive_probes keepalive_time limit_output_bytes linger2 max_reordering max_syn_backlog "
    "max_tw_buckets min_rto_wlen min_snd_mss min_tso_segs moderate_rcvbuf mtu_probing no_metrics_save notsent_lowat orphan_retries "
    "recovery reordering retrans_collapse retries1 retries2 rfc1337 rmem rto_max_ms rto_min_us sack shrink_window "
    "slow_start_after_idle stdurg syn_linear_timeouts syn_retries synack_retries syncookies thin_linear_timeouts timestamps "
    "tso_win_divisor tw_reuse tw_reuse_delay window_scaling wmem workaround_signed_windows"
)
SYSCTLS = frozenset(
    f"net.{name}"
    for name in (
        *(f"ipv4.tcp_{name}" for name in _TCP.split()),
        "core.somaxconn",
        "ipv4.ip_local_port_range",
        "ipv4.ip_local_reserved_ports",
        "ipv4.ip_default_ttl",
    )
)
"""What a sandbox may set: names that belong to a network namespace. A list of allowed names and not of forbidden ones, because a sandbox
that root has started could write others for the whole host."""


def flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """``{net = {ipv4 = {x = 1}}}`` and ``{"net.ipv4.x" = 1}`` alike as ``("net.ipv4.x", 1)``."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _sysctl(value: object) -> Any:
    if not isinstance(value, dict):
        raise ValueError('expected a table such as {"net.ipv4.tcp_retries2" = 3}')
    settings = dict(flat(value))
    for name, setting in settings.items():
        if name not in SYSCTLS:
            near = get_close_matches(name, SYSCTLS, 1, 0.8)
            if name == "mtu":
                raise ValueError("[sandbox.sysctl] has caught it: `mtu` belongs to [sandbox], so put it above that header")
            hint = f"did you mean `{near[0]}`?" if near else "only names of TCP that belong to a network namespace can be"
            raise ValueError(f"`{name}` cannot be set in a sandbox: {hint}")
        if isinstance(setting, bool) or not isinstance(setting, int | str) or not str(setting).strip():
            raise ValueError(f'`{name}` is a number, or a string such as "40000 40099", not {setting!r}')
    return tuple((name, str(setting)) for name, setting in settings.items())


class Sandbox(Strict):
    """A network namespace of its own: loopback only, no privilege needed, nothing on the host is touched."""

    sysctl: Annotated[
        tuple[tuple[str, str], ...], BeforeValidator(_sysctl), WithJsonSchema({"type": "object", "additionalProperties": True})
    ] = Field((), description="kernel settings, for client, server and the proxy's own legs alike")
    mtu: Whole = Field(1500, ge=68, le=65536, description="the largest packet of the loopback, in bytes; outside of sandboxes it is 65536")
