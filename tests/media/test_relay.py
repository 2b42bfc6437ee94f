from __future__ import annotations

import pytest

from pbx.media import rtp
from pbx.media.errors import NoPorts
from pbx.media.latch import PATIENCE
from pbx.media.side import Side, StreamFacts
from pbx.sip import sdp
from pbx.sip.errors import InvalidState, Malformed
from tests.counts import count
from tests.media.network import HOST, Exchange, Phone, port, result, shown

AUDIO = "m=audio {} RTP/AVP 0\r\n"
VIDEO = "m=video 6000 RTP/AVP 31\r\n"
MALLORY = ("203.0.113.66", 666)


@pytest.fixture
def exchange() -> Exchange:
    return Exchange()


@pytest.fixture
def alice(exchange: Exchange) -> Phone:
    return exchange.phone("198.51.100.1")


@pytest.fixture
def bob(exchange: Exchange) -> Phone:
    return exchange.phone("198.51.100.2")


@pytest.fixture
def carol(exchange: Exchange) -> Phone:
    return exchange.phone("198.51.100.3")


def assert_talking(one: tuple[Phone, Side], other: tuple[Phone, Side]) -> None:
    """What either says, RTP and RTCP, the other hears, and nobody hears himself."""
    for (speaker, side), (listener, _) in ((one, other), (other, one)):
        for heard in (speaker.heard, speaker.reports, listener.heard, listener.reports):
            heard.clear()
        assert [speaker.says(port(side))] == listener.heard
        assert [speaker.reports_to(port(side))] == listener.reports
        assert speaker.heard == speaker.reports == []


# A call


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


# Who may send, and whom we send to


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


# RTCP on RTP's port (RFC 5761)

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


# What a side tells


class Notes:
    """A side's user that keeps everything."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.silent: list[bool] = []

    def key_received(self, side: Side, key: str) -> None:
        self.keys.append(key)

    def fell_silent(self, side: Side, facts: StreamFacts) -> None:
        self.silent.append(True)

    def heard_again(self, side: Side, facts: StreamFacts) -> None:
        self.silent.append(False)


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


# Offers in a call


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


# Forking


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


# Connected elsewhere


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


# Media that we end ourselves


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


# What goes wrong


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


def test_no_call_leaves_a_port_behind(exchange: Exchange, alice: Phone, bob: Phone) -> None:
    for _ in range(count(200, 10_000)):
        caller, callee = exchange.call(alice, bob)
        exchange.relay.close(callee)
        exchange.relay.close(caller)
    assert exchange.relay.ports_in_use == 0
    assert len(exchange.network.receivers) == 4  # the phones'


# Payload types


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
