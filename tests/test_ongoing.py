"""What an administrator sees of the calls, and that he ends one and no other."""

from __future__ import annotations

import pytest

from pbx.faults import Fault
from pbx.ongoing import Ongoing
from tests.flows.office import office
from tests.flows.openings import connect


def test_calls_are_seen_and_one_is_ended_for_all_who_take_part():
    sim, (alice, bob, carol, dave) = office("1001", "1002", "1003", "1004")
    ongoing = Ongoing(sim.exchange.switchboard)
    assert ongoing.listed() == []
    connect(sim, alice, bob)
    carol.invites("1004")
    sim.until(lambda: dave.ringing)
    sim.advance(4)
    first, second = ongoing.listed()
    assert [first[key] for key in ("caller", "number", "talks_to", "answered")] == ["1001", "1002", "1002", True]
    assert [second[key] for key in ("caller", "number", "talks_to", "answered")] == ["1003", "1004", None, False]
    assert first["seconds"] == 4
    assert ongoing.listed("1002") == [first]
    assert ongoing.listed("1004") == []
    ongoing.hang_up(first["call"][:12])
    sim.until(lambda: alice.idle and bob.idle)
    assert carol.hears_ringing
    ongoing.hang_up(second["call"])
    sim.until(lambda: carol.idle and dave.idle)
    assert carol.call.status == 503
    sim.assert_idle()


@pytest.mark.parametrize("call", ["", "nothing"])
def test_call_that_is_not_there_cannot_be_ended(call):
    sim, _ = office("1001")
    with pytest.raises(Fault, match="there is no call"):
        Ongoing(sim.exchange.switchboard).hang_up(call)
    sim.assert_idle()


def test_beginning_of_two_calls_ends_neither():
    sim, (alice, bob) = office("1001", "1002")
    ongoing = Ongoing(sim.exchange.switchboard)
    connect(sim, alice, bob)
    (call,) = sim.exchange.switchboard.calls.values()
    sim.exchange.switchboard.calls[call.id + "1"] = call
    with pytest.raises(Fault, match="the beginning of 2 calls"):
        ongoing.hang_up(call.id)
    del sim.exchange.switchboard.calls[call.id + "1"]
    assert sim.talk(alice, bob)
    alice.hangs_up()
    sim.until(lambda: bob.idle)
    sim.assert_idle()
