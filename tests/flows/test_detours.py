"""Detours: an extension that is one of several, in a dial, a ring group or a ring, sends the call on. Others ring in
its place, beside those that ring, as the plan says and with the extension's rights."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pbx.dialplan import Answered, Busy, Call, Declined, Failed, NoAnswer, Plan, ext, group, mailbox, trunk
from pbx.dialplan.groups import by_q, in_turn
from pbx.exchange.accounts import Accounts
from pbx.exchange.diversion import Diversion
from pbx.sip.headers import CONTACT, DIVERSION, HISTORY_INFO
from tests.flows.office import flow, office
from tests.flows.test_forks import ELSEWHERE
from tests.flows.test_forwarding import field, sets
from tests.flows.test_pickup import picks_up
from tests.flows.trunks import ACME

plan = Plan()
outcomes = []
seen = []
TO_CAROL = (CONTACT.field("<sip:1003@10.0.0.1>"),)


@plan.internal("<number:1XXX>")
async def extension(call: Call, number: str) -> None:
    seen.append(await call.dial(ext(number), timeout=30))


@plan.internal("700")
async def pair(call: Call) -> None:
    outcomes.append(await call.dial(ext("1002"), ext("1004"), timeout=20))


@plan.internal("701")
async def team(call: Call) -> None:
    outcomes.append(await call.dial(group("1002", "1004"), timeout=20))


@plan.internal("702")
async def team_that_forwards(call: Call) -> None:
    outcomes.append(await call.dial(group("1002", "1004", forwarding=True), timeout=20))


@plan.internal("703")
async def one_by_one(call: Call) -> None:
    outcomes.append(await call.dial(group("1002", "1004", strategy=in_turn, ring_for=8, forwarding=True)))


@plan.internal("704")
async def apart(call: Call) -> None:
    outcome = await call.ring(ext("1002"), timeout=20)
    outcomes.append(outcome)
    if isinstance(outcome, Answered):
        await call.bridge(outcome.leg)


@plan.internal("705")
async def machine(call: Call) -> None:
    try:
        await call.answer()
        seen.append("answered")
    finally:
        seen.append("left")


@plan.internal("706")
async def phone_then_machine(call: Call) -> None:
    await call.dial(ext("1003"), timeout=5)
    await call.voicemail(mailbox("1003"))
    seen.append("took a message")


@plan.internal("707")
async def tells(call: Call) -> None:
    seen.append((call.caller.number, call.user.number, call.number, call.diversions, call.transferred))
    await call.reject(486)


@plan.internal("708")
async def breaks(call: Call) -> None:
    raise RuntimeError("this route is broken")


@plan.internal("709")
async def two_after_each_other(call: Call) -> None:
    call.after_hangup(note(call))
    seen.append(await call.dial(ext("1003"), timeout=5))
    seen.append(await call.dial(ext("1001"), timeout=5))


@plan.internal("710")
async def everybody(call: Call) -> None:
    outcomes.append(await call.dial(group("1002", "1003", "1004", forwarding=True), timeout=20))


@plan.inbound(trunk("acme"))
async def came(call: Call) -> None:
    await call.dial(ext("1002"), ext("1004"), timeout=20)


async def note(call: Call) -> None:
    seen.append("over")


@plan.outbound("0<number:int>", allow="national")
async def outside(call: Call, number: int) -> None:
    await call.dial(trunk("acme").to(f"0{number}"))


@pytest.fixture(autouse=True)
def _nothing_yet():
    outcomes.clear()
    seen.clear()


def attempts():
    return [(str(one.target), one.code) for one in outcomes[-1].attempts]


@flow("1001", "1002", "1003", "1004", plan=plan)
def test_it_rings_where_one_of_two_has_sent_the_call_and_at_the_other(sim, alice, bob, carol, dave):
    sets(sim, "1002", forward_always="1003")
    alice.invites("700")
    sim.until(lambda: carol.ringing and dave.ringing)
    assert bob.call is None
    carol.answers()
    sim.until(lambda: alice.talking and dave.idle)
    assert dave.call.why == ELSEWHERE
    sim.advance(8)
    assert sim.talk(alice, carol)
    carol.hangs_up()
    sim.until(lambda: alice.idle)


@flow("1001", "1002", "1003", "1004", plan=plan)
def test_the_other_one_answers_and_it_rings_no_more_where_the_call_was_sent(sim, alice, bob, carol, dave):
    sets(sim, "1002", forward_always="1003")
    alice.invites("700")
    sim.until(lambda: carol.ringing and dave.ringing)
    dave.answers()
    sim.until(lambda: alice.talking and carol.idle)
    assert carol.call.why == ELSEWHERE
    sim.advance(8)
    assert sim.talk(alice, dave)
    alice.hangs_up()
    sim.until(lambda: dave.idle)


@flow("1001", "1002", "1003", "1004", plan=plan)
def test_a_phone_of_one_of_two_sends_the_call_on_with_302(sim, alice, bob, carol, dave):
    alice.invites("700")
    sim.until(lambda: bob.ringing and dave.ringing)
    bob.declines(302, TO_CAROL)
    sim.until(lambda: carol.ringing)
    assert dave.ringing
    carol.answers()
    sim.until(lambda: alice.talking and dave.idle)
    sim.advance(8)
    assert sim.talk(alice, carol)
    alice.hangs_up()
    sim.until(lambda: carol.idle)


@flow("1001", "1002", "1003", "1004", plan=plan)
def test_follow_me_while_the_other_one_rings_on(sim, alice, bob, carol, dave):
    sets(sim, "1002", forward_no_answer="1003", forward_no_answer_after=5)
    alice.invites("700")
    sim.until(lambda: bob.ringing and dave.ringing)
    sim.until(lambda: carol.ringing and bob.idle, within=40)
    assert dave.ringing
    alice.hangs_up()
    sim.until(lambda: carol.idle and dave.idle)


def test_busy_not_to_be_disturbed_and_not_registered_ring_elsewhere_each_as_it_is_set():
    sim, (alice, bob, carol, dave) = office("1001", "1002", "1003", "1004", plan=plan)
    sets(sim, "1002", forward_busy="1003", forward_unreachable="1001")
    bob.busy = True
    for change in ({}, {"do_not_disturb": True}):
        sets(sim, "1002", **change)
        alice.invites("700")
        sim.until(lambda: carol.ringing and dave.ringing, within=2)
        alice.hangs_up()
        sim.until(lambda: carol.idle and dave.idle)
    sets(sim, "1002", do_not_disturb=False, forward_unreachable="1003")
    bob.registers(expires=0)
    alice.invites("700")
    sim.until(lambda: carol.ringing and dave.ringing, within=2)
    alice.hangs_up()
    sim.until(lambda: carol.idle and dave.idle)
    sim.assert_idle()


def test_who_rings_elsewhere_is_told_by_whom_and_why_and_nobody_else_is():
    sim, (alice, carol, dave) = office("1001", "1003", "1004", plan=plan)
    sets(sim, "1002", forward_always="1003")
    alice.invites("700")
    sim.until(lambda: carol.ringing and dave.ringing)
    assert field(carol, DIVERSION) == "<sip:1002@10.0.0.1>;reason=unconditional"
    assert field(carol, HISTORY_INFO) == "<sip:1002@10.0.0.1>;index=1, <sip:1003@10.0.0.1;cause=302>;index=1.1;mp=1"
    assert carol.call.invite.sender().uri.user == "1001"
    assert field(dave, DIVERSION) is None and field(dave, HISTORY_INFO) is None
    alice.hangs_up()
    sim.assert_idle()


def test_all_of_it_ends_with_the_timeout_and_each_has_its_attempt():
    sim, (alice, carol, dave) = office("1001", "1003", "1004", plan=plan)
    sets(sim, "1002", forward_always="1003")
    alice.invites("700")
    sim.until(lambda: carol.ringing and dave.ringing)
    sim.advance(19)
    assert carol.ringing and dave.ringing
    sim.until(lambda: alice.idle, within=2)
    assert carol.idle and dave.idle and isinstance(outcomes[-1], NoAnswer)
    assert attempts() == [("1004", 480), ("1002", 302), ("1003", 480)]
    sim.assert_idle()


def test_the_others_ring_on_when_it_was_in_vain_there():
    sim, (alice, carol, dave) = office("1001", "1003", "1004", plan=plan)
    sets(sim, "1002", forward_always="1003")
    alice.invites("700")
    sim.until(lambda: carol.ringing and dave.ringing)
    carol.declines(486)
    sim.advance(5)
    assert dave.ringing
    dave.declines(486)
    sim.until(lambda: alice.idle)
    assert isinstance(outcomes[-1], Busy)
    assert attempts() == [("1002", 302), ("1003", 486), ("1004", 486)]
    sim.assert_idle()


def test_who_declines_for_all_ends_it_there_too():
    sim, (alice, carol, dave) = office("1001", "1003", "1004", plan=plan)
    sets(sim, "1002", forward_always="1003")
    alice.invites("700")
    sim.until(lambda: carol.ringing and dave.ringing)
    dave.declines(603)
    sim.until(lambda: alice.idle)
    assert carol.idle and isinstance(outcomes[-1], Declined)
    sim.assert_idle()


def test_members_of_a_group_are_rung_nowhere_else_unless_the_plan_says_so():
    sim, (alice, carol, dave) = office("1001", "1003", "1004", plan=plan)
    sets(sim, "1002", forward_always="1003")
    alice.invites("701")
    sim.until(lambda: dave.ringing)
    sim.advance(5)
    assert carol.call is None
    alice.hangs_up()
    sim.until(lambda: dave.idle)
    alice.invites("702")
    sim.until(lambda: carol.ringing and dave.ringing)
    carol.answers()
    sim.until(lambda: alice.talking and dave.idle)
    assert sim.talk(alice, carol)
    alice.hangs_up()
    sim.until(lambda: carol.idle)
    sim.assert_idle()


@pytest.mark.parametrize("number", ["701", "702"])
def test_a_member_that_is_not_to_be_disturbed_is_left_out(number):
    sim, (alice, bob, dave) = office("1001", "1002", "1004", plan=plan)
    sets(sim, "1002", do_not_disturb=True)
    alice.invites(number)
    sim.until(lambda: dave.ringing)
    assert bob.call is None
    alice.hangs_up()
    sim.assert_idle()


@flow("1001", "1002", "1003", "1004", plan=plan)
def test_in_turn_it_is_the_members_turn_elsewhere(sim, alice, bob, carol, dave):
    sets(sim, "1002", forward_always="1003")
    alice.invites("703")
    sim.until(lambda: carol.ringing)
    assert not dave.ringing
    sim.until(lambda: dave.ringing and carol.idle, within=40)
    dave.answers()
    sim.until(lambda: alice.talking)
    alice.hangs_up()
    sim.until(lambda: dave.idle)


def test_in_turn_the_next_one_rings_when_it_was_in_vain_there():
    sim, (alice, carol, dave) = office("1001", "1003", "1004", plan=plan)
    sets(sim, "1002", forward_always="1003")
    alice.invites("703")
    sim.until(lambda: carol.ringing)
    carol.declines(486)
    sim.until(lambda: dave.ringing, within=1)
    dave.declines(486)
    sim.until(lambda: alice.idle)
    assert attempts() == [("1002", 302), ("1003", 486), ("1004", 486)]
    sim.assert_idle()


def test_groups_that_give_phones_turns_forward_nothing():
    with pytest.raises(ValueError, match="forwarding is of members"):
        group("1002", strategy=by_q, forwarding=True)


@flow("1001", "1002", "1003", plan=plan)
def test_what_rings_apart_is_sent_on_too(sim, alice, bob, carol):
    sets(sim, "1002", forward_no_answer="1003", forward_no_answer_after=5)
    alice.invites("704")
    sim.until(lambda: bob.ringing)
    sim.until(lambda: bob.idle and carol.ringing, within=40)
    carol.answers()
    sim.until(lambda: alice.talking and carol.talking)
    sim.advance(8)
    assert sim.talk(alice, carol)
    carol.hangs_up()
    sim.until(lambda: alice.idle)


def test_it_goes_with_the_rights_of_who_has_sent_it_on():
    sim, (alice, dave) = office("1001", "1004", plan=plan, trunks=[ACME])
    provider = sim.trunk("acme")
    provider.rings()
    for words, rings in ((set(), False), ({"national"}, True)):
        rows = [sim.exchange.directory.find(number) for number in ("1001", "1002", "1003", "1004")]
        rows = [replace(row, class_of_service=frozenset(words if row.number == "1002" else ())) for row in rows]
        sim.exchange.replace_accounts(Accounts(rows, trunks=[ACME]))
        sets(sim, "1002", forward_always="0123456")
        alice.invites("700")
        sim.until(lambda: dave.ringing)
        sim.advance(1)
        assert bool(provider.calls) is rings
        if rings:
            assert provider.field("diversion").startswith("<sip:1002@")
        dave.declines(486)
        sim.until(lambda: dave.idle)
        if rings:
            alice.hangs_up()
        sim.until(lambda: alice.idle)
    assert isinstance(outcomes[0], Declined)
    sim.assert_idle()


@pytest.mark.parametrize("number", ["705", "706"])
def test_no_machine_takes_a_call_for_which_others_ring(number):
    sim, (alice, carol, dave) = office("1001", "1003", "1004", plan=plan)
    sets(sim, "1002", forward_always=number)
    alice.invites("700")
    sim.until(lambda: dave.ringing and carol.ringing is (number == "706"))
    sim.advance(10)
    assert dave.ringing and not alice.talking
    assert "answered" not in seen and "took a message" not in seen
    dave.answers()
    sim.until(lambda: alice.talking)
    alice.hangs_up()
    sim.until(lambda: dave.idle)
    assert seen == (["left"] if number == "705" else [])
    sim.assert_idle()


def test_the_route_knows_who_calls_who_has_sent_it_on_and_why():
    sim, (alice, dave) = office("1001", "1004", plan=plan)
    sets(sim, "1002", forward_always="707")
    alice.invites("700")
    sim.until(lambda: dave.ringing)
    assert seen == [("1001", "1002", "707", (Diversion("1002", "707", "unconditional"),), False)]
    alice.hangs_up()
    sim.assert_idle()


def test_a_route_that_is_broken_breaks_nothing_else(logged_errors):
    sim, (alice, dave) = office("1001", "1004", plan=plan)
    sets(sim, "1002", forward_always="708")
    alice.invites("700")
    sim.until(lambda: dave.ringing)
    assert len(logged_errors()) == 1
    dave.answers()
    sim.until(lambda: alice.talking)
    assert sim.talk(alice, dave)
    alice.hangs_up()
    sim.until(lambda: dave.idle)
    sim.assert_idle()


def test_the_route_goes_on_when_the_conversation_is_over_and_has_nobody_left_to_ring_for():
    sim, (alice, carol, dave) = office("1001", "1003", "1004", plan=plan)
    sets(sim, "1002", forward_always="709")
    alice.invites("700")
    sim.until(lambda: carol.ringing and dave.ringing)
    carol.answers()
    sim.until(lambda: alice.talking)
    sim.advance(5)
    assert not seen
    carol.hangs_up()
    sim.until(lambda: alice.idle)
    assert isinstance(seen[0], Answered) and seen[1:] == ["over"]
    sim.assert_idle()


@pytest.mark.parametrize("leaves", ["caller", "others"])
def test_the_route_is_over_when_the_call_is(leaves):
    sim, (alice, carol, dave) = office("1001", "1003", "1004", plan=plan)
    sets(sim, "1002", forward_always="709")
    alice.invites("700")
    sim.until(lambda: carol.ringing and dave.ringing)
    alice.hangs_up() if leaves == "caller" else dave.answers()
    sim.until(lambda: carol.idle)
    assert seen == ["over"]
    alice.hangs_up() if leaves == "others" else None
    sim.until(lambda: dave.idle)
    sim.assert_idle()


def test_two_that_send_the_call_to_each_other_end_it():
    sim, (alice,) = office("1001", plan=plan)
    sets(sim, "1002", forward_always="1004")
    sets(sim, "1004", forward_always="1002")
    alice.invites("700")
    sim.until(lambda: alice.idle)
    assert isinstance(outcomes[-1], Failed) and outcomes[-1].code == 482
    sim.assert_idle()


def test_members_that_all_send_the_call_to_their_group_end_it():
    sim, (alice, dave) = office("1001", "1004", plan=plan)
    for number in ("1002", "1003"):
        sets(sim, number, forward_always="710")
    alice.invites("710")
    sim.until(lambda: dave.ringing)
    sim.advance(1)
    alice.hangs_up()
    sim.until(lambda: dave.idle)
    sets(sim, "1004", forward_always="710")
    alice.invites("710")
    sim.until(lambda: alice.idle)
    assert isinstance(outcomes[-1], Failed) and outcomes[-1].code == 482
    sim.assert_idle()


def test_five_hops_at_most_those_included_that_the_call_has_come_with():
    sim, (carol, dave) = office("1003", "1004", plan=plan, trunks=[ACME])
    sets(sim, "1002", forward_always="1003")
    for count in (4, 5):
        told = DIVERSION.field(f"<sip:+14155550199@acme.example>;reason=no-answer;counter={count}")
        zoe = sim.trunk("acme").call("+14155550123", "+14155550100", more=(told,))
        sim.until(lambda: dave.ringing)
        sim.advance(1)
        assert carol.ringing is (count == 4)
        zoe.hangs_up()
        sim.until(lambda: dave.idle and carol.idle)
    sim.assert_idle()


def test_a_phone_that_rings_already_is_not_rung_twice():
    sim, (alice, dave) = office("1001", "1004", plan=plan)
    sets(sim, "1002", forward_always="1004")
    alice.invites("700")
    sim.until(lambda: dave.ringing)
    sim.advance(1)
    assert sim.exchange.switchboard.calls_of("1004") == 1
    dave.declines(486)
    sim.until(lambda: alice.idle)
    assert attempts() == [("1002", 302), ("1004", 486), ("1004", 486)]
    sim.assert_idle()


def test_what_rings_elsewhere_can_be_picked_up():
    sim, (alice, carol, cell, dave) = office("1001", "1003", "1003", "1004", plan=plan)
    sets(sim, "1002", forward_always="1003")
    alice.invites("700")
    sim.until(lambda: carol.ringing and cell.ringing and dave.ringing)
    sim.advance(2)
    cell.call = None
    picks_up(cell, carol.call)
    sim.until(lambda: cell.talking and alice.talking and dave.idle and carol.idle)
    sim.advance(8)
    assert sim.talk(alice, cell)
    alice.hangs_up()
    sim.until(lambda: cell.idle)
    sim.assert_idle()


def test_an_extension_that_is_removed_rings_no_more_there():
    sim, (alice, carol, dave) = office("1001", "1003", "1004", plan=plan)
    sets(sim, "1002", forward_always="1003")
    alice.invites("700")
    sim.until(lambda: carol.ringing and dave.ringing)
    sim.exchange.switchboard.hang_up("1003", "removed")
    sim.until(lambda: carol.idle)
    assert dave.ringing
    alice.hangs_up()
    sim.until(lambda: dave.idle)
    sim.assert_idle()


def test_early_media_there_is_not_heard_but_it_rings():
    sim, (alice, carol, dave) = office("1001", "1003", "1004", plan=plan)
    sets(sim, "1002", forward_always="1003")
    dave.busy = True
    alice.invites("700")
    sim.until(lambda: carol.ringing and dave.idle)
    carol.sends_early_media()
    sim.advance(1)
    assert alice.call.progress == [180] and not sim.talk(alice, carol)
    carol.answers()
    sim.until(lambda: alice.talking)
    sim.advance(8)
    assert sim.talk(alice, carol)
    alice.hangs_up()
    sim.until(lambda: carol.idle)
    sim.assert_idle()
