"""Forwarding: by what an extension has set, and by its phone (3xx). The call goes through the plan again, with the
rights of the extension that forwards it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pbx.dialplan import Busy, Call, Declined, Failed, NoAnswer, Plan, ext, group, trunk
from pbx.exchange.accounts import Accounts
from pbx.exchange.diversion import Diversion
from pbx.sip.headers import CONTACT, DIVERSION, HISTORY_INFO
from tests.flows.forwarding import field, sets
from tests.flows.office import flow, office
from tests.flows.trunks import ACME

plan = Plan()
outcomes = []


@plan.internal("<number:1XXX>")
async def extension(call: Call, number: str) -> None:
    outcomes.append(await call.dial(ext(number), timeout=30))


@plan.internal("700")
async def team(call: Call) -> None:
    outcomes.append(await call.dial(group("1002", "1003"), timeout=10))


@plan.internal("702")
async def refuses(call: Call) -> None:
    await call.reject(486)


@plan.internal("703")
async def speaks(call: Call) -> None:
    await call.answer()
    await call.sleep(1)


@plan.internal("704")
async def sends_away(call: Call) -> None:
    await call.redirect("sip:desk@example.org")


@plan.internal("705")
async def tells(call: Call) -> None:
    seen.append((call.caller.number, call.user.number, call.number, call.diversions))
    await call.reject(480)


@plan.outbound("0<number:int>", allow="national")
async def outside(call: Call, number: int) -> None:
    await call.dial(trunk("acme").to(f"0{number}"))


@plan.inbound(trunk("acme"))
async def came(call: Call) -> None:
    outcomes.append(await call.dial(ext("1002"), timeout=30))


seen = []


@pytest.fixture(autouse=True)
def _nothing_yet():
    outcomes.clear()
    seen.clear()


@flow("1001", "1002", "1003", plan=plan)
def test_all_calls_are_forwarded(sim, alice, bob, carol):
    sets(sim, "1002", forward_always="1003")
    alice.invites("1002")
    sim.until(lambda: carol.ringing)
    assert bob.call is None
    carol.answers()
    sim.until(lambda: alice.talking)
    sim.advance(8)
    assert sim.talk(alice, carol)
    carol.hangs_up()
    sim.until(lambda: alice.idle)


@flow("1001", "1002", "1003", plan=plan)
def test_a_phone_forwards_with_302(sim, alice, bob, carol):
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    bob.declines(302, (CONTACT.field("<sip:1003@10.0.0.1>"),))
    sim.until(lambda: carol.ringing)
    carol.answers()
    sim.until(lambda: alice.talking)
    sim.advance(8)
    assert sim.talk(alice, carol)
    alice.hangs_up()
    sim.until(lambda: carol.idle)


@flow("1001", "1002", "1003", plan=plan)
def test_a_call_that_nobody_answers_is_forwarded_when_the_extension_wants(sim, alice, bob, carol):
    sets(sim, "1002", forward_no_answer="1003", forward_no_answer_after=5)
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    sim.until(lambda: bob.idle and carol.ringing, within=40)
    carol.answers()
    sim.until(lambda: alice.talking)
    alice.hangs_up()
    sim.until(lambda: carol.idle)


def test_busy_not_registered_and_not_to_be_disturbed_are_forwarded_each_as_it_is_set():
    sim, (alice, bob, carol) = office("1001", "1002", "1003", plan=plan)
    sets(sim, "1002", forward_busy="1003", do_not_disturb=True)
    sets(sim, "1004", forward_unreachable="1003")
    for number in ("1002", "1004"):
        alice.invites(number)
        sim.until(lambda: carol.ringing, within=2)
        carol.declines(486)
        sim.until(lambda: alice.idle)
    assert bob.call is None
    sets(sim, "1002", do_not_disturb=False)
    bob.busy = True
    alice.invites("1002")
    sim.until(lambda: carol.ringing, within=2)
    alice.hangs_up()
    sim.until(lambda: carol.idle)
    sim.assert_idle()


def test_not_to_be_disturbed_is_busy():
    sim, (alice, bob) = office("1001", "1002", plan=plan)
    sets(sim, "1002", do_not_disturb=True)
    alice.invites("1002")
    sim.until(lambda: alice.idle)
    assert alice.call.status == 486 and bob.call is None
    assert outcomes[-1].attempts[0].text == "is not to be disturbed"
    sim.assert_idle()


def test_the_callee_is_told_by_whom_and_why_and_sees_the_caller():
    sim, (alice, bob, carol) = office("1001", "1002", "1003", plan=plan)
    bob.busy = True
    sets(sim, "1002", forward_busy="1003")
    alice.invites("1002")
    sim.until(lambda: carol.ringing)
    assert field(carol, DIVERSION) == "<sip:1002@10.0.0.1>;reason=user-busy"
    assert field(carol, HISTORY_INFO) == "<sip:1002@10.0.0.1>;index=1, <sip:1003@10.0.0.1;cause=486>;index=1.1;mp=1"
    assert carol.call.invite.sender().uri.user == "1001"
    alice.hangs_up()
    sim.assert_idle()


def test_forwarding_goes_with_the_rights_of_who_forwards():
    sim, (alice, _bob) = office("1001", "1002", plan=plan, trunks=[ACME])
    provider = sim.trunk("acme")
    may = {"1001": frozenset({"national"}), "1002": frozenset()}
    _grant(sim, may)
    sets(sim, "1002", forward_always="0123456")
    alice.invites("1002")
    sim.until(lambda: alice.idle)
    assert alice.call.status == 603 and not provider.calls
    assert isinstance(outcomes[-1], Declined)
    _grant(sim, {"1001": frozenset(), "1002": frozenset({"national"})})
    sets(sim, "1002", forward_always="0123456")
    alice.invites("1002")
    sim.until(lambda: provider.calls)
    alice.hangs_up()
    sim.assert_idle()


def _grant(sim, words):
    rows = [sim.exchange.directory.find(number) for number in ("1001", "1002", "1003", "1004")]
    rows = [replace(row, class_of_service=words.get(row.number, frozenset())) for row in rows]
    sim.exchange.replace_accounts(Accounts(rows, trunks=[ACME]))


@pytest.mark.parametrize(
    "contact",
    ["<sip:900123456@evil.example>", "<sip:no-such@10.0.0.1>", "<sip:0123456@10.0.0.1>", "<mailto:a@b.example>", "<<"],
)
def test_where_a_phone_may_not_call_it_does_not_forward_to(contact):
    sim, (alice, bob) = office("1001", "1002", plan=plan, trunks=[ACME])
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    bob.declines(302, (CONTACT.field(contact),))
    sim.until(lambda: alice.idle)
    assert alice.call.status == 603
    sim.assert_idle()


def test_of_several_contacts_the_preferred_one_that_is_ours_counts():
    sim, (alice, bob, carol) = office("1001", "1002", "1003", plan=plan)
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    contacts = "<sip:1004@10.0.0.1>;q=0.2, <sip:x@elsewhere.example>, <tel:10-03>;q=0.5"
    bob.declines(300, (CONTACT.field(contacts),))
    sim.until(lambda: carol.ringing)
    alice.hangs_up()
    sim.assert_idle()


def test_the_other_phones_of_who_forwards_stop_ringing():
    sim, (alice, bob, desk, carol) = office("1001", "1002", "1002", "1003", plan=plan)
    alice.invites("1002")
    sim.until(lambda: bob.ringing and desk.ringing)
    bob.declines(302, (CONTACT.field("<sip:1003@10.0.0.1>"),))
    sim.until(lambda: carol.ringing and desk.idle, within=2)
    carol.declines(486)
    sim.until(lambda: alice.idle)
    assert isinstance(outcomes[-1], Busy)
    assert [(str(one.target), one.code) for one in outcomes[-1].attempts] == [("1002", 302), ("1003", 486)]
    sim.assert_idle()


def test_a_circle_of_forwarding_ends():
    sim, (alice, _, _) = office("1001", "1002", "1003", plan=plan)
    sets(sim, "1002", forward_always="1003")
    sets(sim, "1003", forward_always="1002")
    alice.invites("1002")
    sim.until(lambda: alice.idle)
    assert alice.call.status == 482
    assert isinstance(outcomes[-1], Failed)
    sim.assert_idle()


def test_phones_that_send_a_call_to_each_other_end_it():
    sim, (alice, bob, carol) = office("1001", "1002", "1003", plan=plan)
    alice.invites("1002")
    for phone, other in ((bob, "1003"), (carol, "1002")):
        sim.until(lambda phone=phone: phone.ringing)
        phone.declines(302, (CONTACT.field(f"<sip:{other}@10.0.0.1>"),))
    sim.until(lambda: bob.ringing)
    bob.declines(302, (CONTACT.field("<sip:1003@10.0.0.1>"),))
    sim.until(lambda: alice.idle)
    assert alice.call.status == 482 and carol.idle
    alice.invites("1002")
    for _ in range(2):
        sim.until(lambda: bob.ringing)
        bob.declines(302, (CONTACT.field("<sip:1002@10.0.0.1>"),))
    sim.until(lambda: alice.idle)
    assert alice.call.status == 482
    sim.assert_idle()


def test_five_hops_at_most_those_included_that_the_call_has_come_with():
    sim, (_bob, carol) = office("1002", "1003", plan=plan, trunks=[ACME])
    sets(sim, "1002", forward_always="1003")
    provider = sim.trunk("acme")
    often, too_often = [
        DIVERSION.field(f"<sip:+14155550199@acme.example>;reason=no-answer;counter={count}") for count in (4, 5)
    ]
    zoe = provider.call("+14155550123", "+14155550100", more=(often,))
    sim.until(lambda: carol.ringing)
    assert field(carol, DIVERSION) == "<sip:1002@10.0.0.1>;reason=unconditional"
    zoe.hangs_up()
    sim.until(lambda: carol.idle)
    yves = provider.call("+14155550124", "+14155550100", more=(too_often,))
    sim.until(lambda: yves.idle)
    assert yves.call.status == 482
    sim.assert_idle()


def test_what_the_plan_of_the_other_number_does_is_the_outcome():
    sim, (alice,) = office("1001", plan=plan)
    for number, status in (("702", 486), ("704", 603), ("705", 480)):
        sets(sim, "1002", forward_always=number)
        alice.invites("1002")
        sim.until(lambda: alice.idle)
        assert alice.call.status == status
    assert seen == [("1001", "1002", "705", (Diversion("1002", "705", "unconditional"),))]
    sets(sim, "1002", forward_always="703")
    alice.invites("1002")
    sim.until(lambda: alice.talking)
    sim.until(lambda: alice.idle)
    assert outcomes[-1].answered
    sim.assert_idle()


def test_members_of_a_group_do_not_forward_its_calls():
    sim, (alice, _bob, carol) = office("1001", "1002", "1003", plan=plan)
    sets(sim, "1002", forward_always="1004")
    alice.invites("700")
    sim.until(lambda: carol.ringing)
    carol.declines(302, (CONTACT.field("<sip:1001@10.0.0.1>"),))
    sim.until(lambda: alice.idle)
    assert alice.call.status == 480
    assert [(str(one.target), one.code) for one in outcomes[-1].attempts] == [("1002", 302), ("1003", 302)]
    sim.assert_idle()


def test_the_caller_leaves_while_its_call_is_forwarded():
    sim, (alice, _bob, carol) = office("1001", "1002", "1003", plan=plan)
    sets(sim, "1002", forward_always="1003")
    alice.invites("1002")
    sim.until(lambda: carol.ringing)
    alice.hangs_up()
    sim.until(lambda: carol.idle)
    assert not outcomes
    sim.assert_idle()


def test_nobody_answers_where_it_was_forwarded_either():
    sim, (alice, _bob, carol) = office("1001", "1002", "1003", plan=plan)
    sets(sim, "1002", forward_no_answer="1003", forward_no_answer_after=40)
    alice.invites("1002")
    sim.until(lambda: carol.ringing)  # the plan rings for 30 s, and that is when it is forwarded
    sim.until(lambda: alice.idle)
    assert isinstance(outcomes[-1], NoAnswer)
    assert [str(one.target) for one in outcomes[-1].attempts] == ["1002", "1003"]
    sim.assert_idle()
