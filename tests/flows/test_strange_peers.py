"""Peers that do what phones do not, or should not: the exchange goes on, and leaves nothing behind.

Zoe is no phone: she sends what a test writes.
"""

from __future__ import annotations

import pytest

from pbx.dialplan import Call, Plan, ext, uri
from pbx.sip.parser import parse
from pbx.sip.timers import T1
from tests.flows.office import office
from tests.flows.raw import DESCRIPTION, HOST, Raw

BAD = DESCRIPTION.replace(b"m=audio 30000", b"m=audio many")
VIDEO = DESCRIPTION.replace(b"m=audio", b"m=video")

plan = Plan()


@plan.internal("602")
async def outside(call: Call) -> None:
    await call.dial(uri(f"sip:zoe@{HOST}"), timeout=20)


@plan.anonymous("<number:1XXX>")
async def inside(call: Call, number: str) -> None:
    await call.dial(ext(number), timeout=20)


@plan.anonymous("600")
async def echo(call: Call) -> None:
    await call.echo()


# Zoe is called


@pytest.fixture
def called():
    sim, (alice,) = office("1001", plan=plan)
    zoe = Raw(sim)
    yield sim, alice, zoe
    zoe.close()
    sim.assert_idle()


def rung(called, **features):
    sim, alice, zoe = called
    alice.invites("602", **features)
    sim.until(lambda: zoe.requests("INVITE"))
    return zoe.requests("INVITE")[0]


@pytest.mark.parametrize("asked", [True, False], ids=["asked for an offer", "offered"])
def test_reinvite_that_is_taken_without_a_description_is_refused_and_the_call_goes_on(called, asked):
    sim, alice, zoe = called
    zoe.answers(rung(called), 200, body=DESCRIPTION)
    sim.until(lambda: alice.talking and alice.may_offer)
    alice.asks_for_an_offer() if asked else alice.holds()
    sim.until(lambda: len(zoe.requests("INVITE")) == 2)
    zoe.answers(zoe.requests("INVITE")[1], 200)
    sim.until(lambda: alice.call.status == 488)
    assert alice.talking
    alice.hangs_up()
    sim.until(lambda: zoe.requests("BYE"))
    zoe.answers(zoe.requests("BYE")[0], 200)


@pytest.mark.parametrize("offer", [True, False])
@pytest.mark.parametrize("body", [b"", BAD, VIDEO], ids=["none", "bad", "video"])
def test_answer_without_a_usable_description_is_hung_up(called, offer, body):
    sim, alice, zoe = called
    invite = rung(called, offer=offer)
    zoe.answers(invite, 200, body=body)
    sim.until(lambda: zoe.requests("BYE"))
    assert [ack.cseq for ack in zoe.requests("ACK")] == [1]
    zoe.answers(zoe.requests("BYE")[0], 200)
    sim.until(lambda: alice.idle)
    if alice.call.status == 200:  # the video was offered to her, and her answer refused it
        assert body == VIDEO and not offer
    else:
        assert alice.call.status == 488


@pytest.mark.parametrize(
    ("status", "told"),
    [(302, 480), (401, 500), (407, 500), (404, 404), (604, 404), (480, 480), (486, 486), (488, 488), (503, 500)],
)
def test_refusals_are_told_by_the_table(called, status, told):
    sim, alice, zoe = called
    zoe.answers(rung(called), status)
    sim.until(lambda: alice.idle)
    assert alice.call.status == told
    assert len(zoe.requests("ACK")) == 1
    if status == 401:
        assert not [field for field in alice.call.fields if field[0] == "www-authenticate"]


def test_answer_whose_contact_cannot_be_read_has_not_come(called):
    sim, alice, zoe = called
    zoe.answers(rung(called), 200, fields=("Contact: <sip:zoe@",), body=DESCRIPTION)
    sim.advance(1)
    zoe.answers(zoe.requests("INVITE")[0], 200, body=DESCRIPTION)
    sim.until(lambda: alice.talking, within=1)
    alice.hangs_up()
    sim.until(lambda: zoe.requests("BYE"))
    zoe.answers(zoe.requests("BYE")[0], 200)


def test_early_media_that_cannot_be_read_is_ringing(called):
    sim, alice, zoe = called
    invite = rung(called)
    zoe.answers(invite, 183, body=BAD)
    sim.advance(1)
    assert alice.call.progress == [183]
    zoe.answers(invite, 486)
    sim.until(lambda: alice.idle)


def test_answer_after_early_media_may_repeat_nothing(called):
    sim, alice, zoe = called
    invite = rung(called)
    zoe.answers(invite, 183, body=DESCRIPTION)
    sim.advance(1)
    zoe.answers(invite, 200)
    sim.until(lambda: alice.talking)
    alice.hangs_up()
    sim.until(lambda: zoe.requests("BYE"))
    zoe.answers(zoe.requests("BYE")[0], 200)


