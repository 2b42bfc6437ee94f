"""Semi-attended transfers: the transferor's second call still rings when it hands over (RFC 5589 section 7, REFER with
Replaces). Whom it talks to has the place of the caller there; if nobody answers, the transferor has the call back.
"""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from pbx.dialplan import Call, Plan, Transfer, ext
from pbx.testing.watch import Transfer as Refer
from tests.flows.office import flow, office
from tests.flows.openings import connect, consult, part, refer, requests_to, ring

plan = Plan()


@plan.internal("<number:1XXX>")
async def extension(call: Call, number: str) -> None:
    await call.dial(ext(number), timeout=20)


strict = Plan()
slow = Plan()
thinking: list[Deferred[bool]] = []
for each in (strict, slow):
    each.internal("<number:1XXX>")(extension)


@strict.on_transfer
async def may_transfer(transfer: Transfer) -> bool:
    return transfer.target.number != "1004"


@slow.on_transfer
async def think(transfer: Transfer) -> bool:
    thinking.append(Deferred())
    return await thinking[-1]


@flow("1001", "1002", "1003", plan=plan)
def test_caller_waits_for_whom_the_callee_has_called(sim, alice, bob, carol):
    connect(sim, alice, bob)
    first, second = ring(sim, bob, carol)
    transfer = refer(bob, first, second)
    sim.until(lambda: second.state == "over")
    assert carol.ringing
    sim.advance(2)
    carol.answers()
    sim.until(lambda: transfer.over and first.state == "over")
    assert transfer.status == 200
    part(sim, alice, carol)


@flow("1001", "1002", "1003", plan=plan)
def test_callee_waits_for_whom_the_caller_has_called(sim, alice, bob, carol):
    connect(sim, alice, bob)
    first, second = ring(sim, alice, carol)
    transfer = refer(alice, first, second)
    sim.until(lambda: second.state == "over")
    carol.answers()
    sim.until(lambda: transfer.over and first.state == "over")
    part(sim, carol, bob)


@flow("1001", "1002", "1003", plan=plan)
def test_target_answers_as_it_is_transferred_to(sim, alice, bob, carol):
    connect(sim, alice, bob)
    first, second = ring(sim, bob, carol)
    transfer = refer(bob, first, second)
    carol.answers()
    sim.until(lambda: transfer.over and first.state == second.state == "over")
    assert transfer.status == 200
    part(sim, alice, carol)


@flow("1001", "1002", "1003", plan=plan)
def test_target_declines_and_the_transferor_has_the_call_back(sim, alice, bob, carol):
    connect(sim, alice, bob)
    first, second = ring(sim, bob, carol)
    transfer = refer(bob, first, second)
    sim.until(lambda: second.state == "over")
    carol.declines()
    sim.until(lambda: transfer.over)
    assert transfer.status == 603
    part(sim, bob, alice)


@flow("1001", "1002", "1003", plan=plan)
def test_target_does_not_answer_and_the_transferor_who_has_left_is_rung(sim, alice, bob, carol):
    connect(sim, alice, bob)
    first, second = ring(sim, bob, carol)
    refer(bob, first, second)
    sim.until(lambda: second.state == "over")
    bob.hangs_up()
    sim.until(lambda: not carol.ringing, within=40)
    sim.until(lambda: bob.ringing and bob.call is not first)
    bob.answers()
    sim.until(lambda: bob.talking)
    part(sim, alice, bob)


@flow("1001", "1002", "1003", plan=plan)
def test_who_is_transferred_hangs_up_while_the_target_rings(sim, alice, bob, carol):
    connect(sim, alice, bob)
    first, second = ring(sim, bob, carol)
    transfer = refer(bob, first, second)
    sim.until(lambda: second.state == "over")
    alice.hangs_up()
    sim.until(lambda: carol.idle and transfer.over and first.state == "over")


@flow("1001", "1002", "1003", plan=plan)
def test_both_of_the_first_call_hang_up_at_once(sim, alice, bob, carol):
    connect(sim, alice, bob)
    first, second = ring(sim, bob, carol)
    refer(bob, first, second)
    alice.hangs_up()
    bob.hangs_up()
    sim.until(lambda: alice.idle and first.state == "over")
    if second.state != "over":  # they were faster: Bob still calls Carol
        bob.call = second
        bob.hangs_up()
    sim.until(lambda: carol.idle and second.state == "over", within=40)


