"""Greetings of a mailbox in virtual time: recorded and removed by its owner, heard by callers."""

from __future__ import annotations

from pbx.media.tones import tone as tone_of
from pbx.testing.exchange import SimulatedExchange
from tests.flows.voicemail import calls, forget, hears, hears_tone, sim

__all__ = ["sim"]


def test_greetings_are_recorded_heard_and_removed(sim: SimulatedExchange) -> None:
    bob = calls(sim, "1002")
    assert hears(bob, "you-have", "no-messages", "main")
    bob.presses("0")
    assert hears(bob, "options")
    for key, frequency in (("1", 400), ("2", 500), ("3", 600)):
        bob.presses(key)
        bob.presses("1")
        forget(bob)
        assert bob.hears(tone_of("beep"), within=30)
        bob.says(2.0, frequency)
        bob.presses("#")
        assert hears(bob, "saved", "greeting-menu")
        bob.presses("*")
    bob.hangs_up()
    alice = sim.phone("1001")
    for dialled in ("21002", "41002"):  # the temporary one takes the place of both others
        alice.invites(dialled)
        assert hears_tone(sim, alice, 600)
        alice.hangs_up()
        sim.advance(1)
    bob.invites("*97")
    assert hears(bob, "main")
    bob.presses("0")
    bob.presses("3")
    bob.presses("2")
    assert hears_tone(sim, bob, 600)
    assert hears(bob, "greeting-menu")
    bob.presses("3")
    assert hears(bob, "deleted")
    bob.hangs_up()
    for dialled, frequency in (("21002", 400), ("41002", 500)):
        alice.invites(dialled)
        assert hears_tone(sim, alice, frequency)
        alice.hangs_up()
        sim.advance(1)


def test_name_is_said_where_there_is_no_greeting(sim: SimulatedExchange) -> None:
    bob = calls(sim, "1002")
    assert hears(bob, "main")
    bob.presses("0")
    bob.presses("4")
    bob.presses("1")
    assert bob.hears(tone_of("beep"), within=30)
    bob.says(1.5, 500)
    bob.presses("#")
    assert hears(bob, "saved")
    bob.hangs_up()
    alice = sim.phone("1001")
    alice.invites("21002")
    assert hears_tone(sim, alice, 500) and hears(alice, "is-not-available")
    alice.hangs_up()
    sim.advance(1)


def test_greeting_that_is_no_sound_keeps_no_message_out(sim: SimulatedExchange, logged_errors) -> None:
    path = sim.messages.files.greeting("1002", "unavailable")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no RIFF")
    alice = sim.phone("1001")
    alice.invites("21002")
    assert alice.hears("not-available")
    assert alice.hears(tone_of("beep"))
    alice.says(2.0)
    alice.hangs_up()
    sim.advance(1)
    assert sim.mailbox("1002").new == 1
    [event] = logged_errors()
    assert event["name"] == "1002" and "unavailable.wav cannot be played" in event["why"]
