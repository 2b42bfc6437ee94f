"""pbx.sip.trace: what is kept, and how much; pbx.sip.redaction: what nobody reads."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.sip.redaction import redacted
from pbx.sip.trace import NOTE, OVERHEAD, RECEIVED, SENT, Trace, Way

FLOW: Any = object()


@pytest.mark.parametrize("way", [SENT, RECEIVED])
def test_ring_is_bounded_in_bytes_and_loses_the_oldest(way: Way) -> None:
    limit = 100 * (100 + OVERHEAD)
    trace = Trace(lambda: 1.0, limit)
    for number in range(250):
        trace.keep(way, FLOW, b"%03d" % number + b"." * 97, "INVITE")
        kept = [int(entry.packet[:3]) for entry in trace.entries]
        assert kept == list(range(number + 1 - len(kept), number + 1))
        assert len(kept) == number + 1 or 90 <= len(kept) <= 100
        assert trace.size == len(kept) * (100 + OVERHEAD)
    for number in range(200):
        trace.note("7f3a", None, "something {}".format, number)
        assert trace.size <= limit
    assert trace.entries[-1].words == "something 199"


def test_message_larger_than_the_ring_leaves_nothing_behind() -> None:
    trace = Trace(lambda: 1.0, 1000)
    trace.keep(RECEIVED, FLOW, b"small")
    trace.keep(RECEIVED, FLOW, b"." * 2000)
    assert (trace.entries, trace.size) == ([], 0)


def test_what_is_no_call_is_not_kept() -> None:
    trace = Trace(lambda: 1.0, 10_000)
    trace.keep(RECEIVED, FLOW, b"", "REGISTER")
    trace.keep(SENT, FLOW, b"SIP/2.0 200 OK\r\nCSeq: 1 REGISTER\r\n\r\n", "REGISTER")
    trace.keep(SENT, FLOW, b"OPTIONS sip:a SIP/2.0\r\nCSeq: 1 OPTIONS\r\n\r\n", "OPTIONS")
    trace.keep(RECEIVED, FLOW, b"INVITE", "INVITE")
    trace.keep(SENT, FLOW, b"SIP/2.0 100 Trying\r\nCSeq: 1 INVITE\r\n\r\n")
    trace.keep(SENT, FLOW, b"BYE sip:a SIP/2.0\r\nCSeq: 2 BYE\r\n\r\n", "BYE")
    trace.note("7f3a", ("plan.py", 7), str, "something")
    assert [entry.way for entry in trace.entries] == [RECEIVED, SENT, SENT, NOTE]


@pytest.mark.parametrize(
    ("packet", "secret", "stays"),
    [
        (b'INVITE x SIP/2.0\r\nAuthorization: Digest username="a", response="53CR37"\r\n\r\n', b"53CR37", b'"a"'),
        (b'BYE x SIP/2.0\r\nproxy-authorization : digest\r\n response=53CR37, uri="x"\r\n\r\n', b"53CR37", b'uri="x"'),
        (b'BYE x SIP/2.0\r\nAuthorization: Digest response="53CR37\r\n\r\n', b"53CR37", b"Authorization"),
        (b"BYE x SIP/2.0\r\nAuthorization: Bearer 53CR37\r\n\r\n", b"53CR37", b"Authorization"),
        (
            b"INVITE x SIP/2.0\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n"
            b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:53CR37|2^20\r\na=sendrecv\r\n",
            b"53CR37",
            b"a=crypto:1 AES_CM_128_HMAC_SHA1_80",
        ),
        (b"SIP/2.0 200 OK\r\n\r\nv=0\nk=clear:53CR37\nt=0 0\n", b"53CR37", b"t=0 0"),
        (b"INFO x SIP/2.0\r\nContent-Type: application/dtmf-relay\r\n\r\nSignal=7\r\nDuration=160", b"=7", b"=160"),
        (b"INFO x SIP/2.0\r\nc: application/dtmf\r\n\r\n7", b"\r\n7", b"dtmf"),
        (b"MESSAGE x SIP/2.0\r\nContent-Type: text/plain\r\n\r\n53CR37", b"53CR37", b"(6 bytes"),
    ],
)
def test_secrets_are_left_out_and_the_rest_stays(packet: bytes, secret: bytes, stays: bytes) -> None:
    shown = redacted(packet)
    assert secret not in shown and stays in shown


@given(st.binary())
def test_redaction_never_fails(packet: bytes) -> None:
    redacted(packet)
    redacted(b"INFO x SIP/2.0\r\nAuthorization: Digest " + packet)
