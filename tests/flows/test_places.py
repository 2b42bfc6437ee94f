"""Attended transfers to the dialplan itself: the transferor's second call has come to a conference, a menu, a mailbox.
Whom it talks to has its place there, in the middle of what the coroutine does (RFC 5589 section 7).
"""

from __future__ import annotations

from pbx.dialplan import Answered, Call, Plan, Transfer, ext, mailbox, prompt, room
from pbx.features.voicemail.mailbox import Mailbox
from tests.flows.office import flow, office
from tests.flows.openings import connect, consult, part, refer, requests_to, visit

plan = Plan()


@plan.internal("<number:1XXX>")
async def extension(call: Call, number: str) -> None:
    await call.dial(ext(number), timeout=20)


@plan.internal("600")
async def echo(call: Call) -> None:
    await call.echo()


@plan.internal("690")
async def meeting(call: Call) -> None:
    await call.conference(room("meeting"))


@plan.internal("700")
async def menu(call: Call) -> None:
    if await call.ask(prompt("main-menu"), timeout=20, tries=3) == "1":
        await call.dial(ext("1003"), timeout=20)
    else:
        await call.play(prompt("goodbye"))


@plan.internal("701")
async def queue(call: Call) -> None:
    """Answer, and let the caller hear it ring."""
    await call.answer()
    await call.dial(ext("1003"), timeout=20)
    await call.play(prompt("goodbye"))


@plan.internal("702")
async def screened(call: Call) -> None:
    """Ring somebody apart, while the caller hears music."""
    async with call.on_hold():
        outcome = await call.ring(ext("1003"), timeout=20)
    if isinstance(outcome, Answered):
        await call.bridge(outcome.leg)


@plan.internal("703")
async def message(call: Call) -> None:
    await call.voicemail(mailbox("office"))


@plan.internal("704")
async def early(call: Call) -> None:
    """Say something before the answer, and dial then."""
    await call.play(prompt("welcome"), prompt("main-menu"), early=True)
    await call.dial(ext("1003"), timeout=20)


@flow("1001", "1002", "1003", plan=plan)
def test_caller_comes_to_a_conference(sim, alice, bob, carol):
    carol.invites("690")
    sim.until(lambda: carol.talking)
    connect(sim, alice, bob)
    first, second = visit(sim, bob, "690")
    transfer = refer(bob, first, second)
    sim.until(lambda: transfer.over and first.state == second.state == "over")
    assert transfer.status == 200
    sim.advance(16)
    assert_meeting(sim, alice, carol)
    alice.hangs_up()
    carol.hangs_up()
    sim.until(lambda: carol.idle)


@flow("1001", "1002", "1003", plan=plan)
def test_colleague_comes_to_the_conference_in_which_the_transferor_is(sim, alice, bob, carol):
    """It asks in the dialog of the conference."""
    carol.invites("690")
    sim.until(lambda: carol.talking)
    bob.invites("690")
    sim.until(lambda: bob.talking)
    first, second = consult(sim, bob, alice)
    transfer = refer(bob, first, second)
    sim.until(lambda: transfer.over and first.state == second.state == "over")
    assert transfer.status == 200
    sim.advance(16)
    assert_meeting(sim, alice, carol)
    alice.hangs_up()
    carol.hangs_up()
    sim.until(lambda: carol.idle)


@flow("1001", "1002", plan=plan)
def test_caller_hears_itself(sim, alice, bob):
    connect(sim, alice, bob)
    first, second = visit(sim, bob, "600")
    transfer = refer(bob, first, second)
    sim.until(lambda: transfer.over and first.state == second.state == "over")
    sim.advance(16)
    alice.says(seconds=1)
    sim.advance(2)
    assert alice.call.sound.hears(440)
    alice.hangs_up()
    sim.until(lambda: alice.idle)


@flow("1001", "1002", "1003", plan=plan)
def test_caller_on_hold_comes_to_a_menu_and_answers_its_question(sim, alice, bob, carol):
    connect(sim, alice, bob)
    sim.advance(8)
    bob.holds()
    sim.until(lambda: alice.call.held and bob.may_offer)
    first, second = visit(sim, bob, "700")
    transfer = refer(bob, first, second)
    sim.until(lambda: transfer.over and first.state == second.state == "over")
    sim.advance(8)
    alice.presses("1")
    sim.until(lambda: carol.ringing)
    carol.answers()
    sim.until(lambda: carol.talking)
    part(sim, alice, carol)


@flow("1001", "1002", "1003", plan=plan)
def test_caller_waits_where_the_transferor_was_answered_and_waited(sim, alice, bob, carol):
    connect(sim, alice, bob)
    first, second = visit(sim, bob, "701")
    sim.until(lambda: carol.ringing)
    transfer = refer(bob, first, second)
    sim.until(lambda: transfer.over and second.state == "over")
    carol.answers()
    sim.until(lambda: carol.talking and first.state == "over")
    sim.advance(16)
    assert sim.talk(alice, carol)
    carol.hangs_up()
    assert alice.hears("goodbye")
    sim.until(lambda: alice.idle)


