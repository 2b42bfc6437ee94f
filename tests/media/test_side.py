from __future__ import annotations

import pytest

from pbx.media import rtp
from pbx.media.errors import NoPorts
from pbx.media.side import StreamFacts
from pbx.sip import sdp
from tests.media.network import AUDIO, HOST, Exchange, port, result


@pytest.fixture
def exchange() -> Exchange:
    return Exchange()


def origin(text: bytes) -> list[str]:
    return sdp.parse(text).origin.split()


def test_each_side_has_a_session_of_its_own_and_says_nothing_of_the_phone(exchange: Exchange) -> None:
    alice, bob = exchange.phone("198.51.100.1"), exchange.phone("198.51.100.2")
    caller, callee = exchange.side(), exchange.side()
    to_bob = result(exchange.relay.offer(caller, callee, alice.describes()))
    to_alice = result(exchange.relay.answer(callee, caller, bob.describes()))
    assert origin(to_bob)[0] == origin(to_alice)[0] == "-"
    assert origin(to_bob)[1] != origin(to_alice)[1]
    for text in (to_bob, to_alice):
        assert origin(text)[2:] == ["1", "IN", "IP4", HOST]
        assert b"198.51.100" not in text


def test_a_description_says_nothing_but_ours(exchange: Exchange) -> None:
    shown = exchange.side().show([sdp.Media("audio", 10000, "RTP/AVP", ("0",), lines=("a=sendrecv",))])
    assert shown.decode() == (
        f"v=0\r\no={' '.join(origin(shown))}\r\ns=-\r\nc=IN IP4 {HOST}\r\nt=0 0\r\n"
        "m=audio 10000 RTP/AVP 0\r\na=sendrecv\r\n"
    )


def test_a_phone_is_shown_the_advertised_host(exchange: Exchange) -> None:
    alice = exchange.phone("198.51.100.1")
    callee = exchange.side(HOST, "[2001:db8::1]")
    text = result(exchange.relay.offer(exchange.side(), callee, alice.describes()))
    assert b"c=IN IP6 2001:db8::1\r\n" in text


def test_the_version_rises_when_the_text_changes_and_only_then(exchange: Exchange) -> None:
    alice, bob = exchange.phone("198.51.100.1"), exchange.phone("198.51.100.2")
    caller, callee = exchange.call(alice, bob)
    again = result(exchange.relay.answer(callee, caller, bob.describes()))
    held = result(exchange.relay.answer(callee, caller, bob.describes(AUDIO + "a=sendonly\r\n")))
    assert [origin(text)[2] for text in (again, held)] == ["1", "2"]
    assert again is not held


def test_an_address_of_the_other_family_is_no_address(exchange: Exchange) -> None:
    alice, bob = exchange.phone("198.51.100.1"), exchange.phone("2001:db8::2")
    caller, callee = exchange.call(alice, bob)
    alice.says(port(caller))
    assert (port(callee).packets_out, port(callee).latch.signalled) == (0, None)


def test_an_ipv6_side_sends_to_ipv6_addresses(exchange: Exchange) -> None:
    alice, bob = exchange.phone("198.51.100.1"), exchange.phone("2001:db8::2")
    caller, callee = exchange.side(), exchange.side("2001:db8::1", "2001:db8::1")
    result(exchange.relay.offer(caller, callee, alice.describes()))
    result(exchange.relay.answer(callee, caller, bob.describes()))
    assert [alice.says(port(caller))] == bob.heard


def test_statistics_are_kept_when_a_side_is_closed(exchange: Exchange) -> None:
    alice, bob = exchange.phone("198.51.100.1"), exchange.phone("198.51.100.2")
    caller, callee = exchange.call(alice, bob)
    began = exchange.clock.seconds()
    number = port(caller).number
    exchange.clock.advance(2)
    for source in (alice.rtp, alice.rtp, ("203.0.113.66", 666)):
        alice.says(port(caller), bytes(160), source)
    bob.says(port(callee), bytes(20))
    exchange.relay.close(caller)
    assert result(exchange.relay.statistics([caller]))[0] == (
        StreamFacts(
            "audio", number, alice.rtp, alice.rtp, began + 2, 2, 344, 1, 32, 0, 0.02 / 16, began + 2, 0, 1, "pcmu"
        ),
    )


def test_a_side_that_cannot_have_all_its_ports_has_none() -> None:
    exchange = Exchange(pairs=3)
    alice = exchange.phone("198.51.100.1")
    caller, callee = exchange.side(), exchange.side()
    with pytest.raises(NoPorts):
        result(exchange.relay.offer(caller, callee, alice.describes(AUDIO + "m=video 6000 RTP/AVP 31\r\n")))
    assert exchange.relay.ports_in_use == 0
    assert (caller.ports, callee.ports) == ([None, None], [None, None])


def test_an_echo_has_another_synchronisation_source(exchange: Exchange) -> None:
    alice = exchange.phone("198.51.100.1")
    side = exchange.side()
    result(exchange.relay.end(side, alice.describes()))
    exchange.relay.echo(side)
    said = rtp.header(alice.says(port(side), b"hello"))
    alice.reports_to(port(side))
    (heard,) = alice.heard
    echoed = rtp.header(heard)
    assert said is not None
    assert echoed is not None
    assert echoed.ssrc != said.ssrc
    assert echoed._replace(ssrc=said.ssrc) == said
    assert (heard[12:], alice.reports) == (b"hello", [])