SEVERAL = {
    "fields": ("Content-Type: multipart/mixed;boundary=cut",),
    "body": b"--cut\r\nContent-Type: application/isup\r\nContent-Disposition: signal;handling=optional\r\n\r\n"
    b"\x01\x00\r\n--cut\r\nContent-Type: application/sdp\r\n\r\n" + DESCRIPTION + b"\r\n--cut--\r\n",
}


def test_answer_of_a_gateway_whose_body_has_several_parts(called):
    """RFC 5621: the caller gets the description, and nothing of the rest."""
    sim, alice, zoe = called
    zoe.answers(rung(called), 200, **SEVERAL)
    sim.until(lambda: alice.talking)
    (answer,) = [
        parse(one.packet) for one in sim.network.sent if one.kind == "200 INVITE" and one.source[0] == sim.host
    ]
    assert answer.first("content-type") == "application/sdp"
    assert answer.body.startswith(b"v=0")
    alice.hangs_up()
    sim.until(lambda: zoe.requests("BYE"))
    zoe.answers(zoe.requests("BYE")[0], 200)


def test_early_description_is_no_answer_where_nothing_was_offered(called):
    sim, alice, zoe = called
    invite = rung(called, offer=False)
    zoe.answers(invite, 183, body=DESCRIPTION)
    sim.advance(1)
    zoe.answers(invite, 200)
    sim.until(lambda: zoe.requests("BYE"))
    zoe.answers(zoe.requests("BYE")[0], 200)
    sim.until(lambda: alice.idle)
    assert alice.call.status == 488


def test_second_answer_of_a_proxy_that_forked_is_acknowledged_and_hung_up(called):
    sim, alice, zoe = called
    invite = rung(called)
    zoe.answers(invite, 180, tag="desk")
    zoe.answers(invite, 200, tag="mobile", body=DESCRIPTION)
    sim.until(lambda: alice.talking)
    for _ in range(2):
        zoe.answers(invite, 200, tag="desk", body=DESCRIPTION)
        sim.advance(0.125)
    assert [ack.to_tag for ack in zoe.requests("ACK")] == ["mobile", "desk", "desk"]
    (bye,) = zoe.requests("BYE")
    assert bye.to_tag == "desk"
    zoe.answers(bye, 200)
    zoe.answers(invite, 200, tag="mobile", body=DESCRIPTION)
    sim.advance(0.125)
    assert zoe.requests("ACK")[-1].to_tag == "mobile"
    assert alice.talking
    alice.hangs_up()
    sim.advance(0.125)
    assert zoe.requests("BYE")[-1].to_tag == "mobile"
    zoe.answers(zoe.requests("BYE")[-1], 200)


def test_requests_take_the_route_that_was_recorded(called):
    sim, alice, zoe = called
    proxy = Raw(sim, "10.0.9.1")
    zoe.answers(
        rung(called), 200, fields=("Record-Route: <sip:last.example.org;lr>, <sip:10.0.9.1;lr>",), body=DESCRIPTION
    )
    sim.until(lambda: alice.talking)
    assert not zoe.requests("ACK")
    alice.hangs_up()
    sim.until(lambda: proxy.requests("BYE"))
    for request in (proxy.requests("ACK")[0], proxy.requests("BYE")[0]):
        assert request.target == f"sip:zoe@{HOST}"
        routes = [value for key, _, value in request.fields if key == "route"]
        assert routes == ["<sip:10.0.9.1;lr>", "<sip:last.example.org;lr>"]
    proxy.answers(proxy.requests("BYE")[0], 200)
    sim.advance(0.125)
    proxy.close()


def test_callee_that_ends_what_it_never_answered(called):
    sim, alice, zoe = called
    invite = rung(called)
    zoe.answers(invite, 180)
    sim.until(lambda: alice.hears_ringing)
    zoe.sends(
        "BYE", "sip:10.0.0.1:5060", sender=f"<sip:zoe@{HOST}>;tag=raw", to_tag=invite.from_tag, call_id=invite.call_id
    )
    sim.until(lambda: alice.idle)
    assert alice.call.status == 480
    sim.until(lambda: zoe.requests("CANCEL"))
    assert zoe.statuses == [200]
    zoe.answers(zoe.requests("CANCEL")[0], 200)
    zoe.answers(invite, 487)


@pytest.mark.parametrize("status", [100, 180])
def test_callee_that_never_ends_anything(called, status):
    sim, alice, zoe = called
    invite = rung(called)
    zoe.answers(invite, status)
    sim.until(lambda: alice.idle)
    assert alice.call.status == 480
    sim.advance(16)
    zoe.answers(invite, 180)
    sim.advance(64 * T1)
    assert sim.exchange.figures()["sessions"] == 0


