"""Listening on a unix socket: whose file it is, and what becomes of it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from faultproxy.errors import ListenError
from faultproxy.net.addresses import Address
from faultproxy.net.sockets import Port


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s"


def test_the_file_goes_with_the_port(path: Path) -> None:
    port = Port(Address(path=str(path)))
    port.open()
    assert path.is_socket()
    port.close()
    assert not path.exists()


def test_also_while_it_refuses(path: Path) -> None:
    port = Port(Address(path=str(path)))
    port.open()
    port.refuse()
    port.close()
    assert not path.exists()


def test_what_a_killed_process_left_is_taken_over(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
        left.listen()
    assert path.is_socket()
    port = Port(Address(path=str(path)))
    port.open()
    port.close()


@pytest.mark.parametrize("waiting", [0, 1, 2])
def test_what_a_living_one_has_is_left_alone_even_when_its_queue_is_full(path: Path, waiting: int) -> None:
    clients = [socket.socket(socket.AF_UNIX) for _ in range(waiting)]
    with socket.socket(socket.AF_UNIX) as living:
        living.bind(str(path))
        living.listen(0)
        for client in clients:
            client.setblocking(False)
            client.connect_ex(str(path))
        with pytest.raises(ListenError, match=f"^cannot listen on unix:{path}: another program listens on it$"):
            Port(Address(path=str(path))).open()
        assert path.is_socket()
    for client in clients:
        client.close()


def test_a_file_that_is_no_socket_is_left_alone(path: Path) -> None:
    path.write_text("precious")
    with pytest.raises(ListenError, match="there is a file of that name already, and it is no socket"):
        Port(Address(path=str(path))).open()
    assert path.read_text() == "precious"


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ListenError, match="No such file or directory"):
        Port(Address(path=str(tmp_path / "no" / "s"))).open()
