"""A call through a relay, from the first offer until its ports are given back."""

from __future__ import annotations

from tests.counts import count
from tests.media.network import AUDIO, MALLORY, VIDEO, Exchange, Phone, assert_talking, port, result, shown


def test_an_answered_call_has_sound_both_ways(exchange: Exchange, alice: Phone, bob: Phone) -> None:
    caller, callee = exchange.call(alice, bob)
    assert_talking((alice, caller), (bob, callee))


def test_each_phone_is_told_our_own_ports(exchange: Exchange, alice: Phone, bob: Phone) -> None:
    caller, callee = exchange.side(), exchange.side()
    to_bob = result(exchange.relay.offer(caller, callee, alice.describes()))
    to_alice = result(exchange.relay.answer(callee, caller, bob.describes()))
    assert shown(to_bob) == [("audio", port(callee).number, ("0",))]
    assert shown(to_alice) == [("audio", port(caller).number, ("0",))]
    assert exchange.relay.ports_in_use == 4


def test_before_the_answer_nothing_flows(exchange: Exchange, alice: Phone, bob: Phone) -> None:
    caller, callee = exchange.side(), exchange.side()
    result(exchange.relay.offer(caller, callee, alice.describes()))
    bob.says(port(callee))
    bob.says(port(callee), source=MALLORY)
    assert alice.heard == []
    assert port(callee).latch.source is None


def test_early_media_then_another_answer(exchange: Exchange, alice: Phone, bob: Phone) -> None:
    caller, callee = exchange.side(), exchange.side()
    offered = "m=audio {} RTP/AVP 0 8\r\n"
    result(exchange.relay.offer(caller, callee, alice.describes(offered)))
    early = result(exchange.relay.answer(callee, caller, bob.describes()))
    assert [bob.says(port(callee))] == alice.heard
    late = exchange.phone("198.51.100.2", 7000, payload_type=8)
    final = result(exchange.relay.answer(callee, caller, late.describes("m=audio {} RTP/AVP 8\r\n")))
    assert [streams for [(_, _, streams)] in (shown(early), shown(final))] == [("0",), ("8",)]
    assert_talking((alice, caller), (late, callee))


def test_closing_releases_every_port_once(exchange: Exchange, alice: Phone, bob: Phone) -> None:
    caller, callee = exchange.call(alice, bob, AUDIO + VIDEO)
    assert exchange.relay.ports_in_use == 8
    exchange.relay.close(caller)
    exchange.relay.close(caller)
    assert exchange.relay.ports_in_use == 4
    bob.says(port(callee))
    exchange.relay.close(callee)
    assert exchange.relay.ports_in_use == 0


def test_closing_before_the_answer_releases_what_the_offer_took(exchange: Exchange, alice: Phone) -> None:
    caller, callee = exchange.side(), exchange.side()
    result(exchange.relay.offer(caller, callee, alice.describes()))
    exchange.relay.close(callee)
    assert exchange.relay.ports_in_use == 0
    exchange.relay.close(caller)


def test_a_refused_stream_gives_its_ports_back(exchange: Exchange, alice: Phone, bob: Phone) -> None:
    caller, callee = exchange.side(), exchange.side()
    result(exchange.relay.offer(caller, callee, alice.describes(AUDIO + VIDEO)))
    assert exchange.relay.ports_in_use == 8
    text = result(exchange.relay.answer(callee, caller, bob.describes(AUDIO + "m=video 0 RTP/AVP 31\r\n")))
    assert exchange.relay.ports_in_use == 4
    assert [(kind, number > 0) for kind, number, _ in shown(text)] == [("audio", True), ("video", False)]
    # What a first answer refused, a second one cannot accept: its ports are gone.
    text = result(exchange.relay.answer(callee, caller, bob.describes(AUDIO + VIDEO)))
    assert shown(text)[1][1] == 0
    assert_talking((alice, caller), (bob, callee))


def test_no_call_leaves_a_port_behind(exchange: Exchange, alice: Phone, bob: Phone) -> None:
    for _ in range(count(200, 10_000)):
        caller, callee = exchange.call(alice, bob)
        exchange.relay.close(callee)
        exchange.relay.close(caller)
    assert exchange.relay.ports_in_use == 0
    assert len(exchange.network.receivers) == 4  # the phones'
