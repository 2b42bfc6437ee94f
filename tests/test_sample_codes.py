"""The sample dialplan, etc/dialplan.py: what each of its codes does, dialled from a phone."""

from __future__ import annotations

from pathlib import Path

import pytest

from pbx.dialplan.loading import load
from pbx.media.library import Library
from pbx.testing.sim import Sim
from pbx.testing.sim_phone import SimPhone
from tests.flows.office import office

SAMPLE = Path(__file__).parent.parent / "etc" / "dialplan.py"
USERS = {
    "extensions": {
        "1001": {"name": "Alice", "class_of_service": "intercom"},
        "1002": {"name": "Bob"},
        "1003": {"name": "Carol"},
    },
    "mailboxes": {"1002": {"extension": "1002"}},
}


@pytest.fixture
def sim() -> Sim:
    return Sim(load(SAMPLE, lambda number: True), USERS)


@pytest.fixture
def phones(sim: Sim) -> tuple[SimPhone, SimPhone, SimPhone]:
    return sim.phone("1001"), sim.phone("1002"), sim.phone("1003")


def dials(sim: Sim, phone: SimPhone, code: str) -> bool:
    """Dial a code until it is over; return whether it was confirmed by a beep."""
    phone.dials(code)
    beeped = phone.hears(sim.exchange.library.tone("beep"), within=4)
    assert sim.until(lambda: phone.idle)
    return beeped


def rings(sim: Sim, caller: SimPhone, number: str, phone: SimPhone, within: float = 1) -> bool:
    """Whether a phone rings for a call to a number; the caller hangs up then."""
    caller.dials(number)
    rang = sim.until(lambda: phone.ringing, within)
    caller.hang_up()
    sim.advance(1)
    return rang


@pytest.mark.parametrize("mark", ["#", ""])
def test_61_forwards_when_nobody_answers(sim, phones, mark):
    alice, bob, carol = phones
    assert dials(sim, bob, f"*61*1003{mark}")
    bob.dials(f"*#61{mark}")
    assert bob.hears("digits/1") and bob.hears("digits/3")
    sim.until(lambda: bob.idle)
    alice.dials("1002")
    assert bob.ringing and not carol.ringing
    assert sim.until(lambda: carol.ringing, 30)
    assert not bob.ringing
    carol.answer()
    assert alice.talks_to(carol)
    alice.hang_up()
    assert dials(sim, bob, f"#61{mark}")
    assert dials(sim, bob, f"*#61{mark}")  # nowhere
    assert not rings(sim, alice, "1002", carol, within=19)
    sim.assert_idle()


@pytest.mark.parametrize("mark", ["#", ""])
def test_62_forwards_while_no_phone_is_registered(sim, phones, mark):
    alice, bob, carol = phones
    assert dials(sim, bob, f"*62*1003{mark}")
    assert rings(sim, alice, "1002", bob)
    bob.phone.registers(0)
    sim.until(lambda: not bob.phone.registered)
    assert rings(sim, alice, "1002", carol)
    bob.phone.registers()
    sim.until(lambda: bob.phone.registered)
    bob.dials(f"*#62{mark}")
    assert bob.hears("digits/3")
    sim.until(lambda: bob.idle)
    assert dials(sim, bob, f"#62{mark}")
    bob.phone.registers(0)
    sim.until(lambda: not bob.phone.registered)
    assert not rings(sim, alice, "1002", carol)
    sim.assert_idle()


@pytest.mark.parametrize("mark", ["#", ""])
def test_67_forwards_while_one_is_busy(sim, phones, mark):
    alice, bob, carol = phones
    assert dials(sim, bob, f"*67*1003{mark}")
    bob.is_busy()
    assert rings(sim, alice, "1002", carol)
    bob.dials(f"*#67{mark}")
    assert bob.hears("digits/3")
    sim.until(lambda: bob.idle)
    assert dials(sim, bob, f"#67{mark}")
    assert not rings(sim, alice, "1002", carol)
    sim.assert_idle()


@pytest.mark.parametrize("mark", ["#", ""])
def test_21_forwards_always(sim, phones, mark):
    alice, bob, carol = phones
    assert dials(sim, bob, f"*21*1003{mark}")
    assert rings(sim, alice, "1002", carol)
    assert dials(sim, bob, f"#21{mark}")
    assert rings(sim, alice, "1002", bob)
    sim.assert_idle()


@pytest.mark.parametrize("code", ["*22*1003#", "#22#", "*21*1999999#", "*61*00441234#", "*62*nonsense#"])
def test_code_that_means_nothing_is_not_confirmed(sim, phones, code):
    _, bob, _ = phones
    bob.dials(code)
    assert bob.hears(sim.exchange.library.tone("congestion"), within=4)
    sim.until(lambda: bob.idle)
    assert not any(
        getattr(sim.exchange.exchange.directory.find("1002"), f"forward_{when}")
        for when in ("always", "busy", "no_answer", "unreachable")
    )
    sim.assert_idle()