@flow("1001", "1002", "1003", plan=plan)
def test_caller_hears_music_where_the_transferor_did_and_talks_to_the_leg(sim, alice, bob, carol):
    connect(sim, alice, bob)
    first, second = visit(sim, bob, "702")
    sim.until(lambda: carol.ringing)
    transfer = refer(bob, first, second)
    sim.until(lambda: transfer.over and second.state == "over")
    carol.answers()
    sim.until(lambda: carol.talking and first.state == "over")
    part(sim, alice, carol)


@flow("1001", "1002", "1003", plan=plan)
def test_caller_hears_what_was_said_before_the_answer(sim, alice, bob, carol):
    connect(sim, alice, bob)
    sim.until(lambda: bob.may_offer)
    first, bob.call = bob.call, None
    bob.invites("704")
    sim.until(lambda: 183 in bob.call.progress and bob.call.session.may_update)
    second = bob.call
    transfer = refer(bob, first, second)
    sim.until(lambda: second.state == "over" and carol.ringing, within=20)
    carol.answers()
    sim.until(lambda: transfer.over and first.state == "over")
    part(sim, alice, carol)


@flow("1001", "1002", plan=plan)
def test_caller_does_not_take_what_it_is_offered(sim, alice, bob):
    connect(sim, alice, bob)
    first, second = visit(sim, bob, "700")
    alice.refuses = 488
    refer(bob, first, second)
    sim.until(lambda: alice.idle and first.state == second.state == "over")


@flow("1001", "1002", plan=plan)
def test_everybody_hangs_up_at_once(sim, alice, bob):
    connect(sim, alice, bob)
    first, second = visit(sim, bob, "700")
    refer(bob, first, second)
    alice.hangs_up()
    bob.hangs_up()
    bob.call = second
    bob.hangs_up()
    sim.until(lambda: alice.idle and first.state == second.state == "over")


def test_caller_leaves_a_message_and_hears_the_rest_of_the_greeting():
    sim, (alice, bob) = office("1001", "1002", plan=plan)
    sim.exchange.voicemail.replace([Mailbox("office")])
    connect(sim, alice, bob)
    first, second = visit(sim, bob, "703")
    transfer = refer(bob, first, second)
    sim.until(lambda: transfer.over)
    assert alice.hears("after-the-tone", within=20)
    sim.advance(2)
    alice.says(seconds=4)
    sim.advance(5)
    alice.hangs_up()
    sim.advance(2)
    assert sim.mailbox("office").new == 1
    sim.assert_idle()


def test_conference_knows_who_is_there_and_the_phone_that_it_is_in_one():
    sim, (alice, bob) = office("1001", "1002", plan=plan)
    connect(sim, alice, bob)
    first, second = visit(sim, bob, "690")
    sim.advance(2)
    before = len(sim.network.sent)
    refer(bob, first, second)
    sim.until(lambda: first.state == second.state == "over")
    sim.advance(2)
    (conference,) = sim.exchange.conferences
    assert [party.caller.number for party in conference.parties.values()] == ["1001"]
    (invite,) = requests_to(sim, alice, "INVITE", before)
    assert invite.first("contact").endswith(";isfocus")
    assert invite.first("p-asserted-identity") == "<sip:690@10.0.0.1>"
    alice.hangs_up()
    sim.advance(1)
    sim.assert_idle()


def test_colleague_is_not_put_where_it_may_not_come():
    sim, (alice, bob) = office("1001", "1002", plan=strict)
    connect(sim, alice, bob)
    first, second = visit(sim, bob, "690")
    transfer = refer(bob, first, second)
    sim.until(lambda: transfer.over)
    assert transfer.status == 403
    assert [asked.target.number for asked in decided] == ["690"]
    assert decided[0].is_attended and decided[0].party.number == "1001"
    sim.advance(2)
    assert sim.talk(alice, bob)
    alice.hangs_up()
    bob.call = second
    bob.hangs_up()
    sim.advance(1)
    sim.assert_idle()


def test_two_places_cannot_be_connected_with_each_other():
    sim, (bob,) = office("1002", plan=plan)
    bob.invites("600")
    first, second = visit(sim, bob, "690")
    transfer = refer(bob, first, second)
    sim.until(lambda: transfer.over)
    assert transfer.status == 403
    for call in (first, second):
        bob.call = call
        bob.hangs_up()
    sim.advance(1)
    sim.assert_idle()


def assert_meeting(sim, one, other):
    """Each hears the other; a mixed tone begins and ends with a frame that is none."""
    sim.talk(one, other)
    assert one.call.sound.share_of(600.0) > 0.5
    assert other.call.sound.share_of(440.0) > 0.5


strict = Plan()
strict.internal("<number:1XXX>")(extension)
strict.internal("690")(meeting)
decided: list[Transfer] = []


@strict.on_transfer
async def nowhere(transfer: Transfer) -> bool:
    decided.append(transfer)
    return False
