"""The routes that detours take: with the rights of who has sent the call on, to no machine, and never in a circle."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pbx.dialplan import Answered, Declined, Failed
from pbx.exchange.accounts import Accounts
from pbx.exchange.diversion import Diversion
from pbx.sip.headers import DIVERSION
from tests.flows.detours import nothing_yet, outcomes, plan, seen
from tests.flows.forwarding import sets
from tests.flows.office import office
from tests.flows.trunks import ACME

__all__ = ["nothing_yet"]


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