@flow("1001", "1002", "1003", plan=plan)
def test_transferor_gives_up_the_second_call_as_it_asks(sim, alice, bob, carol):
    """As phones do that do not wait for the end of it."""
    connect(sim, alice, bob)
    first, second = ring(sim, bob, carol)
    transfer = refer(bob, first, second)
    bob.call = second
    bob.hangs_up()
    sim.until(lambda: transfer.progress or transfer.over)
    if transfer.status == 481:  # the CANCEL was faster
        sim.until(lambda: carol.idle)
        sim.advance(2)
        bob.call = first
        assert sim.talk(alice, bob)
        alice.hangs_up()
    else:
        carol.answers()
        sim.until(lambda: transfer.over and first.state == "over")
        sim.advance(16)
        assert sim.talk(alice, carol)
        alice.hangs_up()
    sim.until(lambda: carol.idle and bob.idle)


@flow("1001", "1002", "1003", plan=plan)
def test_party_that_is_on_hold_hears_it_ring_and_is_connected(sim, alice, bob, carol):
    connect(sim, alice, bob)
    sim.advance(8)
    bob.holds()
    sim.until(lambda: alice.call.held and bob.may_offer)
    first, second = ring(sim, bob, carol)
    transfer = refer(bob, first, second)
    sim.until(lambda: second.state == "over")
    carol.answers()
    sim.until(lambda: transfer.over and first.state == "over")
    part(sim, carol, alice)


@flow("1001", "1002", "1003", plan=plan)
def test_target_that_spoke_before_it_answers_is_connected(sim, alice, bob, carol):
    connect(sim, alice, bob)
    first, second = ring(sim, bob, carol)
    carol.sends_early_media()
    sim.until(lambda: 183 in second.progress)
    sim.advance(2)
    transfer = refer(bob, first, second)
    sim.until(lambda: second.state == "over")
    carol.answers()
    sim.until(lambda: transfer.over and first.state == "over")
    part(sim, alice, carol)


@flow("1001", "1002", "1003", "1003", plan=plan)
def test_two_phones_ring_and_one_of_them_answers(sim, alice, bob, carol, desk):
    connect(sim, alice, bob)
    first, second = ring(sim, bob, carol)
    sim.until(lambda: desk.ringing)
    refer(bob, first, second)
    sim.until(lambda: second.state == "over")
    desk.answers()
    sim.until(lambda: desk.talking and carol.idle and first.state == "over")
    part(sim, desk, alice)


@flow("1001", "1002", "1003", plan=plan)
def test_second_call_that_offers_nothing(sim, alice, bob, carol):
    connect(sim, alice, bob)
    first, second = ring(sim, bob, carol, offer=False)
    transfer = refer(bob, first, second)
    sim.until(lambda: second.state == "over")
    carol.answers()
    sim.until(lambda: transfer.over and first.state == "over")
    part(sim, alice, carol)


def test_each_is_told_of_the_other():
    """The phone that rings is told by UPDATE (RFC 3311) whom it rings for now; both are told with their media."""
    sim, (alice, bob, carol) = office("1001", "1002", "1003", plan=plan)
    connect(sim, alice, bob)
    first, second = ring(sim, bob, carol)
    transfer = refer(bob, first, second)
    sim.until(lambda: second.state == "over" and 180 in transfer.progress)
    sim.advance(1)
    assert second.status == 487
    (told,) = requests_to(sim, carol, "UPDATE")
    assert told.first("p-asserted-identity") == '"Phone 1001" <sip:1001@10.0.0.1>'
    assert not told.body
    before = len(sim.network.sent)
    carol.answers()
    sim.until(lambda: first.state == "over")
    sim.advance(16)
    assert [one.first("p-asserted-identity") for one in requests_to(sim, alice, "INVITE", before)] == [
        '"Phone 1003" <sip:1003@10.0.0.1>'
    ]
    assert [one.first("p-asserted-identity") for one in requests_to(sim, carol, "INVITE", before)] == [
        '"Phone 1001" <sip:1001@10.0.0.1>'
    ]
    alice.hangs_up()
    sim.until(lambda: carol.idle)
    sim.assert_idle()


