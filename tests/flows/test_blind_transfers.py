"""Blind transfers (RFC 5589 section 6): the other party calls the target, in the transferor's name and with its rights;
if the target fails, the transferor has the call back.
"""

from __future__ import annotations

import pytest

from pbx.dialplan import Call, Plan, ext, uri
from pbx.sip.parser import parse
from pbx.testing.exchange import is_sip
from pbx.testing.watch import Transfer
from tests.flows.office import flow, office
from tests.flows.openings import connect, part

plan = Plan()


@plan.internal("<number:1XXX>")
async def extension(call: Call, number: str) -> None:
    await call.dial(ext(number), timeout=20)


@plan.outbound("0<number:XXX>", allow="international")
async def abroad(call: Call, number: str) -> None:
    await call.dial(uri("sip:zoe@10.0.9.9"), timeout=20)


@plan.internal("600")
async def message(call: Call) -> None:
    await call.play("welcome")


@plan.internal("601")
async def rejected(call: Call) -> None:
    await call.reject(486)


@plan.internal("602")
async def broken(call: Call) -> None:
    raise RuntimeError("this plan is broken")


TARGET = "sip:1003@10.0.0.1"


@flow("1001", "1002", "1003", plan=plan)
def test_callee_sends_the_caller_on(sim, alice, bob, carol):
    connect(sim, alice, bob, ready=bob)
    transfer = Transfer(bob, TARGET)
    sim.until(lambda: carol.ringing)
    carol.answers()
    sim.until(lambda: transfer.over and bob.idle)
    assert transfer.status == 200
    part(sim, alice, carol)


@flow("1001", "1002", "1003", plan=plan)
def test_caller_sends_the_callee_on(sim, alice, bob, carol):
    connect(sim, alice, bob, ready=alice)
    transfer = Transfer(alice, TARGET)
    sim.until(lambda: carol.ringing)
    carol.answers()
    sim.until(lambda: transfer.over and alice.idle)
    part(sim, carol, bob)


@flow("1001", "1002", "1003", plan=plan)
def test_transferor_hangs_up_as_soon_as_it_is_accepted(sim, alice, bob, carol):
    connect(sim, alice, bob, ready=bob)
    Transfer(bob, TARGET)
    sim.until(lambda: carol.ringing)
    bob.hangs_up()
    sim.advance(2)
    carol.answers()
    sim.until(lambda: carol.talking)
    part(sim, carol, alice)


@flow("1001", "1002", "1003", plan=plan)
def test_target_is_busy_and_the_transferor_has_the_call_back(sim, alice, bob, carol):
    carol.busy = True
    connect(sim, alice, bob, ready=bob)
    transfer = Transfer(bob, TARGET)
    sim.until(lambda: transfer.over)
    assert transfer.status == 486
    part(sim, bob, alice)


@flow("1001", "1002", "1003", plan=plan)
def test_target_declines_and_the_transferor_who_has_left_is_rung(sim, alice, bob, carol):
    connect(sim, alice, bob, ready=bob)
    Transfer(bob, TARGET)
    sim.until(lambda: carol.ringing)
    first = bob.call
    bob.hangs_up()
    sim.advance(8)
    carol.declines()
    sim.until(lambda: bob.ringing and bob.call is not first)
    bob.answers()
    sim.until(lambda: bob.talking)
    part(sim, alice, bob)


@flow("1001", "1002", "1003", plan=plan)
def test_who_is_transferred_hangs_up_while_the_target_rings(sim, alice, bob, carol):
    connect(sim, alice, bob, ready=bob)
    transfer = Transfer(bob, TARGET)
    sim.until(lambda: carol.ringing)
    alice.hangs_up()
    sim.until(lambda: carol.idle and bob.idle and transfer.over)


def test_nobody_is_there_any_more_to_have_the_call_back():
    sim, (alice, bob, carol) = office("1001", "1002", "1003", plan=plan)
    connect(sim, alice, bob, ready=bob)
    Transfer(bob, TARGET)
    sim.until(lambda: carol.ringing)
    bob.hangs_up()
    carol.declines()
    sim.until(lambda: bob.ringing)
    sim.until(lambda: alice.idle, within=40)
    sim.until(lambda: bob.idle)
    sim.assert_idle()


def test_transferor_hears_how_far_it_is():
    sim, (alice, bob, carol) = office("1001", "1002", "1003", plan=plan)
    connect(sim, alice, bob, ready=bob)
    transfer = Transfer(bob, TARGET)
    sim.until(lambda: carol.ringing)
    sim.advance(2)
    assert transfer.progress == [100, 180] and not transfer.over
    sim.until(lambda: not carol.ringing, within=30)
    sim.until(lambda: transfer.over)
    assert transfer.status == 480
    part(sim, alice, bob, after=4)
    sim.assert_idle()


