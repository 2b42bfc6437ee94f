"""Media that we end ourselves."""

from __future__ import annotations

import pytest

from pbx.sip import sdp
from pbx.sip.errors import Malformed
from tests.media.network import AUDIO, VIDEO, Exchange, Phone, assert_talking, port, result, shown


def test_an_echo_and_hold_in_it(exchange: Exchange, alice: Phone) -> None:
    side = exchange.side()
    for direction in ("sendrecv", "sendonly", "sendrecv"):
        text = result(exchange.relay.end(side, alice.describes(AUDIO + f"a={direction}\r\n")))
        exchange.relay.echo(side)
        assert shown(text) == [("audio", port(side).number, ("0",))]
    assert sdp.parse(text).origin.split()[2] == "3"
    alice.says(port(side), b"hello")
    assert [packet[12:] for packet in alice.heard] == [b"hello"]
    assert exchange.relay.ports_in_use == 2


def test_a_new_offer_in_an_echo_is_echoed_too(exchange: Exchange, alice: Phone) -> None:
    side = exchange.side()
    result(exchange.relay.end(side, alice.describes()))
    exchange.relay.echo(side)
    moved = exchange.phone("198.51.100.9")
    result(exchange.relay.end(side, moved.describes("m=audio 0 RTP/AVP 0\r\nm=audio {} RTP/AVP 0\r\n")))
    moved.says(port(side, 1), b"hello")
    assert [packet[12:] for packet in moved.heard] == [b"hello"]
    assert exchange.relay.ports_in_use == 2


def test_our_own_offer_and_its_answer(exchange: Exchange, alice: Phone) -> None:
    side = exchange.side()
    exchange.relay.echo(side)
    text = result(exchange.relay.end(side, None))
    assert shown(text) == [("audio", port(side).number, ("0", "8", "101"))]
    alice.says(port(side))
    assert alice.heard == []
    result(exchange.relay.set_remote(side, alice.describes("m=audio {} RTP/AVP 8\r\n")))
    alice.payload_type = 8
    alice.says(port(side), b"hello")
    assert [packet[12:] for packet in alice.heard] == [b"hello"]


def test_a_wrong_answer_to_our_own_offer(exchange: Exchange, alice: Phone) -> None:
    side = exchange.side()
    result(exchange.relay.end(side, None))
    with pytest.raises(Malformed) as refused:
        result(exchange.relay.set_remote(side, alice.describes("m=audio {} RTP/AVP 9\r\n")))
    assert refused.value.status == 488
    exchange.relay.close(side)
    assert exchange.relay.ports_in_use == 0


def test_a_call_that_we_have_answered_is_connected_by_an_offer_of_the_callee(
    exchange: Exchange, alice: Phone, bob: Phone
) -> None:
    caller, callee = exchange.side(), exchange.side()
    result(exchange.relay.end(caller, alice.describes()))
    exchange.relay.echo(caller)
    result(exchange.relay.offer(caller, callee, alice.describes(AUDIO + VIDEO)))
    result(exchange.relay.offer(callee, caller, bob.describes()))
    result(exchange.relay.answer(caller, callee, alice.describes()))
    assert_talking((alice, caller), (bob, callee))
    assert exchange.relay.ports_in_use == 4
