"""What goes wrong: nonsense, no ports, misuse of our own."""

from __future__ import annotations

import pytest

from pbx.media.errors import NoPorts
from pbx.sip.errors import InvalidState, Malformed
from tests.media.network import AUDIO, VIDEO, Exchange, Phone, assert_talking, result


@pytest.mark.parametrize("body", [b"", b"v=0", b"\xff" * 100, b"v=0\r\no=-\r\nm=audio 1 RTP/AVP 0\r\n"])
def test_nonsense_is_refused_everywhere_and_costs_no_port(exchange: Exchange, alice: Phone, body: bytes) -> None:
    caller, callee = exchange.side(), exchange.side()
    for work in (exchange.relay.offer(caller, callee, body), exchange.relay.end(caller, body)):
        with pytest.raises(Malformed):
            result(work)
    assert exchange.relay.ports_in_use == 0


@pytest.mark.parametrize("pairs", [0, 1])
def test_without_ports_an_offer_fails_whole(alice: Phone, pairs: int) -> None:
    exchange = Exchange(pairs)
    with pytest.raises(NoPorts):
        result(exchange.relay.offer(exchange.side(), exchange.side(), alice.describes()))
    assert exchange.relay.ports_in_use == 0


def test_without_ports_an_added_stream_fails_and_the_call_goes_on() -> None:
    exchange = Exchange(pairs=3)
    alice, bob = exchange.phone("198.51.100.1"), exchange.phone("198.51.100.2")
    caller, callee = exchange.call(alice, bob)
    with pytest.raises(NoPorts):
        result(exchange.relay.offer(caller, callee, alice.describes(AUDIO + VIDEO)))
    assert exchange.relay.ports_in_use == 4
    assert_talking((alice, caller), (bob, callee))


def test_our_own_misuse_is_raised_at_once(exchange: Exchange, alice: Phone) -> None:
    one, two = exchange.side(), exchange.side()
    for misuse in (
        lambda: exchange.relay.answer(one, two, alice.describes()),
        lambda: exchange.relay.set_remote(one, alice.describes()),
        lambda: exchange.relay.offer(one, one, alice.describes()),
    ):
        with pytest.raises(InvalidState):
            misuse()
    exchange.relay.close(one)
    for misuse in (
        lambda: exchange.relay.end(one, None),
        lambda: exchange.relay.end(one, alice.describes()),
        lambda: exchange.relay.offer(two, one, alice.describes()),
    ):
        with pytest.raises(InvalidState):
            misuse()
