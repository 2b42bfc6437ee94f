"""What is no RTP or no RTCP goes nowhere through either relay."""

from __future__ import annotations

import pytest

from pbx.media import rtp
from tests.media.loopback import HOST, PLAIN, Loopback, Phone, facts, talk
from tests.media.network import port

BAD = {
    "nothing": b"",
    "one byte": b"\x80",
    "shorter than a header": PLAIN[:11],
    "version 1": b"\x40" + PLAIN[1:],
    "STUN": bytes([0, 1, 0, 0]) + bytes(16),
    "a payload type that nobody offered": rtp.build(bytes(160), 18, 1, 160, 1234),
    "RTCP where it was not agreed": bytes([0x80, 200, 0, 6]) + bytes(24),
    "CSRCs that are not there": b"\x8f" + PLAIN[1:40],
    "an extension that is not there": b"\x90" + PLAIN[1:12],
    "an extension that is too long": b"\x90" + PLAIN[1:12] + b"\0\0\xff\xff" + bytes(40),
    "padding of nothing": b"\xa0" + PLAIN[1:],
    "padding of more than there is": b"\xa0" + PLAIN[1:40] + b"\xff",
    "more than 2048 bytes": rtp.build(bytes(2037), 0, 1, 160, 1234),
    "the largest datagram there is": rtp.build(bytes(65000), 0, 1, 160, 1234),
}


@pytest.mark.parametrize("packet", BAD.values(), ids=BAD.keys())
def test_what_is_no_rtp_is_counted_and_goes_nowhere(relay: Loopback, alice: Phone, bob: Phone, packet: bytes) -> None:
    caller, _ = talk(relay, alice, bob)
    alice.sends(packet, port(caller).number)
    assert (bob.heard(), facts(relay, caller).garbage) == ([], 1)
    assert [alice.says(port(caller))] == bob.heard()
    alice.sends(packet, port(caller).number)
    assert (bob.heard(), facts(relay, caller).garbage, facts(relay, caller).packets_in) == ([], 2, 2)


def test_the_largest_rtp_and_such_with_all_parts_pass(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, _ = talk(relay, alice, bob)
    whole = [
        rtp.build(bytes(2036), 0, 1, 160, 1234),
        b"\xb1" + PLAIN[1:12] + b"CSRC" + b"\0\0\0\1" + b"more" + b"sound" + b"\0\2",
        PLAIN[:12],
    ]
    for packet in whole:
        alice.sends(packet, port(caller).number)
    assert bob.heard() == whole


@pytest.mark.parametrize(
    "packet", [b"", b"\x80\xc8\0", PLAIN, b"\x80\xc8\0\1" + bytes(2050), b"\x40\xc8\0\1" + bytes(8)]
)
def test_what_is_no_rtcp_is_counted_and_goes_nowhere(relay: Loopback, alice: Phone, bob: Phone, packet: bytes) -> None:
    caller, _ = talk(relay, alice, bob)
    alice.rtcp.sendto(packet, (HOST, port(caller).number + 1))
    relay.turn()
    assert (bob.reports(), facts(relay, caller).garbage) == ([], 1)
