"""Filters on sockets: the programs against an interpreter of the test's own, then the kernel itself, in a namespace where it is allowed."""

from __future__ import annotations

import socket
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faultproxy.core.shape import ACK, CWR, FIN, RST, SHAPES, SYN, Shape
from faultproxy.errors import CapabilityError
from faultproxy.kernel import sockfilter
from faultproxy.kernel.sockdiag import tcp_info
from faultproxy.kernel.sockfilter import Instruction, Program, assemble
from tests.kernel.sandboxed import in_sandbox, until
from tests.kernel.unprivileged import unprivileged

ALL = 0xFFFF_FFFF


def run(program: Program, flags: int, header: int, payload: int) -> int:
    """What the program returns for a segment with these flags and lengths. The machine is that of the kernel's networking/filter.rst."""
    segment = bytearray(header + payload)
    segment[12], segment[13] = header // 4 << 4, flags
    accumulator = index = at = 0
    scratch = [0] * 16
    while True:
        code, yes, no, k = program[at]
        at += 1
        match code:
            case 0x30:
                accumulator = segment[k]
            case 0x80:
                accumulator = len(segment)
            case 0x60:
                accumulator = scratch[k]
            case 0x02:
                scratch[k] = accumulator
            case 0x07:
                index = accumulator
            case 0x54:
                accumulator &= k
            case 0x74:
                accumulator >>= k
            case 0x64:
                accumulator = accumulator << k & ALL
            case 0x1C:
                accumulator = accumulator - index & ALL
            case 0x15:
                at += yes if accumulator == k else no
            case 0x25:
                at += yes if accumulator > k else no
            case 0x35:
                at += yes if accumulator >= k else no
            case 0x45:
                at += yes if accumulator & k else no
            case 0x06:
                return k
            case 0x16:
                return accumulator
            case _:
                raise AssertionError(f"unknown instruction {code:#x}")


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    wanted, unwanted = draw(st.integers(0, 255)), draw(st.integers(0, 255))
    least = draw(st.integers(0, 1500))
    return Shape(wanted, unwanted & ~wanted, least, draw(st.none() | st.integers(least, 3000)))


SHAPE = shapes() | st.sampled_from(sorted(SHAPES.values(), key=repr))
FLAGS, HEADER, PAYLOAD = st.integers(0, 255), st.integers(5, 15).map(lambda words: 4 * words), st.just(0) | st.integers(0, 3000)


@given(st.lists(SHAPE, max_size=5), FLAGS, HEADER, PAYLOAD)
def test_what_fits_a_shape_is_dropped_and_all_else_passes(wanted: list[Shape], flags: int, header: int, payload: int) -> None:
    dropped = any(shape.fits(flags, payload) for shape in wanted)
    assert run(assemble(wanted), flags, header, payload) == (0 if dropped else ALL)


@given(st.lists(SHAPE, max_size=5), FLAGS, HEADER, PAYLOAD)
def test_trimmed_it_keeps_its_header(wanted: list[Shape], flags: int, header: int, payload: int) -> None:
    fits = any(shape.fits(flags, payload) for shape in wanted)
    kept = 0 if payload and flags & (SYN | FIN) else header
    assert run(assemble(wanted, trim=True), flags, header, payload) == (kept if fits else ALL)


@pytest.mark.parametrize(
    ("wanted", "length"), [([], 1), ([SHAPES["fin"]], 5), ([SHAPES["any"]], 2), ([SHAPES["fin"], SHAPES["rst"]], 9), ([SHAPES["ack"]], 15)]
)
def test_programs_are_short(wanted: list[Shape], length: int) -> None:
    assert len(assemble(wanted)) == length


# From here on the kernel itself.


def pair() -> tuple[socket.socket, socket.socket, socket.socket]:
    """A listener, and a connection: the end that dialled, and the other, which does not block."""
    listener = socket.create_server(("127.0.0.1", 0))
    dialled = socket.create_connection(listener.getsockname())
    accepted, _ = listener.accept()
    accepted.setblocking(False)
    return listener, dialled, accepted


def received(sock: socket.socket) -> bytes | None:
    """What is there to be read now; None if nothing is."""
    with suppress(BlockingIOError):
        return sock.recv(1 << 20)
    return None


def nothing_comes(sock: socket.socket, peer: socket.socket, resent: int) -> None:
    """The peer sends again and again, and still there is nothing to be read."""
    until(lambda: tcp_info(peer).total_retrans >= resent, f"resend {resent}")
    assert received(sock) is None


@pytest.mark.live
@in_sandbox
def test_a_fin_is_dropped_until_it_is_let_through() -> None:
    listener, peer, sock = pair()
    sockfilter.attach(sock, assemble([SHAPES["fin"]]))
    peer.sendall(b"last words")
    until(lambda: received(sock) == b"last words", "data before a FIN")
    peer.shutdown(socket.SHUT_WR)
    nothing_comes(sock, peer, resent=2)
    assert tcp_info(peer).state == "FIN_WAIT_1"
    assert sockfilter.drops(sock) >= 3  # the first and two more
    sock.sendall(b"the other way is open")
    assert peer.recv(100) == b"the other way is open"
    sockfilter.detach(sock)
    until(lambda: received(sock) == b"", "the FIN, sent again")
    until(lambda: tcp_info(peer).state == "FIN_WAIT_2", "the ACK to it")
    listener.close()