def test_transferor_that_does_not_want_to_hear_hears_nothing():
    """RFC 4488."""
    sim, (alice, bob, carol) = office("1001", "1002", "1003", plan=plan)
    connect(sim, alice, bob, ready=bob)
    before = len(sim.network.sent)
    transfer = Transfer(bob, TARGET, (("refer-sub", "Refer-Sub", "false"), ("supported", "Supported", "norefersub")))
    sim.until(lambda: carol.ringing)
    carol.answers()
    sim.until(lambda: bob.idle and alice.may_offer)
    assert transfer.over
    assert not [sent for sent in sim.network.sent[before:] if sent.kind == "NOTIFY"]
    part(sim, alice, carol, after=2)
    sim.assert_idle()


def test_each_is_told_whom_it_talks_to():
    sim, (alice, bob, carol) = office("1001", "1002", "1003", plan=plan)
    connect(sim, alice, bob, ready=bob)
    before = len(sim.network.sent)
    Transfer(bob, TARGET, (("referred-by", "Referred-By", "<sip:1002@10.0.0.1>"),))
    sim.until(lambda: carol.ringing)
    carol.answers()
    sim.until(lambda: bob.idle)
    sim.advance(2)
    asked = [parse(sent.packet) for sent in sim.network.sent[before:] if is_sip(sent.packet) and sent.kind == "INVITE"]
    to_carol = next(one for one in asked if one.uri.host == carol.host)
    to_alice = next(one for one in asked if one.uri.host == alice.host)
    assert to_carol.first("from").startswith('"Phone 1001" <sip:1001@')
    assert to_carol.first("referred-by") == "<sip:1002@10.0.0.1>"
    assert to_alice.first("p-asserted-identity") == '"Phone 1003" <sip:1003@10.0.0.1>'
    alice.hangs_up()
    sim.until(lambda: carol.idle)
    sim.assert_idle()


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("sip:1002@10.0.0.1", 403),  # to itself
        ("sip:1001@10.0.0.1", 403),  # to whom it talks to
        ("sip:nonsense@10.0.0.1", 403),
        ("sip:0123@10.0.0.1", 403),  # for which its class of service has no word
        ("sip:zoe@elsewhere.example", 403),
        ("sip:10.0.0.1", 403),
        ("tel:+4930123", 416),
        ("sip:1003@10.0.0.1;method=BYE", 403),
        ("sip:601@10.0.0.1", 486),
        ("sip:602@10.0.0.1", 500),
    ],
)
def test_transfer_that_must_not_be_leaves_the_call_as_it_is(target, status, logged_errors):
    sim, (alice, bob) = office("1001", "1002", plan=plan)
    connect(sim, alice, bob, ready=bob)
    transfer = Transfer(bob, target)
    sim.until(lambda: transfer.over)
    assert transfer.status == status
    assert len(logged_errors()) == (status == 500)
    part(sim, alice, bob, after=4)
    sim.assert_idle()


def test_exchange_stops_while_somebody_is_transferred():
    sim, (alice, bob, carol) = office("1001", "1002", "1003", plan=plan)
    connect(sim, alice, bob, ready=bob)
    Transfer(bob, TARGET)
    sim.until(lambda: carol.ringing)
    sim.exchange.switchboard.hang_up_all()
    sim.until(lambda: alice.idle and bob.idle and carol.idle, within=1)
    sim.assert_idle()


def test_phone_that_never_answers_an_offer_is_not_waited_for_without_end():
    """Bob's phone says 100 to the hold, and nothing after that."""
    sim, (alice, bob, carol) = office("1001", "1002", "1003", plan=plan)
    connect(sim, alice, bob, ready=alice)
    bob.call.session_offered = lambda session, description: None
    alice.holds()
    sim.advance(1)
    Transfer(alice, TARGET)
    sim.until(lambda: carol.ringing)
    carol.answers()
    answered_at = sim.clock.seconds()
    sim.until(lambda: carol.idle and bob.idle, within=20)
    assert 15 < sim.clock.seconds() - answered_at < 17
    sim.advance(40)
    assert "left an earlier offer without an answer" in sim.records.rows[-1].sentence
    sim.assert_idle()


def test_phone_that_never_answers_our_own_offer_leaves_nobody_in_silence():
    """Bob's phone says 100 to the offer that would connect it to whom it is transferred to, and nothing after that."""
    sim, (alice, bob, carol) = office("1001", "1002", "1003", plan=plan)
    connect(sim, alice, bob, ready=alice)
    Transfer(alice, TARGET)
    sim.until(lambda: carol.ringing)
    bob.call.session_offered = lambda session, description: None
    carol.answers()
    answered_at = sim.clock.seconds()
    sim.until(lambda: carol.idle and bob.idle, within=20)
    assert 15 < sim.clock.seconds() - answered_at < 17
    sim.advance(40)
    assert "left our offer without an answer" in sim.records.rows[-1].sentence
    sim.assert_idle()