# Zoe calls


@pytest.fixture
def calling():
    sim, (bob,) = office("1002", plan=plan)
    zoe = Raw(sim)
    yield sim, bob, zoe
    zoe.close()
    sim.assert_idle()


def call(calling, *, answered=True):
    """Call Bob; return what a further request of that call needs."""
    sim, bob, zoe = calling
    zoe.sends("INVITE", "sip:1002@10.0.0.1", body=DESCRIPTION)
    sim.until(lambda: 180 in zoe.statuses)
    dialog = {"target": "sip:1002@10.0.0.1", "to_tag": zoe.responses[-1].to_tag}
    if answered:
        bob.answers()
        sim.until(lambda: 200 in zoe.statuses)
        zoe.sends("ACK", **dialog, branch="z9hG4bKack")
        sim.until(lambda: bob.may_offer)
    zoe.received.clear()
    return dialog


def test_call_of_a_gateway_whose_body_has_several_parts(calling):
    sim, bob, zoe = calling
    zoe.sends("INVITE", "sip:1002@10.0.0.1", **SEVERAL)
    sim.until(lambda: bob.ringing)
    assert bob.call.session.sdp.startswith(b"v=0")
    bob.declines()
    sim.until(lambda: 603 in zoe.statuses)
    zoe.sends("ACK", "sip:1002@10.0.0.1", to_tag=zoe.responses[-1].to_tag)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"contact": ""}, 400),
        ({"contact": "<sip:zoe@"}, 400),
        ({"fields": ("Content-Type: text/plain",)}, 415),
        ({"fields": ("Content-Type: application",)}, 400),
        ({"fields": ("Content-Type: application/pkcs7-mime",)}, 493),
        ({"fields": ("Content-Type: multipart/mixed;boundary=cut",)}, 400),
        ({"fields": ("Max-Forwards: many",)}, 400),
        ({"fields": ("Record-Route: nowhere to go",)}, 400),
        ({"body": BAD}, 400),
        ({"target": "tel:1002"}, 416),
        ({"target": "sip:1002@elsewhere.example.org"}, 404),
    ],
)
def test_invite_that_cannot_be_taken_is_refused(calling, changes, status):
    sim, bob, zoe = calling
    zoe.sends("INVITE", **{"target": "sip:1002@10.0.0.1", "body": DESCRIPTION, **changes})
    sim.advance(0.25)
    assert zoe.statuses[-1] == status
    zoe.sends("ACK", changes.get("target", "sip:1002@10.0.0.1"))
    assert bob.call is None


def test_bye_of_a_caller_that_is_not_answered_yet(calling):
    sim, bob, zoe = calling
    dialog = call(calling, answered=False)
    zoe.sends("BYE", **dialog, cseq=2, branch="z9hG4bKbye")
    sim.until(lambda: bob.idle)
    assert zoe.statuses == [200, 487]
    zoe.sends("ACK", **dialog)


@pytest.mark.parametrize("answered", [True, False])
def test_reason_of_the_caller_reaches_the_callee(calling, answered):
    sim, bob, zoe = calling
    dialog = call(calling, answered=answered)
    fields = ("Reason: SIP;cause=408", "X-Secret: 1")
    if answered:
        zoe.sends("BYE", **dialog, cseq=2, branch="z9hG4bKbye", fields=fields)
    else:
        zoe.sends("CANCEL", "sip:1002@10.0.0.1", fields=fields)
    sim.until(lambda: bob.idle)
    assert bob.call.why == "SIP;cause=408"
    assert not [field for field in bob.call.fields if field[0] == "x-secret"]
    zoe.sends("ACK", **dialog)


def test_second_invite_before_the_first_is_answered_is_500(calling):
    sim, bob, zoe = calling
    dialog = call(calling, answered=False)
    zoe.sends("INVITE", **dialog, cseq=2, branch="z9hG4bKtwo", body=DESCRIPTION)
    sim.advance(0.125)
    (refusal,) = zoe.responses
    assert refusal.status == 500
    assert 0 <= int(refusal.first("retry-after")) <= 10
    zoe.sends("ACK", **dialog, cseq=2, branch="z9hG4bKtwo")
    bob.declines(486)
    sim.until(lambda: 486 in zoe.statuses)
    zoe.sends("ACK", **dialog)


def test_invite_that_comes_again_after_its_answer_is_absorbed(calling):
    sim, _, zoe = calling
    dialog = call(calling)
    zoe.sends("INVITE", "sip:1002@10.0.0.1", body=DESCRIPTION)
    sim.advance(1)
    assert zoe.received == []
    hang_up(calling, dialog)