def test_43_lets_calls_come_in_while_one_talks_or_not(sim, phones):
    alice, bob, carol = phones
    assert dials(sim, bob, "#43#")
    alice.dials("1002")
    bob.answer()
    carol.dials("1002")
    assert carol.hears("after-the-tone", within=20)  # she finds him busy
    carol.hang_up()
    alice.hang_up()
    assert dials(sim, bob, "*43#")
    alice.dials("1002")
    bob.answer()
    bob.phone.call = None  # another line of his phone is free
    carol.dials("1002")
    assert bob.ringing
    carol.hang_up()
    alice.hang_up()
    sim.advance(2)
    sim.assert_idle()


def test_78_and_79_keep_the_phone_silent_or_not(sim, phones):
    alice, bob, _ = phones
    assert dials(sim, bob, "*78")
    assert not rings(sim, alice, "1002", bob)
    assert dials(sim, bob, "*79")
    assert rings(sim, alice, "1002", bob)
    sim.assert_idle()


def test_95_leaves_a_message_without_ringing_and_97_lets_hear_it(sim, phones):
    alice, bob, _ = phones
    alice.dials("*951002")
    assert not bob.ringing
    assert alice.hears("after-the-tone", within=20)
    sim.advance(2)
    alice.says(seconds=3)
    alice.hang_up()
    sim.advance(2)
    assert sim.mailbox("1002").new == 1 and bob.lamp("mwi")
    bob.dials("*97")
    sim.advance(8)
    bob.presses("1")
    sim.advance(16)
    bob.presses("6")
    sim.advance(2)
    bob.hang_up()
    sim.advance(2)
    assert sim.mailbox("1002").new == 0
    sim.assert_idle()


def test_600_sends_the_voice_back(sim, phones):
    alice, _, _ = phones
    alice.dials("600")
    alice.says(seconds=1)
    sim.advance(1)
    assert alice.call.sound.hears(440)
    alice.hang_up()
    sim.assert_idle()


@pytest.mark.parametrize(("key", "number"), [("1", "1001"), ("2", "1001"), ("0", "1002")])
def test_601_asks_whom_one_wants(sim, phones, key, number):
    _, _, carol = phones
    carol.dials("601")
    assert carol.hears("main-menu", within=10)
    carol.presses(key)
    assert sim.until(lambda: sim.phone(number).ringing, 2)
    carol.hang_up()
    sim.assert_idle()


def test_601_is_over_when_nothing_is_pressed(sim, phones):
    _, _, carol = phones
    carol.dials("601")
    assert carol.hears("goodbye", within=60)
    sim.until(lambda: carol.idle)
    sim.assert_idle()


def test_602_records_and_plays_it(tmp_path):
    exchange, (alice,) = office("1001", plan=load(SAMPLE, lambda number: True), library=Library(recordings=tmp_path))
    alice.invites("602")
    assert alice.hears("after-the-tone", within=5)
    exchange.advance(1)
    alice.says(2)
    assert alice.hears("at", within=10)
    alice.call.sound.forgets()
    exchange.until(lambda: alice.idle)
    assert alice.call.sound.share_of(440) > 0.1  # among the words that say when that was
    exchange.assert_idle()


def test_603_is_a_meeting_that_1001_may_lock(sim, phones):
    alice, bob, carol = phones
    bob.dials("603")
    alice.dials("603")
    sim.advance(2)
    bob.presses("*4")
    alice.presses("*4")
    sim.advance(2)
    (meeting,) = sim.exchange.exchange.conferences
    assert [party.leads for party in meeting.parties.values()] == [False, True]
    assert meeting.locked
    carol.dials("603")
    assert carol.hears("conference/locked", within=5)
    for phone in phones:
        phone.hang_up()
    sim.advance(1)
    sim.assert_idle()


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("112", 503),  # no trunk carries it yet
        ("*8", 404),  # nothing rings
        ("*81002", 404),
        ("701", 404),  # nobody is parked
        ("*70", 404),  # only for transfers
        ("#31#nonsense", 404),
        ("1999", 404),
        ("*801001", 403),  # intercom is for those who may
    ],
)
def test_code_that_leads_nowhere_is_refused(sim, phones, code, status):
    _, bob, _ = phones
    assert bob.dials(code).sees(status)
    sim.assert_idle()


def test_70_parks_and_the_parker_is_rung_when_nobody_comes(sim, phones):
    alice, bob, _ = phones
    alice.dials("1002")
    bob.answer()
    assert bob.transfer("702") == 200
    sim.advance(1)
    assert bob.idle and alice.connected
    assert sim.until(lambda: bob.ringing, 125)
    bob.answer()
    assert alice.talks_to(bob)
    alice.hang_up()
    sim.assert_idle()