@pytest.mark.parametrize("on_hold", [False, True])
def test_who_is_transferred_hears_it_ring(on_hold):
    sim, (alice, bob, carol) = office("1001", "1002", "1003", plan=plan)
    connect(sim, alice, bob)
    if on_hold:
        sim.advance(8)
        bob.holds()
        sim.until(lambda: alice.call.held)
    first, second = ring(sim, bob, carol)
    transfer = refer(bob, first, second)
    sim.until(lambda: second.state == "over" and 180 in transfer.progress)
    alice.call.sound.forgets()
    assert alice.hears(sim.library.tone("ringback"))
    alice.hangs_up()
    sim.until(lambda: carol.idle and first.state == "over")
    sim.assert_idle()


@pytest.mark.parametrize(
    ("ringing", "status"),
    [
        ("at whom it talks to", 403),
        ("at itself", 481),  # RFC 3891 section 3: the dialog is its caller's
        ("for others", 403),
        ("where it may not be sent", 403),
    ],
)
def test_call_that_rings_and_is_not_to_be_given_to_anybody(ringing, status):
    sim, (alice, bob, carol, dave, desk) = office("1001", "1002", "1003", "1004", "1001", plan=strict)
    connect(sim, alice, bob)
    if ringing == "at whom it talks to":
        alice.busy = True
        first, second = ring(sim, bob, desk)
    elif ringing == "where it may not be sent":
        first, second = ring(sim, bob, dave)
    else:
        sim.until(lambda: bob.may_offer)
        first = bob.call
        if ringing == "at itself":
            bob.call = None
        caller, callee = (carol, bob) if ringing == "at itself" else (carol, dave)
        caller.invites(callee.number)
        sim.until(lambda: callee.ringing and caller.hears_ringing)
        second = callee.call if ringing == "at itself" else caller.call
    transfer = refer(bob, first, second)
    sim.until(lambda: transfer.over)
    assert transfer.status == status
    sim.advance(1)
    assert second.state in ("early", "ringing")
    assert sim.talk(alice, bob)
    alice.hangs_up()
    sim.until(lambda: bob.idle)
    bob.call = second if second in (bob.call, second) and ringing != "for others" else bob.call
    for phone in (bob, carol):
        if not phone.idle:
            phone.hangs_up()
    sim.until(lambda: all(phone.idle for phone in (bob, carol, dave, desk)), within=40)
    sim.assert_idle()


@pytest.mark.parametrize("meanwhile", ["answers", "declines", "gives up", "leaves"])
def test_what_happens_while_the_dialplan_thinks_about_it(meanwhile):
    sim, (alice, bob, carol) = office("1001", "1002", "1003", plan=slow)
    connect(sim, alice, bob)
    first, second = ring(sim, bob, carol)
    transfer = refer(bob, first, second)
    sim.advance(1)
    if meanwhile == "answers":
        carol.answers()
    elif meanwhile == "declines":
        carol.declines()
    elif meanwhile == "gives up":
        bob.call = second
        bob.hangs_up()
        bob.call = first
    else:
        alice.hangs_up()
    sim.advance(1)
    thinking.pop().callback(True)
    sim.until(lambda: transfer.over)
    assert transfer.status == (200 if meanwhile == "answers" else 481)
    sim.advance(16)
    if meanwhile == "answers":
        assert sim.talk(alice, carol)
        alice.hangs_up()
    elif meanwhile == "leaves":
        bob.call = second
        bob.hangs_up()
    else:
        assert sim.talk(alice, bob)
        alice.hangs_up()
    sim.until(lambda: alice.idle and bob.idle and carol.idle)
    sim.assert_idle()


def test_who_talks_to_somebody_else_by_the_time_of_the_decision_is_not_connected():
    """The dialplan was asked about another one."""
    sim, (alice, bob, carol, dave) = office("1001", "1002", "1003", "1004", plan=slow)
    thinking.clear()
    connect(sim, alice, bob)
    first, second = consult(sim, bob, carol)
    transfer = refer(bob, first, second)
    sim.until(lambda: thinking)
    Refer(carol, "sip:1004@10.0.0.1")
    sim.until(lambda: len(thinking) == 2)
    thinking[1].callback(True)
    sim.until(lambda: dave.ringing)
    dave.answers()
    sim.until(lambda: carol.idle)
    sim.advance(2)
    thinking[0].callback(True)
    sim.until(lambda: transfer.over)
    assert transfer.status == 481
    sim.advance(2)
    assert alice.talking and dave.talking and first.state == second.state == "talking"
    alice.hangs_up()
    dave.hangs_up()
    sim.until(lambda: first.state == second.state == "over")
    sim.assert_idle()
