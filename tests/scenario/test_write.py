"""What is written reads back equal, whatever it holds."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faultproxy.faults.fields import data_bytes
from faultproxy.scenario.write import dumps, inline, message

TEXT = st.text(st.characters(codec="utf-8"))
KEYS = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=8)
SCALARS = st.one_of(TEXT, st.integers(), st.booleans(), st.floats(allow_nan=False))
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8)
TABLES = st.dictionaries(KEYS, VALUES, max_size=4)
DOCUMENTS = st.dictionaries(KEYS, VALUES | TABLES | st.lists(TABLES, min_size=1, max_size=3), max_size=5)


@given(DOCUMENTS)
def test_documents(document: dict[str, Any]) -> None:
    assert tomllib.loads(dumps(document)) == document


@given(st.binary())
def test_messages(data: bytes) -> None:
    written = tomllib.loads(dumps({"fault": [{"payload": data}]}))["fault"][0]["payload"]
    assert data_bytes(written) == data


@pytest.mark.parametrize(
    ("data", "written"),
    [
        (b"PING\r\n", "PING\r\n"),
        ("Grüße".encode(), "Grüße"),
        (b"\x00", {"hex": "00"}),
        (b"a\x1b[0m", {"hex": "61 1b 5b 30 6d"}),
        (b"\xff", {"hex": "ff"}),
    ],
)
def test_control_characters_are_written_as_hex(data: bytes, written: object) -> None:
    assert message(data) == written


def test_a_file_as_one_would_write_it() -> None:
    document = {
        "fault": [{"kind": "latency", "delay": "5ms", "connections": {"skip": 1}, "proxy": None}, {"kind": "reset"}],
        "title": 'a "b" \\x41',
        "proxy": {"listen": "127.0.0.1:0"},
        "sandbox": {"sysctl": {"net.ipv4.tcp_retries2": 3}},
    }
    assert dumps(document) == (
        'title = "a \\"b\\" \\\\x41"\n'
        "\n[[fault]]\n"
        'kind = "latency"\ndelay = "5ms"\nconnections = {skip = 1}\n'
        '\n[[fault]]\nkind = "reset"\n'
        '\n[proxy]\nlisten = "127.0.0.1:0"\n'
        '\n[sandbox]\nsysctl = {"net.ipv4.tcp_retries2" = 3}\n'
    )


def test_what_toml_does_not_have() -> None:
    with pytest.raises(TypeError, match="TOML has nothing for"):
        inline(object())
    with pytest.raises(ValueError, match="reads back equal"):
        dumps({"x": float("nan")})
