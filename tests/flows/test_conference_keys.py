"""Keys in a conference: what each party may do, and what only who leads."""

from __future__ import annotations

import pytest

from pbx.testing.exchange import SimulatedExchange
from tests.flows.conferences import conference, ended, enter, heard, nothing_ended, parties, say, silence, sim

__all__ = ["nothing_ended", "sim"]


def test_star_one_mutes_oneself_and_again_unmutes(sim: SimulatedExchange) -> None:
    alice, bob = enter(sim, "1001", "1002")
    bob.presses("*1")
    assert bob.hears("conference/muted")
    silence(sim)
    say(sim, (alice, bob), (440.0, 600.0))
    assert heard(alice, 600.0) < 0.01 and heard(bob, 440.0) > 0.95
    sim.advance(1)
    bob.presses("*1")
    assert bob.hears("conference/unmuted")
    silence(sim)
    say(sim, (alice, bob), (440.0, 600.0))
    assert heard(alice, 600.0) > 0.95


def test_leader_locks_and_unlocks(sim: SimulatedExchange) -> None:
    alice, bob = enter(sim, "1001", "1002")
    alice.presses("*4")
    assert bob.hears("conference/locked")
    carol = sim.phone("1003")
    carol.invites("800")
    assert carol.hears("conference/locked")
    sim.until(lambda: carol.idle)
    assert ended == [("1003", "locked")]
    alice.presses("*4")
    assert bob.hears("conference/unlocked")
    carol.invites("800")
    sim.until(lambda: parties(sim) == 3)


def test_lock_does_not_keep_the_leader_out(sim: SimulatedExchange) -> None:
    alice, _ = enter(sim, "1001", "1002")
    alice.presses("*4")
    alice.hangs_up()
    sim.until(lambda: parties(sim) == 1)
    alice.invites("800")
    sim.until(lambda: parties(sim) == 2)


def test_leader_removes_who_came_last(sim: SimulatedExchange) -> None:
    alice, bob, carol = enter(sim, "1001", "1002", "1003")
    alice.presses("*7")
    assert carol.hears("conference/removed")
    sim.until(lambda: carol.idle)
    assert ended == [("1003", "removed")] and bob.talking
    alice.presses("*7")
    sim.until(lambda: bob.idle)
    alice.presses("*7")  # nobody is left but the leader himself
    sim.advance(1)
    assert parties(sim) == 1


def test_leader_ends_the_conference(sim: SimulatedExchange) -> None:
    phones = enter(sim, "1001", "1002", "1003")
    phones[0].presses("*9")
    assert phones[1].hears("conference/ended")
    sim.until(lambda: all(phone.idle for phone in phones))
    assert sorted(ended) == [("1001", "ended"), ("1002", "ended"), ("1003", "ended")]


@pytest.mark.parametrize("keys", ["*4", "*5", "*7", "*9", "*2"])
def test_who_does_not_lead_may_not(sim: SimulatedExchange, keys: str) -> None:
    _, bob = enter(sim, "1001", "1002")
    bob.presses(keys)
    assert bob.hears("invalid-choice")
    assert parties(sim) == 2 and not conference(sim).locked and conference(sim).recording is None


def test_digit_that_follows_the_star_too_late_or_no_star_means_nothing(sim: SimulatedExchange) -> None:
    _, bob = enter(sim, "1001", "1002")
    bob.presses("1*")
    sim.advance(4)
    bob.presses("1")
    assert not conference(sim).parties[2].muted