def test_cancel_does_not_stop_a_new_offer(calling):
    sim, bob, zoe = calling
    dialog = call(calling)
    zoe.sends("INVITE", **dialog, cseq=2, branch="z9hG4bKtwo", body=DESCRIPTION)
    zoe.sends("CANCEL", **dialog, cseq=2, branch="z9hG4bKtwo")
    sim.until(lambda: (200, "INVITE") in [(r.status, r.cseq_method) for r in zoe.responses])
    assert (200, "CANCEL") in [(r.status, r.cseq_method) for r in zoe.responses]
    zoe.sends("ACK", **dialog, cseq=2, branch="z9hG4bKack2")
    sim.advance(1)
    assert bob.talking
    hang_up(calling, dialog, cseq=3)


@pytest.mark.parametrize(
    ("changes", "status"),
    [({"contact": "<sip:zoe@"}, 400), ({"body": BAD}, 400), ({"body": VIDEO}, 488), ({"fields": ("Require: x",)}, 420)],
)
def test_new_offer_that_cannot_be_taken_leaves_the_call_as_it_was(calling, changes, status):
    sim, _, zoe = calling
    dialog = call(calling)
    zoe.sends("INVITE", **{**dialog, "body": DESCRIPTION, **changes}, cseq=2, branch="z9hG4bKtwo")
    sim.advance(0.25)
    assert zoe.statuses[-1] == status
    zoe.sends("ACK", **dialog, cseq=2, branch="z9hG4bKtwo")
    zoe.received.clear()
    zoe.sends("INVITE", **dialog, cseq=3, branch="z9hG4bKthree", body=DESCRIPTION)
    sim.advance(0.25)
    assert zoe.statuses == [200]
    zoe.sends("ACK", **dialog, cseq=3, branch="z9hG4bKack3")
    hang_up(calling, dialog, cseq=4)


def test_new_offer_that_overtakes_the_acknowledgement_is_taken(calling):
    sim, bob, zoe = calling
    dialog = call(calling, answered=False)
    bob.answers()
    sim.until(lambda: 200 in zoe.statuses)
    zoe.sends("INVITE", **dialog, cseq=2, branch="z9hG4bKtwo", body=DESCRIPTION)
    sim.advance(0.25)
    zoe.sends("ACK", **dialog, cseq=2, branch="z9hG4bKack2")
    zoe.sends("ACK", **dialog, cseq=1, branch="z9hG4bKack1")
    sim.advance(64 * T1)
    assert bob.talking
    assert [r.status for r in zoe.responses if r.cseq == 2] == [200]
    hang_up(calling, dialog, cseq=3)


@pytest.mark.parametrize(
    ("fields", "body"),
    [((), b""), ((), BAD), (("Content-Type: text/plain",), DESCRIPTION), (("Content-Type: text",), DESCRIPTION)],
    ids=["none", "bad", "text", "unreadable"],
)
@pytest.mark.parametrize("number", ["1002", "600"])
def test_acknowledgement_without_the_answer_it_owes_ends_the_call(calling, number, fields, body):
    sim, bob, zoe = calling
    zoe.sends("INVITE", f"sip:{number}@10.0.0.1")
    if number == "1002":
        sim.until(lambda: bob.ringing)
        bob.answers()
    sim.until(lambda: 200 in zoe.statuses)
    dialog = {"target": "sip:1002@10.0.0.1", "to_tag": zoe.responses[-1].to_tag}
    zoe.sends("ACK", **dialog, branch="z9hG4bKack", fields=fields, body=body)
    sim.until(lambda: zoe.requests("BYE"))
    zoe.answers(zoe.requests("BYE")[0], 200)
    sim.until(lambda: bob.idle)


def hang_up(calling, dialog, cseq=2):
    sim, bob, zoe = calling
    zoe.sends("BYE", **dialog, cseq=cseq, branch="z9hG4bKbye")
    sim.until(lambda: bob.idle)
    assert zoe.statuses[-1] == 200


def test_phone_whose_contact_carries_header_fields_is_called_without_them() -> None:
    sim, (alice,) = office("1001")
    bob = sim.phone("1002", register=False)
    bob.registers(contact="<sip:bob@10.0.1.2?Route=%3Csip:10.0.9.9%3Blr%3E>")
    sim.advance(1)
    assert bob.registered
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    to_bob = [sent.packet for sent in sim.network.sent if sent.target[0] == bob.host]
    assert [packet for packet in to_bob if packet.startswith(b"INVITE sip:bob@10.0.1.2 SIP/2.0\r\n")]
    bob.declines()
    sim.assert_idle()
