"""Who may send during a call, and whom we send to."""

from __future__ import annotations

import pytest

from pbx.media.latch import PATIENCE
from tests.media.network import HOST, MALLORY, Exchange, Phone, assert_talking, port, result


def test_sound_injected_during_a_call_is_not_heard_and_redirects_nothing(
    exchange: Exchange, alice: Phone, bob: Phone
) -> None:
    caller, callee = exchange.call(alice, bob)
    replayed = alice.says(port(caller))
    bob.says(port(callee))
    mallory = exchange.phone(*MALLORY)
    for _ in range(100):
        exchange.clock.advance(1)
        exchange.network.deliver(replayed, mallory.rtp, (HOST, port(caller).number))
        mallory.reports_to(port(caller))
    assert_talking((alice, caller), (bob, callee))
    assert (mallory.heard, mallory.reports) == ([], [])
    assert port(caller).strange == 200


def test_an_attacker_who_sends_before_the_phone_loses_to_it(exchange: Exchange, bob: Phone) -> None:
    alice = exchange.phone("203.0.113.5", 61000)
    caller, callee = exchange.side(signalling_host="203.0.113.5"), exchange.side()
    mallory = exchange.phone(*MALLORY)
    result(exchange.relay.offer(caller, callee, alice.describes(host="192.168.1.93")))
    result(exchange.relay.answer(callee, caller, bob.describes()))
    for _ in range(2):
        mallory.says(port(caller))
        bob.says(port(callee))
        assert (bob.heard, mallory.heard) == ([], [])
    exchange.clock.advance(PATIENCE - 0.125)
    mallory.says(port(caller))
    assert_talking((alice, caller), (bob, callee))
    mallory.says(port(caller))
    bob.says(port(callee))
    assert mallory.heard == []


@pytest.mark.parametrize("signalling_host", ["203.0.113.5", "203.0.113.1"])
def test_a_phone_behind_nat_is_answered_where_it_sends_from(
    exchange: Exchange, bob: Phone, signalling_host: str
) -> None:
    alice = exchange.phone("203.0.113.5", 61000)
    caller, callee = exchange.side(signalling_host=signalling_host), exchange.side()
    result(exchange.relay.offer(caller, callee, alice.describes(host="192.168.1.93")))
    result(exchange.relay.answer(callee, caller, bob.describes()))
    alice.says(port(caller))
    if signalling_host != "203.0.113.5":
        assert bob.heard == []  # its SIP comes by another way, so it has to be patient
        exchange.clock.advance(PATIENCE)
        alice.says(port(caller))
    assert_talking((alice, caller), (bob, callee))
