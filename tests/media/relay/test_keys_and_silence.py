"""What a side tells of its phone: keys, and silence."""

from __future__ import annotations

from pbx.media import rtp
from tests.media.network import AUDIO, HOST, Exchange, Phone, port, result
from tests.media.notes import Notes


def test_keys_are_told_and_passed_on(exchange: Exchange, alice: Phone, bob: Phone) -> None:
    keys = "m=audio {} RTP/AVP 0 96\r\na=rtpmap:96 telephone-event/8000\r\n"
    caller, _ = exchange.call(alice, bob, keys)
    caller.user = notes = Notes()
    alice.payload_type = 96
    said = []
    for number in range(8):
        alice.sequence += 1
        payload = bytes([11, 0x8A if number > 4 else 10, 0, 160])
        said.append(rtp.build(payload, 96, alice.sequence, 1600, 1234, marker=not number))
        exchange.network.deliver(said[-1], alice.rtp, (HOST, port(caller).number))
    assert (notes.keys, bob.heard) == (["#"], said)


def test_silence_is_told_once_and_so_is_its_end(exchange: Exchange, alice: Phone, bob: Phone) -> None:
    caller, _ = exchange.call(alice, bob)
    caller.user = notes = Notes()
    began = exchange.clock.seconds()
    port(caller).time_passed(began)
    assert notes.silent == []
    for _ in range(2):
        port(caller).time_passed(began + 1)
    exchange.clock.advance(4)
    alice.says(port(caller))
    for _ in range(2):
        port(caller).time_passed(began + 3)
    assert notes.silent == [True, False]


def test_a_phone_that_is_not_to_send_is_not_silent(exchange: Exchange, alice: Phone, bob: Phone) -> None:
    caller, callee = exchange.call(alice, bob)
    callee.user = notes = Notes()
    result(exchange.relay.offer(callee, caller, bob.describes(AUDIO + "a=inactive\r\n")))
    result(exchange.relay.answer(caller, callee, alice.describes()))
    port(callee).time_passed(exchange.clock.seconds() + 60)
    assert notes.silent == []
