"""Coming into a conference and going out of it: PINs, tones, a room that is full, phones that vanish."""

from __future__ import annotations

from pbx.testing.exchange import SimulatedExchange
from pbx.testing.phone import Phone
from tests.flows.conferences import conference, ended, enter, enters, heard, nothing_ended, parties, say, silence, sim
from tests.flows.office import flow

__all__ = ["nothing_ended", "sim"]


def test_party_that_vanishes_is_not_there_for_ever(sim: SimulatedExchange) -> None:
    alice, bob = enter(sim, "1001", "1002")
    bob.vanishes()
    sim.until(lambda: parties(sim) == 1, within=3600)
    assert alice.talking and ended == []
    silence(sim)
    alice.says(1)


@flow("1001", "1002")
def test_conference_over_a_network_with_faults(sim: SimulatedExchange, alice: Phone, bob: Phone) -> None:
    for phone in (alice, bob):
        phone.invites("690")
    sim.until(lambda: parties(sim) == 2)
    sim.until(lambda: alice.talking and bob.talking)
    sim.advance(2)
    say(sim, (alice, bob), (440.0, 600.0))
    assert heard(alice, 600.0) > 0.95 and heard(bob, 440.0) > 0.95
    alice.hangs_up()
    sim.until(lambda: parties(sim) == 1, within=40)
    bob.presses("*0")
    sim.until(lambda: bob.idle and parties(sim) == 0, within=40)


def test_tones_tell_of_who_joins_and_who_leaves(sim: SimulatedExchange) -> None:
    (alice,) = enter(sim, "1001")
    silence(sim)
    bob = enters(sim, "1002")
    assert alice.hears(sim.library.tone("join"), within=1)
    assert bob.hears(sim.library.tone("join"), within=1)
    bob.hangs_up()
    assert alice.hears(sim.library.tone("leave"), within=1)


def test_who_presses_star_zero_leaves_and_the_plan_goes_on(sim: SimulatedExchange) -> None:
    alice, bob = enter(sim, "1001", "1002")
    bob.presses("*0")
    sim.until(lambda: bob.idle)
    assert ended == [("1002", "left")] and alice.talking


def test_thirty_third_party_is_told_that_the_conference_is_full(sim: SimulatedExchange) -> None:
    enter(sim, *[str(number) for number in range(1001, 1033)])
    late = sim.phone("1040")
    late.invites("800")
    assert late.hears("conference/full")
    sim.until(lambda: late.idle)
    assert ended == [("1040", "full")] and parties(sim) == 32
    sim.phones[0].hangs_up()
    sim.until(lambda: parties(sim) == 31)
    late.invites("800")
    sim.until(lambda: parties(sim) == 32)


def test_right_pin_opens(sim: SimulatedExchange) -> None:
    alice = sim.phone("1001")
    alice.invites("801")
    assert alice.hears("enter-pin")
    alice.presses("0815#")
    assert alice.hears("wrong-pin")
    alice.presses("4711#")
    sim.until(lambda: parties(sim) == 1)


def test_wrong_pin_three_times_does_not(sim: SimulatedExchange) -> None:
    alice = sim.phone("1001")
    alice.invites("801")
    for tried in ("1", "47110", "471"):
        sim.advance(1)
        alice.presses(f"{tried}#")
    assert alice.hears("goodbye")
    sim.until(lambda: alice.idle)
    assert ended == [("1001", "refused")] and parties(sim) == 0


def test_no_pin_at_all_does_not_either(sim: SimulatedExchange) -> None:
    alice = sim.phone("1001")
    alice.invites("801")
    sim.until(lambda: alice.idle)
    assert ended == [("1001", "refused")]


def test_plan_may_let_somebody_in_without_the_pin(sim: SimulatedExchange) -> None:
    enters(sim, "1001", "804")
    assert conference(sim, "board").parties[1].leads


def test_hang_up_is_noticed_in_every_state(sim: SimulatedExchange) -> None:
    (alice,) = enter(sim, "1001", dialled="804")
    bob = sim.phone("1002")
    bob.invites("801")  # while the PIN is asked for
    sim.advance(1)
    bob.hangs_up()
    sim.advance(1)
    bob.invites("801")  # while it is told that the PIN is wrong
    sim.advance(1)
    bob.presses("1#")
    bob.hangs_up()
    sim.advance(1)
    bob.invites("801")  # as soon as it is in
    sim.advance(1)
    bob.presses("4711#")
    sim.until(lambda: parties(sim) == 2)
    bob.hangs_up()
    sim.until(lambda: parties(sim) == 1)
    bob.invites("801")  # while it is told that it was removed
    sim.advance(1)
    bob.presses("4711#")
    sim.until(lambda: parties(sim) == 2)
    alice.presses("*7")
    sim.until(lambda: parties(sim) == 1)
    bob.hangs_up()
    sim.advance(1)
    alice.hangs_up()
    sim.until(lambda: parties(sim) == 0)
    assert ended == []
