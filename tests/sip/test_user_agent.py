"""The user agent core: what comes goes to its dialog or to the exchange, what goes finds its way."""

from __future__ import annotations

import pytest

from tests.sip.endpoint import OFFER, Endpoint, names
from tests.sip.wire import SDP, Wire, request, response

NOBODY = "<sip:1001@192.0.2.1>;tag=nobody"


@pytest.fixture
def us() -> Endpoint:
    return Endpoint()


# Requests outside dialogs


def test_invite_and_register_go_to_the_exchange(us):
    us.receive(request(sdp=OFFER))
    assert len(us.transactions) == 1
    assert us.receive(request("REGISTER", branch="z9hG4bK2")) == ["200 REGISTER"]
    assert us.told == ["registering"]


def test_options_is_answered(us):
    us.layer.message_received(us.wire, request("OPTIONS"))
    answer = us.wire.last
    assert answer.status == 200
    assert answer.to_tag
    assert (
        answer.first("allow")
        == "INVITE, ACK, CANCEL, BYE, INFO, MESSAGE, NOTIFY, OPTIONS, PRACK, REFER, SUBSCRIBE, UPDATE, PUBLISH"
    )
    assert answer.first("allow-events") == "refer"


@pytest.mark.parametrize(
    ("method", "parts", "status"),
    [
        ("UPDATE", {}, 481),
        ("PRACK", {}, 481),
        ("BREW", {}, 501),
        ("INVITE", {"target": "tel:+123"}, 416),
        ("INVITE", {"more": [("accept", "Accept", "text/plain")]}, 406),
        ("INVITE", {"more": [("require", "Require", "foo")]}, 420),
        ("INVITE", {"contact": ""}, 400),
        ("INVITE", {"contact": "<sip:peer@"}, 400),
        ("INVITE", {"more": [("record-route", "Record-Route", "<sip:")]}, 400),
        ("BYE", {}, 481),
    ],
)
def test_what_cannot_be_served_is_refused_and_leaves_nothing(us, method, parts, status):
    assert us.receive(request(method, **parts)) == [f"{status} {method}"]
    us.receive(request("ACK"))
    us.assert_idle()


# Requests within dialogs (RFC 3261 12.2.2)


@pytest.mark.parametrize(
    ("method", "more", "status"),
    [
        ("BREW", (), 501),
        ("UPDATE", (), 200),
        ("PRACK", (), 481),
        ("REGISTER", (), 405),
        ("PUBLISH", (), 405),
        ("OPTIONS", (), 200),
        ("OPTIONS", [("require", "Require", "foo")], 420),
    ],
)
def test_whatever_comes_in_a_dialog_is_answered_and_the_call_goes_on(us, method, more, status):
    us.in_a_call()
    assert us.receive(us.within(method, more=more)) == [f"{status} {method}"]
    assert us.told == []
    assert us.receive(us.within("BYE", 3)) == ["200 BYE"]
    us.assert_idle()


def test_invite_that_was_forked_on_its_way_to_us_rings_once(us):
    """RFC 3261 8.2.2.2."""
    us.is_called()
    assert us.receive(request(branch="z9hG4bK2", sdp=OFFER)) == ["482 INVITE"]
    assert len(us.transactions) == 1


@pytest.mark.parametrize("method", ["INVITE", "BYE", "OPTIONS", "REGISTER"])
def test_request_of_no_dialog_that_we_know_is_481(us, method):
    assert us.receive(request(method, callee=NOBODY)) == [f"481 {method}"]
    us.receive(request("ACK", callee=NOBODY))
    us.assert_idle()


def test_ack_of_no_dialog_is_ignored(us):
    assert us.receive(request("ACK", callee=NOBODY)) == []
    us.assert_idle()


@pytest.mark.parametrize(
    "parts",
    [{"call_id": "other"}, {"callee": "<sip:1001@192.0.2.1>;tag=other"}, {"caller": "<sip:peer@192.0.2.9>;tag=other"}],
    ids=lambda parts: next(iter(parts)),
)
def test_call_id_and_both_tags_make_the_dialog(us, parts):
    """RFC 3261 12: row by row, each of the three counts."""
    us.in_a_call()
    assert us.receive(us.within("BYE", 2, **parts)) == ["481 BYE"]
    assert us.told == []
    assert us.receive(us.within("BYE", 3)) == ["200 BYE"]


def test_dialogs_of_one_peer_are_kept_apart(us):
    first = us.is_called(call_id="one")
    us.receive(request(call_id="two", branch="z9hG4bK2", sdp=OFFER))
    second = us.session
    assert us.agent.dialogs == 2
    assert us.agent.sessions == {first, second}
    first.answer(SDP)
    second.reject(486)
    assert us.agent.dialogs == 1
    assert first.state.value == "confirmed"


def test_cseq_spaces_of_the_two_directions_are_independent(us):
    """RFC 3261 12.2.1.1: our BYE has number 1 although the INVITE was 314."""
    session = us.is_called(cseq=314)
    session.answer(SDP)
    us.receive(us.within("ACK", 314))
    session.hang_up()
    assert us.wire.last.first("cseq") == "1 BYE"


