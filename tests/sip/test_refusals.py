"""What is refused at once, by the layer or by its user: what it costs, and what a copy of it gets."""

from __future__ import annotations

import pytest

from pbx.sip.errors import Malformed, Refused
from pbx.sip.message import NO_BODY
from pbx.sip.parser import BadRequest, parse
from tests.sip.wire import SDP, received, request, response


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("contact", "<sip:peer@"),
        ("record-route", "<nonsense>"),
        ("record-route", "<sip:a>," * 71),
        ("content-type", "sdp"),
    ],
)
@pytest.mark.parametrize("status", [183, 200])
def test_malformed_response_to_invite_is_as_if_it_had_not_come(core, key, value, status):
    invite = core.sends()
    bad = response(invite, status, contact="", more=[(key, key, value)])
    if key == "content-type":
        bad.body = SDP
        bad.fields = [field for field in bad.fields if field != NO_BODY]
    core.receive(received(bad))
    assert core.told == []
    assert core.layer.counts["refused 400"] == 1
    core.receive(response(invite, 486))
    assert core.told == ["486 INVITE"]
    core.assert_idle()


@pytest.mark.parametrize(("method", "status"), [("INVITE", 416), ("INVITE", 503), ("OPTIONS", 404), ("BYE", 481)])
def test_request_outside_dialogs_that_is_refused_at_once_leaves_nothing_behind(core, method, status):
    """RFC 3261 8.2.7: each copy gets the same answer, and nobody waits for an ACK."""
    core.raises(Malformed(status, "not that"))
    core.receive(request(method))
    assert len(core.layer) == 0
    assert core.clock.pending == []
    core.receive(request(method))
    first, second = core.wire.messages
    assert (first.status, first.reason) == (status, "not that")
    assert bytes(first) == bytes(second)
    assert first.to_tag
    assert core.told == [method, method]


def test_unknown_dialog_costs_nothing(core):
    core.raises(Malformed(481, ""))
    core.receive(request("BYE", callee="<sip:pbx@192.0.2.1>;tag=gone"))
    assert core.wire.take() == ["481 BYE"]
    assert len(core.layer) == 0


@pytest.mark.parametrize(
    ("status", "callee"),
    [(491, "<sip:pbx@192.0.2.1>;tag=ours"), (482, "<sip:pbx@192.0.2.1>")],
    ids=["dialog", "merged"],
)
def test_refusal_that_would_not_be_repeated_is_the_transactions(core, status, callee):
    """A copy that comes late must not be taken after all."""
    core.raises(Malformed(status, ""))
    core.receive(request(callee=callee), request(callee=callee))
    assert core.told == ["INVITE"]
    assert core.wire.take() == [f"{status} INVITE"] * 2
    core.receive(request("ACK", callee=f"{callee};tag=ours" if status == 482 else callee))
    assert core.told == ["INVITE"]
    core.assert_idle()


def test_refusal_of_one_who_has_shown_credentials_is_the_transactions(core):
    """Its nonce is used up: a copy would be taken for somebody else's."""
    core.raises(Malformed(404, ""))
    shown = {"more": [("authorization", "Authorization", "Digest")]}
    core.receive(request("MESSAGE", **shown), request("MESSAGE", **shown))
    assert core.told == ["MESSAGE"]
    assert core.wire.take() == ["404 MESSAGE"] * 2
    core.assert_idle()


def test_refusal_after_a_provisional_response_is_the_transactions(core):
    """The peer does not send its INVITE again: the refusal has to be repeated by us."""

    def rings_and_refuses(transaction, request):
        transaction.respond(request.response(180, "", "ours"))
        raise Malformed(403, "")

    core.does = rings_and_refuses
    core.receive(request())
    core.clock.advance(0.5)
    assert core.wire.take() == ["180 INVITE", "403 INVITE", "403 INVITE"]
    core.assert_idle()


def test_refusal_carries_the_fields_that_tell_the_peer_what_would_do(core):
    core.raises(Refused(405, ("allow", "Allow", "INVITE"), ("x-why", "X-Why", "because")))
    core.receive(request("OPTIONS"))
    answer = core.wire.last
    assert (answer.status, answer.reason) == (405, "Method Not Allowed")
    assert answer.first("allow") == "INVITE"
    assert answer.first("x-why") == "because"


@pytest.mark.parametrize("method", ["INVITE", "REGISTER"])
def test_whoever_is_asked_for_credentials_gets_one_answer_to_each_packet_and_costs_nothing(core, method):
    """RFC 3261 26.3.2.4: else a forged address would be sent eleven answers."""
    core.raises(Refused(401, ("www-authenticate", "WWW-Authenticate", "Digest")))
    core.receive(request(method))
    assert len(core.layer) == 0
    assert core.clock.pending == []
    core.receive(request(method), request("ACK", callee=core.wire.last.first("to")))
    assert core.told == [method, method, "ACK"]
    first, second = core.wire.messages
    assert (first.status, first.first("www-authenticate")) == (401, "Digest")
    assert first.to_tag == second.to_tag  # RFC 3261 8.2.7


def damaged(method: str = "INVITE", **parts) -> BadRequest:
    """What the parser raises of a request whose body was cut off."""
    packet = bytes(request(method, sdp=SDP, **parts))
    with pytest.raises(BadRequest) as caught:
        parse(packet[:-10])
    return caught.value


def test_malformed_request_is_answered_without_state_and_always_with_the_same_tag(core):
    for _ in range(2):
        fault = damaged()
        core.layer.refuse(core.wire, fault.request, fault)
    other = damaged(branch="z9hG4bK2")
    core.layer.refuse(core.wire, other.request, other)
    assert core.told == []
    assert len(core.layer) == 0
    first, second, third = core.wire.messages
    assert first.status == 400
    assert first.to_tag == second.to_tag != third.to_tag
    assert first.to_tag


def test_malformed_ack_is_never_answered(core):
    ack = request("ACK")
    core.layer.refuse(core.wire, ack, Malformed(400, ""))
    assert core.wire.sent == []
    assert core.layer.counts["refused 400"] == 1


@pytest.mark.parametrize("status", [100, 180, 200, 486])
def test_damaged_copy_of_a_request_does_not_touch_its_transaction(core, status):
    """Else anything that cuts off a datagram could end a call that rings."""
    core.answers(status)
    core.receive(request(sdp=SDP))
    core.wire.take()
    state = core.transactions[0].state
    fault = damaged()
    core.layer.refuse(core.wire, fault.request, fault)
    assert core.wire.take() == []
    assert core.transactions[0].state is state
