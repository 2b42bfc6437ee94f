"""Hold, in each dialect: who is held hears music and not the other one, who hears nothing; later all is as before."""

from __future__ import annotations

import pytest

from tests.flows.office import flow, office
from tests.flows.openings import connect

DIALECTS = ("sendonly", "inactive", "0.0.0.0")


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("holder", ["caller", "callee"])
def test_held_phone_hears_music_and_not_the_holder(dialect, holder):
    sim, (alice, bob) = office("1001", "1002")
    connect(sim, alice, bob)
    sim.advance(2)
    one, other = (alice, bob) if holder == "caller" else (bob, alice)
    holds(one, dialect)
    sim.until(lambda: other.call.held and one.may_offer)
    assert other.hears(sim.library.prompt("music/hold"), within=60)
    one.says(1)
    other.says(1, 660)
    assert not other.call.sound.hears(440)
    assert not one.call.sound.hears(660)
    one.resumes()
    sim.until(lambda: not other.call.held and one.may_offer and other.may_offer)
    assert sim.talk(alice, bob)
    one.hangs_up()
    sim.until(lambda: other.idle)
    sim.assert_idle()


@flow("1001", "1002")
def test_both_hold_each_other_and_resume(sim, alice, bob):
    connect(sim, alice, bob)
    for step in (bob.holds, alice.holds, bob.resumes, alice.resumes):
        sim.advance(8)  # offers do not cross here
        step()
        sim.advance(8)
        holding = alice.call.holding, bob.call.holding
        assert (bob.call.held, alice.call.held) == holding
    assert sim.talk(alice, bob)
    alice.hangs_up()
    sim.until(lambda: bob.idle)


def test_held_call_ends():
    sim, (alice, bob) = office("1001", "1002")
    connect(sim, alice, bob)
    sim.advance(2)
    bob.holds()
    sim.until(lambda: alice.call.held)
    alice.hangs_up()
    sim.until(lambda: bob.idle)
    sim.assert_idle()


def holds(phone, dialect):
    """Put the other side on hold."""
    if dialect == "0.0.0.0":
        phone._offers(phone.call.describe().replace(f"c=IN IP4 {phone.host}".encode(), b"c=IN IP4 0.0.0.0"))
    else:
        phone._offers(phone.call.describe(dialect))


def test_silence_ends_a_call_but_not_while_it_is_held():
    sim, (alice, bob) = office("1001", "1002", silence_ends=60)
    connect(sim, alice, bob)
    sim.advance(8)
    bob.holds()
    sim.advance(600)
    assert alice.talking and bob.talking
    bob.resumes()
    for _ in range(10):
        sim.advance(30)
        assert sim.talk(alice, bob)
    bob.vanishes()
    sim.until(lambda: alice.idle, within=120)
    sim.advance(40)
    bob.call.over("us")
    bob.agent.sessions.clear()
    sim.assert_nothing_left()
