"""Wrong files: each `tests/data/wrong/NAME.toml` gives exactly the messages of `NAME.txt`, and nothing ever gives a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultproxy.errors import ScenarioError
from faultproxy.scenario import load_text

DATA = Path(__file__).parent.parent / "data"
WRONG = sorted((DATA / "wrong").glob("*.toml"))
RIGHT = [path.read_text() for path in sorted((DATA / "scenarios").glob("*.toml"))]


@pytest.mark.parametrize("path", WRONG, ids=lambda path: path.stem)
def test_every_mistake_at_once(path: Path) -> None:
    with pytest.raises(ScenarioError) as caught:
        load_text(path.read_text(), path.name, path.parent)
    assert list(caught.value.mistakes) == path.with_suffix(".txt").read_text().splitlines()


def test_there_are_wrong_files() -> None:
    assert len(WRONG) > 40


def test_a_mistake_is_told_once_however_many_cases_meet_it() -> None:
    text = '[[case]]\nname = "a"\n[[case]]\nname = "b"\n[[fault]]\nkind = "latency"\ndelay = 5\n'
    with pytest.raises(ScenarioError) as caught:
        load_text(text, "x.toml", Path())
    assert caught.value.mistakes == ('x.toml:7: fault "latency".delay: a time needs a unit: write it like "50ms", not 5',)


def test_variables_that_nothing_uses() -> None:
    text = '[vars]\nlimit = "5s"\n[proxy]\nlisten = "127.0.0.1:0"\n'
    with pytest.raises(ScenarioError) as caught:
        load_text(text, "x.toml", Path(), variables={"limt": "1s", "seed": "3"})
    assert caught.value.mistakes == (
        "--var: nothing in the file uses `${limt}`: did you mean `limit`?",
        "--var: `seed` is filled in by the run and cannot be set",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[vars]\na = "${b}"\nb = "${a}"\n', "x.toml:2: vars.a: `${a}` is made of itself"),
        ('[vars]\na = "${seed}"\n', "x.toml:2: vars.a: `${seed}` is known only while a run goes on"),
        ("[vars]\nseed = 3\n", "x.toml:2: vars.seed: `seed` is filled in by the run: choose another name"),
        ('[vars]\n"a b" = 3\n', "x.toml:2: vars.a b: the name of a variable has letters, digits"),
        ("[vars]\na = [1]\n", "x.toml:2: vars.a: a variable is a string, a number, true or false, not [1]"),
    ],
)
def test_variables_that_cannot_be(text: str, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        load_text(text, "x.toml", Path())
    assert caught.value.mistakes[0].startswith(message)


VALUES = st.sampled_from(
    ["1", "-5", '""', '"5s"', "[]", "{}", "true", "nan", '"${x}"', "[1, {a = 2}]", '{hex = "0"}', "1979-05-27", '"unix:/x"']
)


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_no_file_however_wrong_gives_a_traceback(data: st.DataObject) -> None:
    lines = data.draw(st.sampled_from(RIGHT)).splitlines()
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(lines) - 1))
        change = data.draw(st.sampled_from(["drop", "double", "swap", "value", "garble"]))
        key, equals, _value = lines[place].partition(" = ")
        if change == "drop":
            del lines[place]
        elif change == "double":
            lines.insert(place, lines[place])
        elif change == "swap":
            other = data.draw(st.integers(0, len(lines) - 1))
            lines[place], lines[other] = lines[other], lines[place]
        elif change == "value" and equals:
            lines[place] = f"{key} = {data.draw(VALUES)}"
        else:
            lines[place] = data.draw(st.text(max_size=12)) + lines[place]
        lines = lines or [""]
    mistakes: tuple[str, ...] = ()
    try:
        assert load_text("\n".join(lines), "x.toml", DATA / "scenarios")
    except ScenarioError as exc:
        mistakes = exc.mistakes
    assert all(mistake.startswith(("x.toml", str(DATA / "scenarios"))) for mistake in mistakes)
