from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.media import rtp


@given(
    st.binary(max_size=40),
    st.integers(0, 127).filter(lambda payload_type: not 64 <= payload_type <= 95),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.booleans(),
)
def test_what_was_built_is_read(
    payload: bytes, payload_type: int, seq: int, timestamp: int, ssrc: int, marker: bool
) -> None:
    packet = rtp.build(payload, payload_type, seq, timestamp, ssrc, marker)
    read = rtp.header(memoryview(packet))
    assert read == (payload_type, seq, timestamp, ssrc, marker, 12, 12 + len(payload))


def test_sequence_and_timestamp_wrap_around() -> None:
    read = rtp.header(rtp.build(b"", 0, 65536 + 3, 2**32 + 4, 1))
    assert read is not None
    assert (read.sequence, read.timestamp) == (3, 4)


def test_payload_lies_between_extension_and_padding() -> None:
    # RFC 3550 section 5.1: P, X and one CSRC; section 5.3.1: an extension of two words
    packet = struct.pack("!BBHIII", 0xB1, 0x80, 7, 8, 9, 10) + struct.pack("!HHII", 0xBEDE, 2, 0, 0) + b"sound\0\0\x03"
    read = rtp.header(packet)
    assert read is not None
    assert packet[read.start : read.end] == b"sound"


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        bytes([0x80]) + bytes(10),  # too short
        bytes([0x40]) + bytes(11),  # version 1
        bytes([0x80, 200]) + bytes(26),  # RTCP, a sender report
        bytes([0x82]) + bytes(11),  # CSRCs that are not there
        bytes([0x90]) + bytes(11),  # an extension that is not there
        bytes([0x90]) + bytes(13) + b"\xff\xff",  # an extension longer than the packet
        bytes([0xA0]) + bytes(11),  # padding of no length
        bytes([0xA0]) + bytes(11) + b"\x40",  # padding longer than the packet
    ],
)
def test_what_is_not_rtp_has_no_header(packet: bytes) -> None:
    assert rtp.header(packet) is None


@given(st.binary(max_size=64))
def test_any_datagram_is_read_without_error(packet: bytes) -> None:
    read = rtp.header(packet)
    if read is not None:
        assert 12 <= read.start <= read.end <= len(packet)
        assert not rtp.is_rtcp(packet)


@pytest.mark.parametrize(
    ("packet", "verdict"),
    [
        (bytes([0x80, 200]) + bytes(6), True),
        (bytes([0x80, 192]) + bytes(6), True),
        (bytes([0x80, 223]) + bytes(6), True),
        (bytes([0x80, 191]) + bytes(6), False),
        (bytes([0x80, 224]) + bytes(6), False),
        (bytes([0x00, 200]) + bytes(6), False),
        (bytes([0x80, 200]) + bytes(5), False),
        (b"", False),
    ],
)
def test_rtcp_is_told_by_version_type_and_length(packet: bytes, verdict: bool) -> None:
    assert rtp.is_rtcp(packet) is verdict
