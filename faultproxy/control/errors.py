"""What can be wrong with an order to the control plane, besides what can be wrong with a scenario."""

from __future__ import annotations

from faultproxy.errors import FaultproxyError


class ControlError(FaultproxyError):
    """An order that cannot be carried out; the message says why and what to do."""


class Unknown(ControlError):
    """There is no such proxy, fault, connection or run."""


class Taken(ControlError):
    """There is one of that name already."""


class Bounded(ControlError):
    """There are as many of them as may be."""


class Unfit(ControlError):
    """It cannot be done in this state: the proxy is not listening, or a fault would act on segments where it may not."""