def test_peer_whose_contact_leads_nowhere_is_reached_where_it_called_from(us):
    session = us.is_called(contact="<tel:+33123456789>", more=[BEYOND])
    session.answer(SDP)
    us.receive(us.within("ACK", 1))
    session.hang_up()
    assert (us.wire.last.method, us.wire.last.target) == ("BYE", "tel:+33123456789")


BEYOND = ("via", "Via", "SIP/2.0/UDP 192.0.2.8;branch=z9hG4bK2")
GRUU = "sip:peer@example.com;gr=1"


@pytest.mark.parametrize("known", ["with its flow", "without", "not at all"])
def test_address_of_ours_in_a_contact_is_replaced_by_the_place_that_it_means(us, known):
    """RFC 5627 6.1."""
    place = Wire(us.clock, remote=("192.0.2.7", 5060))

    class Places:
        def place_of(self, gruu):
            assert str(gruu) == GRUU
            if known == "not at all":
                return None
            return "sip:peer@192.0.2.7", (), place if known == "with its flow" else None

    us.agent.places = Places()
    session = us.is_called(contact=f"<{GRUU}>", more=[BEYOND])
    session.answer(SDP)
    us.receive(us.within("ACK", 1))
    session.hang_up()
    wires = {"with its flow": place, "without": us.ways.get("sip:peer@192.0.2.7")}
    bye = (wires.get(known) or us.ways[GRUU]).last
    assert (bye.method, bye.target) == ("BYE", GRUU if known == "not at all" else "sip:peer@192.0.2.7")


def test_secure_dialog_does_not_leave_tls(us):
    """RFC 3261 26.2.2: what its Contact says otherwise does not count."""
    us.wire.transport = "TLS"
    session = us.is_called(target="sips:1001@192.0.2.1", contact="<sips:peer@192.0.2.7>", more=[BEYOND])
    assert session.dialog.secure
    session.answer(SDP)
    us.receive(us.within("ACK", 1))
    session.hang_up()
    assert us.wire.last.method == "BYE"
    assert us.ways["sips:peer@192.0.2.7"].sent == []


def test_retransmitted_invite_makes_no_second_call(us):
    us.is_called()
    us.session.progress(180)
    us.wire.take()
    assert us.receive(request(sdp=OFFER)) == ["180 INVITE"]
    assert len(us.agent.sessions) == 1


# CANCEL (RFC 3261 9.2)


def test_cancel_is_answered_200_also_when_it_comes_too_late(us):
    session = us.is_called()
    session.reject(486)
    us.wire.take()
    assert us.receive(request("CANCEL")) == ["200 CANCEL"]
    assert us.told == []


def test_cancel_needs_no_extension_that_it_requires(us):
    """RFC 3261 8.2.2.3: Require is not for CANCEL and ACK."""
    us.is_called()
    more = [("require", "Require", "foo")]
    assert us.receive(request("CANCEL", more=more)) == ["200 CANCEL", "487 INVITE"]
    us.receive(request("ACK", callee=us.session.dialog.local, more=more))
    us.assert_idle()


# Two user agents without anything between (RFC 3665 3.1): the six messages of the simplest call


def test_two_agents_call_each_other_directly():
    alice, bob = Endpoint(), Endpoint()
    ladder: list[str] = []

    def carry() -> None:
        """Carry what was sent until nobody sends any more."""
        while alice.wire.sent or bob.wire.sent:
            for sender, receiver in ((alice, bob), (bob, alice)):
                messages = sender.wire.messages
                ladder.extend(names(sender.wire))
                sender.wire.sent.clear()
                for message in messages:
                    receiver.layer.message_received(receiver.wire, message)

    session, invite = alice.calls(OFFER)
    ladder.append("INVITE")
    bob.layer.message_received(bob.wire, invite)
    bob.session.progress(180)
    carry()
    bob.session.answer(SDP)
    carry()
    assert session.may_offer
    assert bob.session.may_offer
    bob.session.hang_up()
    carry()
    assert ladder == ["INVITE", "180 INVITE", "200 INVITE", "ACK", "BYE", "200 BYE"]
    assert alice.told == [(180, b""), ("answered", SDP), ("ended", "hung up")]
    assert bob.told == []
    alice.assert_idle()
    bob.assert_idle()


def test_both_reinvite_at_once_and_both_are_refused_with_491():
    """RFC 3261 14.1, 14.2."""
    alice, bob = Endpoint(), Endpoint()
    session, invite = alice.calls(OFFER)
    bob.layer.message_received(bob.wire, invite)
    bob.session.answer(SDP)
    for message in bob.wire.messages:
        alice.layer.message_received(alice.wire, message)
    bob.wire.take()
    for message in alice.wire.messages:
        bob.layer.message_received(bob.wire, message)
    alice.wire.take()
    session.offer(OFFER)
    bob.session.offer(OFFER)
    hers, his = alice.wire.messages, bob.wire.messages
    for endpoint in (alice, bob):
        endpoint.wire.take()
    assert alice.receive(*his) == ["491 INVITE"]
    assert bob.receive(*hers) == ["491 INVITE"]
    alice.receive(response(hers[0], 491, bob.session.dialog.local_tag))
    bob.receive(response(his[0], 491, session.dialog.local_tag))
    assert alice.told[-1] == bob.told[-1] == ("rejected", 491)
    assert session.may_offer
    assert bob.session.may_offer
