"""The errors of faultproxy, named by who must act."""

from __future__ import annotations


class FaultproxyError(Exception):
    """Anything that a user is told in one clear message instead of a traceback."""

    exit_code = 1


class Mistake(FaultproxyError):
    """A mistake of faultproxy itself: we must act. The exit code is EX_SOFTWARE of sysexits(3), so that it is not taken for a finding."""

    exit_code = 70

    def __init__(self, error: BaseException, doing: str = "") -> None:
        """`error` is what nobody expected; `doing` says what was being done: ``"writing page.html"``."""
        meanwhile = f", {doing}" if doing else ""
        super().__init__(f"a mistake of faultproxy itself{meanwhile}: {error!r}\n{PLEASE}")


PLEASE = "Please report it where you have faultproxy from; FAULTPROXY_DEBUG=1 in the environment shows where it happened."
"""What a user who meets a mistake of ours can do."""


class Terminated(BaseException):
    """SIGTERM has come: it ends what Ctrl-C ends, in the same order, and is told as what it is. (As a KeyboardInterrupt, the library that
    reads the command line would take it for one.)
    """


class ScenarioError(FaultproxyError):
    """The scenario file or the command line is wrong: whoever wrote it must act.

    `mistakes` holds every mistake found, each already as ``file:line: path: what is wrong``.
    """

    exit_code = 2

    def __init__(self, *mistakes: str) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class ListenError(FaultproxyError):
    """The proxy cannot listen where it was told to: port taken, no such address, no permission."""

    exit_code = 2


class UpstreamError(FaultproxyError):
    """What stands behind the proxy cannot be had: the server did not start, or was never ready."""


class CapabilityError(FaultproxyError):
    """This machine or this user cannot do what the scenario needs. The message names what is missing and the way out."""

    exit_code = 4


class JournalError(FaultproxyError):
    """The file is no journal that this version can replay: foreign, empty, damaged, or written by a later version."""

    exit_code = 2
