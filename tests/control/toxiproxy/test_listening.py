"""Addresses to listen on, as Go writes them."""

from __future__ import annotations

import pytest

from faultproxy.control.toxiproxy import listening
from faultproxy.control.toxiproxy.listening import BadAddress


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ("", 0)),
        (":3310", ("", 3310)),
        (":0", ("", 0)),
        ("localhost:", ("localhost", 0)),
        ("localhost:3310", ("localhost", 3310)),
        ("127.0.0.1:http", ("127.0.0.1", 80)),
        ("[::1]:80", ("::1", 80)),
        ("[::]:80", ("::", 80)),
    ],
)
def test_what_is_an_address(text: str, parts: tuple[str, int]) -> None:
    assert listening.split(text) == parts


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("foo", "address foo: missing port in address"),
        ("[::1]", "address [::1]: missing port in address"),
        ("::1:80", "address ::1:80: too many colons in address"),
        ("localhost:65536", "address 65536: invalid port"),
        ("localhost:no-such-service", "lookup tcp/no-such-service: unknown port"),
    ],
)
def test_what_is_none(text: str, said: str) -> None:
    with pytest.raises(BadAddress) as caught:
        listening.split(text)
    assert str(caught.value) == said


def test_all_interfaces_are_those_of_both_families() -> None:
    everywhere = {"::": "[::]", "0.0.0.0": "0.0.0.0"}[listening.everywhere()]
    assert listening.ours("") == f"{everywhere}:0"
    assert listening.ours(":3310") == f"{everywhere}:3310"
    assert listening.ours("localhost:0") == "127.0.0.1:0", "whatever the order of the system's file of names"
    assert listening.ours("[::1]:80") == "[::1]:80"


def test_the_same_address_in_other_words() -> None:
    assert listening.same("localhost:3310", "", "127.0.0.1:3310")
    assert listening.same("game.example:3310", "game.example:3310", "10.0.0.5:3310"), "as it was asked for, whatever the name means"
    assert listening.same(":3310", ":3310", "[::]:3310")
    assert not listening.same("localhost:3311", "localhost:3310", "127.0.0.1:3310")
    assert not listening.same("127.0.0.2:3310", "localhost:3310", "127.0.0.1:3310")
    assert listening.same("localhost:3310", "nonsense", "127.0.0.1:3310")


def test_any_port_is_another_unless_the_one_it_has_will_do() -> None:
    assert not listening.same("localhost:0", "localhost:0", "127.0.0.1:34305")
    assert listening.same("localhost:0", "localhost:0", "127.0.0.1:34305", any_port=True)
    assert not listening.same("0.0.0.0:0", "localhost:0", "127.0.0.1:34305", any_port=True)


async def test_names_stand_for_addresses() -> None:
    assert await listening.resolved("127.0.0.1:80") == "127.0.0.1:80"
    assert await listening.resolved("[::1]:80") == "[::1]:80"
    assert await listening.resolved("localhost:80") == "127.0.0.1:80"
    with pytest.raises(BadAddress, match="no such host"):
        await listening.resolved(f"{'a' * 64}:80")
