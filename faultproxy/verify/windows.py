"""Whether a socket may not send because its peer's window is closed. Pure."""

from __future__ import annotations

from faultproxy.kernel.sockdiag import Diag

_HEARD_OF_NO_WINDOW = ("SYN_SENT", "SYN_RECV", "LISTEN")


def is_closed(row: Diag) -> bool:
    """Whether it has something to send and its peer's window is 0.

    The probe timer (RFC 9293, 3.8.6.1) says so only where nothing is in flight. A window that shrinks to 0 over what is leaves the timer of
    retransmission running, and then only the window itself tells (tcp_retransmit_timer() of Linux probes there as well).
    """
    if row.send_queue == 0:
        return False
    told = row.info is not None and row.info.snd_wnd == 0 and row.state not in _HEARD_OF_NO_WINDOW
    return told or row.timer == "window_probe"
