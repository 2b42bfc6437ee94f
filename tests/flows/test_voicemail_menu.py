"""The menu of a mailbox in virtual time: its owner hears messages, sorts them, calls back, passes them on."""

from __future__ import annotations

import pytest

from pbx.media.g711 import ULAW
from pbx.media.tones import tone as tone_of
from pbx.testing.exchange import SimulatedExchange
from tests.flows.voicemail import calls, forget, hears, hears_tone, leaves, sim
from tests.media.waves import amplitude

__all__ = ["sim"]


def test_messages_are_gone_through_and_sorted(sim: SimulatedExchange) -> None:
    """Next, previous, again, save and delete; urgent ones come first, what was heard is old."""
    alice = sim.phone("1001")
    for frequency in (400, 500, 600):
        leaves(sim, alice, "21002", 2.0, frequency)
    voicemail = sim.exchange.voicemail
    last = sim.mailbox("1002").messages[-1]
    voicemail.change(last, urgent=True)
    bob = calls(sim, "1002")
    assert hears(bob, "new-messages")
    bob.presses("1")
    assert hears(bob, "urgent-message") and hears_tone(sim, bob, 600)
    bob.presses("6")
    assert hears_tone(sim, bob, 400)
    bob.presses("4")
    assert hears_tone(sim, bob, 600)
    bob.presses("5")
    forget(bob)
    assert hears_tone(sim, bob, 600)
    bob.presses("9")
    assert hears(bob, "saved") and hears_tone(sim, bob, 400)
    bob.presses("7")
    assert hears(bob, "deleted") and hears_tone(sim, bob, 500)
    bob.presses("6")
    assert hears(bob, "no-more", "main")
    assert [one.folder for one in sim.mailbox("1002").messages] == ["saved", "old"]
    forget(bob)
    bob.presses("3")
    assert hears_tone(sim, bob, 600)
    forget(bob)
    bob.presses("*")
    assert hears(bob, "main")
    bob.presses("2")
    assert hears_tone(sim, bob, 500)
    bob.hangs_up()
    sim.advance(1)


def test_owner_calls_back(sim: SimulatedExchange) -> None:
    alice = sim.phone("1001")
    leaves(sim, alice, "21002")
    bob = calls(sim, "1002")
    assert hears(bob, "you-have")
    bob.presses("1")
    assert hears_tone(sim, bob, 440)
    bob.presses("2")
    sim.until(lambda: alice.ringing)
    alice.answers()
    sim.until(lambda: bob.talking and alice.talking)
    sim.advance(1)
    assert sim.talk(alice, bob)
    alice.hangs_up()
    forget(bob)
    assert hears_tone(sim, bob, 440, within=40)
    bob.hangs_up()
    sim.advance(1)


@pytest.mark.parametrize("comment", [True, False])
def test_message_is_forwarded(sim: SimulatedExchange, comment: bool) -> None:
    alice, carol = sim.phone("1001"), sim.phone("1003")
    leaves(sim, alice, "21002", 2.0, 440)
    bob = calls(sim, "1002")
    assert hears(bob, "you-have")
    bob.presses("1")
    assert hears_tone(sim, bob, 440)
    bob.presses("8")
    assert hears(bob, "enter-mailbox")
    bob.presses("1003#")
    assert hears(bob, "comment")
    bob.presses("1" if comment else "2")
    if comment:
        assert bob.hears(tone_of("beep"), within=5)
        bob.says(2.0, 600)
        bob.presses("#")
    assert hears(bob, "forwarded")
    bob.hangs_up()
    sim.advance(1)
    [message] = sim.mailbox("1003").messages
    assert (message.caller, message.forwarded_by) == ("1001", "1002")
    sound = ULAW.decode(sim.mailbox("1003").sound_of(message))
    assert (amplitude(sound[2000:30000], 600) > 7000) is comment
    assert amplitude(sound[-28000:-2000], 440) > 7000
    assert carol.lamp("mwi") is True and sim.mailbox("1002").old == 1


def test_nobody_presses_anything_and_the_call_ends(sim: SimulatedExchange) -> None:
    bob = calls(sim, "1002")
    assert hears(bob, "main")
    assert bob.hears("goodbye", within=90)
    sim.until(lambda: bob.idle)


def test_forwarded_message_has_its_place_while_its_comment_is_asked_for(sim: SimulatedExchange) -> None:
    alice = sim.phone("1001")
    leaves(sim, alice, "21002")
    for _ in range(2):
        leaves(sim, alice, "21003")
    bob = calls(sim, "1002")
    bob.presses("1")
    assert hears_tone(sim, bob, 440)
    bob.presses("8")
    assert hears(bob, "enter-mailbox")
    alice.invites("21003")
    bob.presses("1003#")
    assert hears(alice, "full")
    assert hears(bob, "forwarded")
    bob.hangs_up()
    sim.until(lambda: alice.idle and bob.idle)
    assert sim.mailbox("1003").new == 3


def test_comment_without_a_word_is_none(sim: SimulatedExchange) -> None:
    leaves(sim, sim.phone("1001"), "21002")
    bob = calls(sim, "1002")
    bob.presses("1")
    assert hears_tone(sim, bob, 440)
    bob.presses("8")
    assert hears(bob, "enter-mailbox")
    bob.presses("1003#")
    assert hears(bob, "comment")
    bob.presses("1#")
    assert hears(bob, "forwarded")
    bob.hangs_up()
    sim.advance(1)
    [message] = sim.mailbox("1003").messages
    assert message.seconds == sim.mailbox("1002").messages[0].seconds
