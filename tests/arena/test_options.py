"""What the command line asks for."""

from __future__ import annotations

import pytest

from faultproxy.arena.defences import ALL, NAIVE, Defences
from faultproxy.arena.options import defences, parser


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        ([], ALL),
        (["--without", "resume"], ALL.without(["resume"])),
        (["--without", "resume, half_close,", "--without", "heartbeat"], ALL.without(["heartbeat", "half_close", "resume"])),
        (["--naive"], NAIVE),
        (["--naive", "--without", "resume"], NAIVE),
        (["--without", "resume", "--naive"], NAIVE),
    ],
)
def test_defences(arguments: list[str], left: Defences) -> None:
    assert defences(parser().parse_args(arguments)) == left


def test_a_defence_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(["--without", "resume,half_closed"])
    assert ended.value.code == 2
    assert "argument --without: there is no defence 'half_closed' (do you mean 'half_close'?)" in capsys.readouterr().err