@pytest.mark.live
@in_sandbox
def test_data_is_trimmed_and_the_ack_on_it_taken() -> None:
    listener, peer, sock = pair()
    sockfilter.attach(sock, assemble([SHAPES["data"]], trim=True))
    sock.sendall(b"question")
    assert peer.recv(100) == b"question"
    peer.sendall(b"answer" * 500)
    nothing_comes(sock, peer, resent=2)
    until(lambda: tcp_info(sock).unacked == 0, "the ACK, which data brings too")
    assert tcp_info(peer).unacked > 0
    peer.shutdown(socket.SHUT_WR)  # a FIN behind data that is missing must not end the stream
    nothing_comes(sock, peer, resent=4)
    sockfilter.detach(sock)
    sock.settimeout(10)
    with sock.makefile("rb") as stream:
        assert stream.read() == b"answer" * 500
    listener.close()


@pytest.mark.live
@in_sandbox
def test_dropped_acks_make_our_own_kernel_resend() -> None:
    listener, peer, sock = pair()
    sockfilter.attach(sock, assemble([SHAPES["ack"]]))
    sock.sendall(b"question")
    assert peer.recv(100) == b"question"
    until(lambda: tcp_info(sock).total_retrans >= 2, "our own kernel's resends")
    assert (tcp_info(sock).unacked, tcp_info(sock).retransmits > 0) == (1, True)
    sockfilter.detach(sock)
    until(lambda: tcp_info(sock).unacked == 0, "an ACK that is let through")
    listener.close()


@pytest.mark.live
@in_sandbox
def test_a_syn_is_dropped_by_the_listener() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    sockfilter.attach(listener, assemble([SHAPES["syn"]]))
    dialling = socket.socket()
    dialling.setblocking(False)
    dialling.connect_ex(listener.getsockname())
    until(lambda: tcp_info(dialling).total_retrans >= 1, "a second SYN")
    assert (tcp_info(dialling).state, sockfilter.drops(listener)) == ("SYN_SENT", 2)
    sockfilter.detach(listener)
    until(lambda: tcp_info(dialling).state == "ESTABLISHED", "a SYN that is let through")


@pytest.mark.live
@in_sandbox
def test_what_a_listener_accepts_inherits_its_filter() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    sockfilter.attach(listener, assemble([SHAPES["data"]]))
    peer = socket.create_connection(listener.getsockname())
    accepted, _ = listener.accept()
    accepted.setblocking(False)
    sockfilter.detach(listener)
    peer.sendall(b"hello")
    nothing_comes(accepted, peer, resent=1)
    assert (sockfilter.drops(accepted) >= 2, sockfilter.drops(listener)) == (True, 0)
    sockfilter.attach(accepted, assemble([SHAPES["rst"]]))  # takes the place of the other
    until(lambda: received(accepted) == b"hello", "data, sent again")


@pytest.mark.live
@in_sandbox
def test_segments_of_ipv6_are_judged_alike() -> None:
    listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    peer = socket.create_connection(listener.getsockname()[:2])
    accepted, _ = listener.accept()
    accepted.setblocking(False)
    sockfilter.attach(accepted, assemble([Shape(set=ACK, clear=SYN | RST | CWR, least=3, most=5)]))
    peer.sendall(b"to")
    until(lambda: received(accepted) == b"to", "what is too short to fit")
    peer.sendall(b"too long")
    until(lambda: received(accepted) == b"too long", "what is too long to fit")
    peer.sendall(b"right")
    nothing_comes(accepted, peer, resent=1)
    sockfilter.detach(accepted)
    until(lambda: received(accepted) == b"right", "what fits, sent again")


@pytest.mark.live
def test_a_filter_that_is_not_there_is_detached_in_peace() -> None:
    with socket.socket() as sock:
        sockfilter.detach(sock)
        assert sockfilter.drops(sock) == 0


@pytest.mark.live
@in_sandbox
def test_a_program_that_is_none_is_an_error() -> None:
    with socket.socket() as sock, pytest.raises(OSError, match="Invalid argument"):
        sockfilter.attach(sock, [Instruction(0xFF)])


@pytest.mark.live
def test_a_kernel_that_wants_a_privilege_says_so() -> None:
    with socket.socket() as sock, unprivileged():
        try:
            sockfilter.attach(sock, assemble([SHAPES["fin"]]))
        except CapabilityError as error:
            refusal = str(error)
        else:
            refusal = ""  # most kernels let everybody
    assert not refusal or "(SO_ATTACH_FILTER) needs CAP_NET_ADMIN on this kernel: run as root" in refusal
