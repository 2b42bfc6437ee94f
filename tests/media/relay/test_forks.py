"""Which of several sides another is connected to: the fork that answered, or whom it is joined to."""

from __future__ import annotations

from tests.media.network import AUDIO, VIDEO, Exchange, Phone, assert_talking, port, result, shown


def test_of_two_forks_the_one_that_answered_last_is_connected(
    exchange: Exchange, alice: Phone, bob: Phone, carol: Phone
) -> None:
    caller, one, two = exchange.side(), exchange.side(), exchange.side()
    to_bob = result(exchange.relay.offer(caller, one, alice.describes()))
    to_carol = result(exchange.relay.offer(caller, two, alice.describes()))
    assert shown(to_bob) != shown(to_carol)
    assert exchange.relay.ports_in_use == 6
    first = result(exchange.relay.answer(one, caller, bob.describes()))
    assert_talking((alice, caller), (bob, one))
    second = result(exchange.relay.answer(two, caller, carol.describes()))
    assert shown(first) == shown(second)
    bob.says(port(one))
    assert_talking((alice, caller), (carol, two))
    exchange.relay.close(one)
    assert exchange.relay.ports_in_use == 4
    assert_talking((alice, caller), (carol, two))


def test_a_fork_that_fails_takes_nothing_from_the_others(exchange: Exchange, alice: Phone, carol: Phone) -> None:
    caller, one, two = exchange.side(), exchange.side(), exchange.side()
    result(exchange.relay.offer(caller, one, alice.describes()))
    result(exchange.relay.offer(caller, two, alice.describes()))
    number = port(caller).number
    exchange.relay.close(one)
    text = result(exchange.relay.answer(two, caller, carol.describes()))
    assert shown(text) == [("audio", number, ("0",))]
    assert_talking((alice, caller), (carol, two))


def test_a_stream_that_one_fork_refuses_another_may_accept(
    exchange: Exchange, alice: Phone, bob: Phone, carol: Phone
) -> None:
    caller, one, two = exchange.side(), exchange.side(), exchange.side()
    for fork in (one, two):
        result(exchange.relay.offer(caller, fork, alice.describes(AUDIO + VIDEO)))
    result(exchange.relay.answer(one, caller, bob.describes(AUDIO + "m=video 0 RTP/AVP 31\r\n")))
    exchange.relay.close(one)
    result(exchange.relay.answer(two, caller, carol.describes(AUDIO + VIDEO)))
    assert_talking((alice, caller), (carol, two))
    assert port(caller, 1).agreed
    assert exchange.relay.ports_in_use == 8


def test_a_side_is_joined_to_another_without_losing_port_or_latch(
    exchange: Exchange, alice: Phone, bob: Phone, carol: Phone
) -> None:
    caller, callee = exchange.call(alice, bob)
    other, _ = exchange.call(carol, exchange.phone("198.51.100.4"))
    for phone, side in ((alice, caller), (carol, other)):
        phone.says(port(side))
    before = port(caller), port(caller).latch.source
    exchange.relay.join(caller, other)
    assert (port(caller), port(caller).latch.source) == before
    assert_talking((alice, caller), (carol, other))
    alice.heard.clear()
    bob.says(port(callee))
    assert alice.heard == []
