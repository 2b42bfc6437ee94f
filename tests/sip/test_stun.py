"""pbx.sip.stun: Binding requests are answered with where they came from; what is none gets no answer."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.sip import stun

# RFC 5769 2.1 to 2.3: the transaction ID of the test vectors, and what they say of 192.0.2.1 and 2001:db8:...
IDENTITY = bytes.fromhex("2112a442 b7e7a701 bc34d686 fa87dfae")
IPV4 = bytes.fromhex("0020 0008 0001 a147 e112a643")
IPV6 = bytes.fromhex("0020 0014 0002 a147 0113a9fa a5d3f179 bc25f4b5 bed2b9d9")


def request(attributes: bytes = b"", kind: int = 1) -> bytes:
    return struct.pack(">HH", kind, len(attributes)) + IDENTITY + attributes


def test_address_is_that_of_the_test_vectors() -> None:
    assert stun.answer(request(), "192.0.2.1", 32853) == bytes.fromhex("0101 000c") + IDENTITY + IPV4
    address = "2001:db8:1234:5678:11:2233:4455:6677"
    assert stun.answer(request(), address, 32853) == bytes.fromhex("0101 0018") + IDENTITY + IPV6


def test_attributes_that_may_be_ignored_are() -> None:
    software = bytes.fromhex("8022 0005") + b"phone\0\0\0"
    assert stun.answer(request(software), "192.0.2.1", 32853) == stun.answer(request(), "192.0.2.1", 32853)


def test_attributes_that_we_do_not_know_are_named_in_a_420() -> None:
    username, priority = bytes.fromhex("0006 0003") + b"bob\0", bytes.fromhex("0024 0004 6e0001ff")
    answer = stun.answer(request(username + priority), "192.0.2.1", 5060)
    assert answer is not None
    assert answer[:2] == b"\x01\x11"
    assert answer[4:20] == IDENTITY
    assert answer[20:28] == bytes.fromhex("0009 0015 0000 0414")
    assert answer.endswith(bytes.fromhex("000a 0004 0006 0024"))
    assert len(answer) == 20 + int.from_bytes(answer[2:4], "big")


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        request()[:-1],
        request() + b"\0\0\0\0",
        request(kind=0x0101),  # an answer, not a request
        request(kind=0x0011),  # an indication
        request().replace(b"\x21\x12", b"\x21\x13"),
        request(b"\x80\x22\0\x09text"),
    ],
)
def test_what_is_no_binding_request_gets_no_answer(packet: bytes) -> None:
    assert stun.answer(packet, "192.0.2.1", 5060) is None


@given(st.binary(max_size=60))
def test_nothing_raises(garbage: bytes) -> None:
    stun.answer(garbage, "192.0.2.1", 5060)
    stun.answer(request(garbage[: len(garbage) & ~3]), "::1", 5060)
