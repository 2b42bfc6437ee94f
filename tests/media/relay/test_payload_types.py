"""Payload types that two phones number differently."""

from __future__ import annotations

from tests.media.network import Exchange, Phone, assert_talking, port, result


def test_a_payload_type_that_only_the_other_side_named_is_let_through(
    exchange: Exchange, alice: Phone, bob: Phone
) -> None:
    caller, callee = exchange.side(), exchange.side()
    result(
        exchange.relay.offer(caller, callee, alice.describes("m=audio {} RTP/AVP 96\r\na=rtpmap:96 opus/48000/2\r\n"))
    )
    result(
        exchange.relay.answer(callee, caller, bob.describes("m=audio {} RTP/AVP 97\r\na=rtpmap:97 opus/48000/2\r\n"))
    )
    alice.payload_type, bob.payload_type = 97, 96
    assert_talking((alice, caller), (bob, callee))


KEYS = "m=audio {{}} RTP/AVP 0 {0}\r\na=rtpmap:{0} telephone-event/8000\r\n"


def test_keys_are_renumbered_for_a_phone_that_numbers_them_differently(
    exchange: Exchange, alice: Phone, bob: Phone
) -> None:
    caller, callee = exchange.side(), exchange.side()
    result(exchange.relay.offer(caller, callee, alice.describes(KEYS.format(101))))
    result(exchange.relay.answer(callee, caller, bob.describes(KEYS.format(96))))
    ways = (alice, caller, bob, {101: 96, 96: 96, 0: 0}), (bob, callee, alice, {96: 101, 101: 101, 0: 0})
    for speaker, side, listener, numbers in ways:
        for sent, received in numbers.items():
            speaker.payload_type = sent
            said = speaker.says(port(side))
            assert listener.heard[-1][1] == received
            assert listener.heard[-1][2:] == said[2:]
    alice.payload_type = bob.payload_type = 0
    assert_talking((alice, caller), (bob, callee))


def test_keys_are_renumbered_where_their_number_means_something_else_to_the_other_phone(
    exchange: Exchange, alice: Phone, bob: Phone
) -> None:
    caller, callee = exchange.side(), exchange.side()
    lines = "m=audio {{}} RTP/AVP 0 {0} {1}\r\na=rtpmap:{0} G722/8000\r\na=rtpmap:{1} telephone-event/8000\r\n"
    result(exchange.relay.offer(caller, callee, alice.describes(lines.format(96, 101))))
    result(exchange.relay.answer(callee, caller, bob.describes(lines.format(101, 96))))
    for speaker, side, listener in ((alice, caller, bob), (bob, callee, alice)):
        for sent, received in {96: 101, 101: 96, 0: 0}.items():
            speaker.payload_type = sent
            speaker.says(port(side))
            assert listener.heard[-1][1] == received


def test_phones_that_number_alike_are_joined_without_a_detour(exchange: Exchange, alice: Phone, bob: Phone) -> None:
    caller, callee = exchange.call(alice, bob, KEYS.format(101))
    assert port(caller).sink is port(callee) and port(callee).sink is port(caller)
