"""Messages and attributes as bytes, and what the kernel's refusals are told as."""

from __future__ import annotations

import errno
import struct
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faultproxy.errors import CapabilityError
from faultproxy.kernel import netlink
from faultproxy.kernel.netlink import Message

little_endian = pytest.mark.skipif(sys.byteorder != "little", reason="the bytes are those of a little-endian machine")


@little_endian
def test_an_attribute_is_length_kind_value_and_padding() -> None:
    assert netlink.attribute(5, b"abcde") == bytes.fromhex("0900 0500 6162636465 000000")
    assert netlink.be32(2, 0x01020304) == bytes.fromhex("0800 0200 01020304")
    assert netlink.be16(2, 0x0102) == bytes.fromhex("0600 0200 0102 0000")
    assert netlink.text(1, "lo") == bytes.fromhex("0700 0100 6c6f00 00")
    assert netlink.nest(1, netlink.be16(2, 3)) == bytes.fromhex("0c00 0180 06000200 0003 0000")


@little_endian
def test_a_message_of_netfilter() -> None:
    sent = netlink.netfilter(3, 2, netlink.REQUEST | netlink.ACK, 7, b"", number=0xFA00)
    assert sent == bytes.fromhex("14000000 0203 0500 07000000 00000000 00 00 fa00")


@given(st.dictionaries(st.integers(0, 100), st.binary(max_size=40)))
def test_attributes_come_out_as_they_went_in(wanted: dict[int, bytes]) -> None:
    assert netlink.attributes(b"".join(netlink.attribute(*each) for each in wanted.items())) == wanted


def test_the_bit_for_nested_is_no_part_of_the_kind() -> None:
    assert netlink.attributes(netlink.nest(4, netlink.be16(1, 1))) == {4: netlink.be16(1, 1)}


def test_messages_of_one_datagram() -> None:
    data = netlink.message(2, 0, 1, b"abcd") + netlink.message(3, 2, 9, b"")
    assert list(netlink.messages(data)) == [Message(2, 0, 1, b"abcd"), Message(3, 2, 9, b"")]


@given(st.integers(0, 39))
def test_what_was_cut_off_is_left_out(length: int) -> None:
    data = netlink.message(2, 0, 1, netlink.be32(1, 5)) + netlink.message(3, 0, 2, b"")
    assert [found.kind for found in netlink.messages(data[:length])] == [2] * (length >= 24)
    assert netlink.attributes(netlink.be32(1, 5)[: length % 8]) == {}


@given(st.binary(max_size=64))
def test_no_bytes_make_the_reader_fail(data: bytes) -> None:
    list(netlink.messages(data))
    netlink.attributes(data)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            errno.EPERM,
            "queueing needs CAP_NET_ADMIN in this network namespace: run as root, give that capability, "
            "or use a namespace of its own (`faultproxy sandbox`, or [sandbox] in the scenario)",
        ),
        (errno.EOPNOTSUPP, "queueing needs CONFIG_X, which this kernel does not have (Operation not supported): run on one that has"),
    ],
)
def test_what_privilege_or_another_kernel_would_mend_is_a_capability(code: int, message: str) -> None:
    error = netlink.refusal(code, "queueing", "CONFIG_X")
    assert isinstance(error, CapabilityError)
    assert str(error) == message


def test_any_other_refusal_keeps_its_number() -> None:
    error = netlink.refusal(errno.ENOBUFS, "queueing", "CONFIG_X")
    assert isinstance(error, OSError)
    assert (error.errno, error.strerror) == (errno.ENOBUFS, "queueing failed: No buffer space available")


def test_the_number_of_an_answer() -> None:
    assert netlink.error_of(Message(netlink.ERROR, 0, 1, struct.pack("=i", -2))) == errno.ENOENT
    assert netlink.error_of(Message(netlink.ERROR, 0, 1, struct.pack("=i", 0))) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="netlink is Linux's")
def test_a_protocol_that_the_kernel_does_not_have() -> None:
    with pytest.raises(CapabilityError, match=r"^asking the stars needs netlink sockets of this kind, which this kernel does not have"):
        netlink.connect(31, "asking the stars")
