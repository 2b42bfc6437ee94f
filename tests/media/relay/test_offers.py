"""Offers in a call: what they change, and what those that fail leave as it was."""

from __future__ import annotations

import pytest

from pbx.sip.errors import Malformed
from tests.media.network import AUDIO, VIDEO, Exchange, Phone, assert_talking, port, result, shown


def test_hold_and_resume_keep_ports_and_latch(exchange: Exchange, alice: Phone, bob: Phone) -> None:
    caller, callee = exchange.call(alice, bob)
    alice.says(port(caller))
    numbers = port(caller).number, port(callee).number
    for spelling in ("a=sendonly\r\n", "a=inactive\r\n", "c=IN IP4 0.0.0.0\r\n", ""):
        text = result(exchange.relay.offer(callee, caller, bob.describes(AUDIO + spelling)))
        assert (b"a=sendonly\r\n" in text) == bool(spelling)
        result(exchange.relay.answer(caller, callee, alice.describes()))
        assert (port(caller).number, port(callee).number) == numbers
        assert port(caller).latch.source == alice.rtp
    assert_talking((alice, caller), (bob, callee))


@pytest.mark.parametrize("from_caller", [True, False])
def test_either_side_may_move_to_another_address(
    exchange: Exchange, alice: Phone, bob: Phone, from_caller: bool
) -> None:
    caller, callee = exchange.call(alice, bob)
    assert_talking((alice, caller), (bob, callee))
    moved = exchange.phone("198.51.100.9")
    mover, stays, still = (caller, callee, bob) if from_caller else (callee, caller, alice)
    result(exchange.relay.offer(mover, stays, moved.describes()))
    result(exchange.relay.answer(stays, mover, still.describes()))
    assert_talking((moved, mover), (still, stays))
    assert exchange.relay.ports_in_use == 4


def test_what_was_agreed_upon_is_offered_again_and_nothing_changes(
    exchange: Exchange, alice: Phone, bob: Phone
) -> None:
    """RFC 4028 7.4."""
    caller, callee = exchange.call(alice, bob)
    for offerer, answerer, phone in ((caller, callee, bob), (callee, caller, alice)):
        before, number = answerer.shown, port(answerer)
        again = result(exchange.relay.renew(offerer, answerer))
        assert shown(again) == shown(before)
        result(exchange.relay.answer(answerer, offerer, phone.describes()))
        assert port(answerer) is number
        assert_talking((alice, caller), (bob, callee))
    result(exchange.relay.renew(caller, callee))
    exchange.relay.withdraw(callee)
    assert_talking((alice, caller), (bob, callee))


def test_a_stream_is_added_and_removed(exchange: Exchange, alice: Phone, bob: Phone) -> None:
    caller, callee = exchange.call(alice, bob)
    result(exchange.relay.offer(caller, callee, alice.describes(AUDIO + VIDEO)))
    text = result(exchange.relay.answer(callee, caller, bob.describes(AUDIO + VIDEO)))
    assert [number for _, number, _ in shown(text)] == [port(caller).number, port(caller, 1).number]
    assert exchange.relay.ports_in_use == 8
    removed = AUDIO + "m=video 0 RTP/AVP 31\r\n"
    result(exchange.relay.offer(caller, callee, alice.describes(removed)))
    assert exchange.relay.ports_in_use == 8
    result(exchange.relay.answer(callee, caller, bob.describes(removed)))
    assert exchange.relay.ports_in_use == 4
    assert_talking((alice, caller), (bob, callee))


def test_a_failing_offer_leaves_everything_as_it_was(exchange: Exchange, alice: Phone, bob: Phone) -> None:
    caller, callee = exchange.call(alice, bob)
    moved = exchange.phone("198.51.100.9")
    result(exchange.relay.offer(caller, callee, moved.describes(AUDIO + VIDEO)))
    assert_talking((alice, caller), (bob, callee))
    exchange.relay.withdraw(callee)
    exchange.relay.withdraw(callee)
    assert exchange.relay.ports_in_use == 4
    assert_talking((alice, caller), (bob, callee))


def test_an_offer_that_we_refuse_leaves_everything_as_it_was(exchange: Exchange, alice: Phone, bob: Phone) -> None:
    caller, callee = exchange.call(alice, bob)
    with pytest.raises(Malformed) as refused:
        result(exchange.relay.offer(callee, caller, bob.describes("m=image 4000 udptl t38\r\n")))
    assert refused.value.status == 488
    assert_talking((alice, caller), (bob, callee))


def test_an_answer_that_we_refuse_leaves_everything_as_it_was(exchange: Exchange, alice: Phone, bob: Phone) -> None:
    caller, callee = exchange.call(alice, bob)
    moved = exchange.phone("198.51.100.9")
    result(exchange.relay.offer(caller, callee, moved.describes()))
    with pytest.raises(Malformed):
        result(exchange.relay.answer(callee, caller, bob.describes("m=audio {} RTP/AVP 8\r\n")))
    assert_talking((alice, caller), (bob, callee))


def test_an_offer_made_again_before_its_answer_replaces_the_first(exchange: Exchange, alice: Phone, bob: Phone) -> None:
    caller, callee = exchange.call(alice, bob)
    result(exchange.relay.offer(caller, callee, alice.describes(AUDIO + VIDEO)))
    result(exchange.relay.offer(caller, callee, alice.describes()))
    result(exchange.relay.answer(callee, caller, bob.describes()))
    assert exchange.relay.ports_in_use == 4
    assert_talking((alice, caller), (bob, callee))


def test_an_offer_may_come_in_the_answer_to_an_empty_one(exchange: Exchange, alice: Phone, bob: Phone) -> None:
    # Late offer: the callee's 200 has the offer, the caller's ACK the answer.
    caller, callee = exchange.side(), exchange.side()
    result(exchange.relay.offer(callee, caller, bob.describes()))
    result(exchange.relay.answer(caller, callee, alice.describes()))
    assert_talking((alice, caller), (bob, callee))
