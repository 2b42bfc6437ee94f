"""RTCP on RTP's port (RFC 5761)."""

from __future__ import annotations

import pytest

from pbx.media.side import Side
from tests.media.network import AUDIO, HOST, MALLORY, Exchange, Phone, port, result

MUX = AUDIO + "a=rtcp-mux\r\n"


def report_on_rtp(exchange: Exchange, phone: Phone, side: Side, source: tuple[str, int] | None = None) -> bytes:
    packet = bytes([0x80, 200, 0, 1, 9, 9, 9, 9])
    exchange.network.deliver(packet, source or phone.rtp, (HOST, port(side).number))
    return packet


@pytest.mark.parametrize(
    ("asked", "given", "shown_to_bob", "shown_to_alice"),
    [(MUX, MUX, True, True), (MUX, AUDIO, True, True), (AUDIO, MUX, False, False), (AUDIO, AUDIO, False, False)],
)
def test_each_side_agrees_by_itself_to_share_a_port(
    exchange: Exchange, alice: Phone, bob: Phone, asked: str, given: str, shown_to_bob: bool, shown_to_alice: bool
) -> None:
    caller, callee = exchange.side(), exchange.side()
    to_bob = result(exchange.relay.offer(caller, callee, alice.describes(asked)))
    to_alice = result(exchange.relay.answer(callee, caller, bob.describes(given)))
    assert (b"a=rtcp-mux" in to_bob, b"a=rtcp-mux" in to_alice) == (shown_to_bob, shown_to_alice)
    assert (port(caller).mux, port(callee).mux) == (asked == MUX, asked == given == MUX)


def test_rtcp_of_a_side_that_shares_and_one_that_does_not(exchange: Exchange, alice: Phone, bob: Phone) -> None:
    caller, callee = exchange.side(), exchange.side()
    result(exchange.relay.offer(caller, callee, alice.describes(MUX)))
    result(exchange.relay.answer(callee, caller, bob.describes(AUDIO)))
    alice.says(port(caller))
    assert [report_on_rtp(exchange, alice, caller)] == bob.reports
    assert [bob.reports_to(port(callee))] == alice.heard
    report_on_rtp(exchange, bob, callee)
    assert (port(callee).garbage, alice.reports) == (1, [])


def test_rtcp_on_the_shared_port_is_taken_from_the_phone_alone(exchange: Exchange, alice: Phone, bob: Phone) -> None:
    caller, _ = exchange.call(alice, bob, MUX)
    report_on_rtp(exchange, alice, caller, MALLORY)
    report_on_rtp(exchange, alice, caller, (alice.rtp[0], 9))
    assert (bob.heard, port(caller).strange, port(caller).latch.source) == ([], 2, None)
    assert [report_on_rtp(exchange, alice, caller)] == bob.heard


@pytest.mark.parametrize("lines", [AUDIO, MUX])
def test_we_share_a_port_with_a_phone_that_offers_it_when_we_answer_ourselves(
    exchange: Exchange, alice: Phone, lines: str
) -> None:
    text = result(exchange.relay.end(exchange.side(), alice.describes(lines)))
    assert (b"a=rtcp-mux" in text) == (lines == MUX)
