from __future__ import annotations

from pathlib import Path

import pytest

from faultproxy.errors import ScenarioError
from faultproxy.scenario import load_text
from faultproxy.scenario.variables import RUN_TIME, Unknown, Value, fill, from_command_line, references, substitute

VALUES: dict[str, Value] = {"late": "5s", "out": 3, "share": 0.5, "yes": True, "price": "5$"}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("", ""),
        ("plain", "plain"),
        ("${late}", "5s"),
        ("${out}", 3),
        ("${share}", 0.5),
        ("${yes}", True),
        ("p${out}!", "p3!"),
        ("${yes}${out}", "true3"),
        ("^OK$", "^OK$"),
        ("$HOME ${", "$HOME ${"),
        ("$$", "$"),
        ("$${out}", "${out}"),
        ("$$$${out}", "$${out}"),
        ("$$${out}", "$3"),
        ("${price}", "5$"),
    ],
)
def test_filled_on_loading(text: str, result: Value) -> None:
    filled = fill(text, VALUES, ())
    assert (filled, type(filled)) == (result, type(result))


@pytest.mark.parametrize(
    ("text", "template", "result"),
    [
        ("${n}", "${n}", "7"),
        ("${out}", "3", "3"),
        ("${price} $$ ${n}", "5$$ $$ ${n}", "5$ $ 7"),
        ("$${n}", "$${n}", "${n}"),
        ("a$", "a$", "a$"),
    ],
)
def test_filled_in_two_moments(text: str, template: str, result: str) -> None:
    assert fill(text, VALUES, RUN_TIME) == template
    assert substitute(template, {"n": 7}) == result


def test_a_list_is_filled_part_by_part() -> None:
    assert substitute(["--port", "${server_port}", "$$"], {"server_port": 99}) == ("--port", "99", "$")


@pytest.mark.parametrize(
    ("text", "later", "message"),
    [
        ("${lat}", (), "unknown name `${lat}`: did you mean `${late}`?"),
        ("${zebra}", (), "unknown name `${zebra}`: known here: late, out, share, yes, price; define it in [vars] or with --var"),
        ("${}", (), "unknown name `${}`: known here: late, out, share, yes, price; define it in [vars] or with --var"),
        ("${server_prt}", RUN_TIME, "unknown name `${server_prt}`: did you mean `${server_port}`?"),
        ("${n}", ("seed",), "`${n}` is the number of a crowd's member: it is known only in the `hello`, `send` and `reply` of a [[crowd]]"),
        (
            "${seed}",
            (),
            "`${seed}` is known only while a run goes on: it can stand in a `command`, a `hello`, `send` or `reply`, and in `contains`",
        ),
    ],
)
def test_names_that_are_not_known(text: str, later: tuple[str, ...], message: str) -> None:
    with pytest.raises(Unknown) as caught:
        fill(text, VALUES, later)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "default", "value"),
    [
        ("3", None, 3),
        ("3", 1, 3),
        ("3", "1", "3"),
        ("0.5", None, 0.5),
        ("true", None, True),
        ("5s", None, "5s"),
        ("", None, ""),
        ("[1]", None, "[1]"),
        ("1\na = 2", None, "1\na = 2"),
    ],
)
def test_values_of_the_command_line(text: str, default: Value | None, value: Value) -> None:
    found = from_command_line(text, default)
    assert (found, type(found)) == (value, type(value))


def test_references_in_order() -> None:
    assert references("${b} $${c} ${a}$") == ("b", "a")


def test_a_few_lines_do_not_fill_all_memory() -> None:
    tenfold = "\n".join(f'v{number + 1} = "{f"${{v{number}}}" * 10}"' for number in range(12))
    with pytest.raises(ScenarioError, match="a string has at most"):
        load_text(f'[vars]\nv0 = "0123456789"\n{tenfold}\n[proxy]\nlisten = "${{v12}}"\n', "x.toml", Path())
    many = ", ".join(['"${v}"'] * 300)
    with pytest.raises(ScenarioError, match="this is no scenario file"):
        load_text(f'[vars]\nv = "{"x" * 20_000}"\n[proxy]\nlisten = [{many}]\n', "x.toml", Path())
