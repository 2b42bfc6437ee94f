"""How many SIP messages a second of CPU time parses and serialises: those of a whole call, each with its own ids."""

from __future__ import annotations

import time
from collections.abc import Callable

from pbx.sip.parser import parse

_SDP = """v=0
o=- 3747 3747 IN IP4 192.0.2.4
s=-
c=IN IP4 192.0.2.4
t=0 0
m=audio 49172 RTP/AVP 0 8 101
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=ptime:20
a=sendrecv
"""
_FIELDS = """Via: SIP/2.0/UDP 192.0.2.4:5060;branch=z9hG4bK{method}{n};rport
{routing}From: "Alice" <sip:1001@example.com>;tag=a{n}
To: <sip:1002@example.com>{tag}
Call-ID: {n}.4f1c@192.0.2.4
CSeq: {sequence} {method}
Contact: <sip:{contact}>
User-Agent: bench/1.0
Allow: INVITE, ACK, CANCEL, BYE, OPTIONS
{more}Content-Length: {length}

"""
_CONTENT = "Content-Type: application/sdp\n"
# Start line, method of CSeq, whether the dialog is there, whether there is SDP.
_CALL = (
    ("INVITE sip:1002@example.com SIP/2.0", "INVITE", False, True),
    ("SIP/2.0 100 Trying", "INVITE", False, False),
    ("SIP/2.0 180 Ringing", "INVITE", True, False),
    ("SIP/2.0 200 OK", "INVITE", True, True),
    ("ACK sip:1002@192.0.2.9:5060 SIP/2.0", "ACK", True, False),
    ("BYE sip:1002@192.0.2.9:5060 SIP/2.0", "BYE", True, False),
    ("SIP/2.0 200 OK", "BYE", True, False),
)


def messages(calls: int) -> list[bytes]:
    """The seven messages of each of so many calls. No two calls share an id, so that no cache makes them cheap."""
    packets = []
    for n in range(calls):
        for start, method, known, described in _CALL:
            fields = _FIELDS.format(
                n=n,
                method=method,
                routing="" if start.startswith("SIP") else "Max-Forwards: 70\n",
                tag=f";tag=b{n}" if known else "",
                sequence=2 if method == "BYE" else 1,
                contact="1002@192.0.2.9:5060" if start.startswith("SIP") else "1001@192.0.2.4:5060",
                more=_CONTENT if described else "",
                length=len(_SDP) + _SDP.count("\n") if described else 0,
            )
            packets.append(f"{start}\n{fields}{_SDP if described else ''}".replace("\n", "\r\n").encode())
    return packets


def run(rounds: int) -> str:
    """Measures; the best of `rounds` counts, since whatever disturbs only ever makes a round longer."""
    packets = messages(300)
    parsed = [parse(packet) for packet in packets]
    assert [bytes(message) for message in parsed] == packets

    def read() -> None:
        for packet in packets:
            parse(packet)

    def write() -> None:
        for message in parsed:
            bytes(message)

    reading, writing = (_best(work, rounds) / len(packets) for work in (read, write))
    return (
        f"{1 / reading:,.0f} parsed and {1 / writing:,.0f} serialised per CPU second "
        f"({1e6 * reading:.1f} and {1e6 * writing:.1f} µs each; the messages of a call with SDP, best of {rounds})"
    )


def _best(work: Callable[[], None], rounds: int) -> float:
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best
