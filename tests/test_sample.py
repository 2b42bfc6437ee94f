"""The sample dialplan, etc/dialplan.py: the codes that people dial."""

from __future__ import annotations

from pathlib import Path

import pytest

from pbx.dialplan.loading import load
from pbx.testing.sim import Sim
from pbx.testing.watch import Transfer

SAMPLE = Path(__file__).parent.parent / "etc" / "dialplan.py"


@pytest.fixture
def sim():
    return Sim(load(SAMPLE, lambda number: True))


def dials(phone, code, sim):
    phone.dials(code)
    sim.until(lambda: phone.idle)


def test_codes_forward_calls_and_end_that(sim):
    alice, bob, carol = (sim.phone(number) for number in ("1001", "1002", "1003"))
    dials(bob, "*21*1003#", sim)
    alice.dials("1002")
    assert carol.ringing and not bob.ringing
    alice.hang_up()
    bob.dials("*#21#")
    assert bob.hears("digits/1") and bob.hears("digits/3")
    sim.until(lambda: bob.idle)
    dials(bob, "#21#", sim)
    alice.dials("1002")
    assert bob.ringing
    alice.hang_up()
    dials(bob, "*67*1003", sim)
    bob.is_busy()
    alice.dials("1002")
    assert carol.ringing
    alice.hang_up()
    sim.assert_idle()


def test_a_code_with_a_number_that_leads_nowhere_changes_nothing(sim):
    alice, bob = sim.phone("1001"), sim.phone("1002")
    dials(bob, "*21*00441234#", sim)
    dials(bob, "*22*1003#", sim)
    alice.dials("1002")
    assert bob.ringing
    alice.hang_up()
    sim.assert_idle()


def test_do_not_disturb_by_code(sim):
    alice, bob = sim.phone("1001"), sim.phone("1002")
    dials(bob, "*78", sim)
    alice.dials("1002")
    assert not bob.ringing
    alice.hang_up()
    dials(bob, "*79", sim)
    alice.dials("1002")
    assert bob.ringing
    alice.hang_up()
    sim.assert_idle()


def test_a_colleague_picks_up_by_code():
    users = {"extensions": {number: {"pickup_group": "sales"} for number in ("1001", "1002", "1003")}}
    sim = Sim(load(SAMPLE, lambda number: True), users)
    alice, bob, carol = (sim.phone(number) for number in ("1001", "1002", "1003"))
    alice.dials("1002")
    carol.dials("*81002")
    assert alice.talks_to(carol) and bob.idle
    alice.hang_up()
    alice.dials("1002")
    carol.dials("*8")
    assert alice.talks_to(carol) and bob.idle
    carol.hang_up()
    sim.assert_idle()


def test_a_call_without_a_name(sim):
    alice, bob = sim.phone("1001"), sim.phone("1002")
    alice.dials("#31#1002")
    assert bob.ringing and bob.display == "Anonymous"
    alice.hang_up()
    alice.dials("1002")
    assert bob.display == "Phone 1001"
    alice.hang_up()
    sim.assert_idle()


def test_the_phone_of_a_colleague_is_asked_to_answer_by_itself(sim):
    alice, bob = sim.phone("1001"), sim.phone("1002")
    alice.dials("*801002")
    assert bob.ringing and "answer-after=0" in bob.call.invite.first("call-info")
    bob.answer()
    assert alice.talks_to(bob)
    alice.hang_up()
    sim.assert_idle()


def test_a_call_is_parked_and_retrieved():
    sim = Sim(load(SAMPLE, lambda number: True))
    alice, bob, carol = (sim.phone(number) for number in ("1001", "1002", "1003"))
    alice.dials("1002")
    bob.answer()
    sim.until(lambda: bob.phone.may_offer)
    Transfer(bob.phone, "sip:*70@10.0.0.1")
    sim.until(lambda: bob.idle)
    assert alice.connected
    carol.dials("701")
    assert alice.talks_to(carol)
    carol.hang_up()
    sim.assert_idle()


def test_keys_during_a_conversation_park_the_other_one_and_say_where(sim):
    alice, bob = sim.phone("1001"), sim.phone("1002")
    alice.dials("1002")
    bob.answer()
    bob.presses("#70")
    assert bob.hears("digits/7")
    sim.advance(5)
    assert bob.idle and alice.hears("music/hold", within=60)
    bob.dials("701")
    assert bob.talks_to(alice)
    bob.hang_up()
    sim.advance(2)
    sim.assert_idle()


def test_keys_during_a_conversation_ask_a_colleague_and_send_the_other_one_on(sim):
    alice, bob, carol = (sim.phone(number) for number in ("1001", "1002", "1003"))
    alice.dials("1002")
    bob.answer()
    bob.presses("*21003")
    carol.answer()
    bob.presses("*3")
    sim.advance(2)
    assert alice.talks_to(bob) and carol.idle
    bob.presses("*21003")
    carol.answer()
    bob.presses("*1")
    sim.advance(2)
    assert bob.idle and alice.talks_to(carol)
    alice.presses("#11002")
    assert alice.idle and bob.ringing
    bob.answer()
    assert carol.talks_to(bob)
    bob.hang_up()
    sim.advance(2)
    sim.assert_idle()
