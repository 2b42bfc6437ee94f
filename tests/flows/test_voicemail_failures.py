"""Voicemail whose files cannot be written or read, in virtual time: who is told, and what is left."""

from __future__ import annotations

import pytest

from pbx.features.voicemail.mailbox import Mailbox
from pbx.media.tones import tone as tone_of
from pbx.media.wav import Writer
from pbx.testing.exchange import SimulatedExchange
from tests.flows.voicemail import calls, forget, hears, hears_tone, leaves, sim

__all__ = ["sim"]


def test_folder_that_cannot_be_written_is_said_to_the_caller(sim: SimulatedExchange, logged_errors) -> None:
    (sim.messages.files.folder / "1002").write_text("in the way")
    alice = sim.phone("1001")
    alice.invites("21002")
    assert alice.hears("sorry", within=20)
    sim.until(lambda: alice.idle)
    [event] = logged_errors()
    assert event["name"] == "1002" and "exists" in event["why"]
    assert sim.mailbox("1002").new == 0 and not sim.exchange.voicemail.is_full(Mailbox("1002"))


@pytest.mark.parametrize("keys", ["1", "3"])
def test_greeting_that_cannot_be_written_is_said_to_the_owner(sim: SimulatedExchange, keys: str, logged_errors) -> None:
    place = sim.messages.files.greeting("1002", "unavailable").parent
    place.parent.mkdir(parents=True)
    place.write_text("in the way")
    bob = calls(sim, "1002")
    bob.presses("0")
    bob.presses("1")
    bob.presses(keys)
    assert bob.hears("sorry", within=20)
    assert hears(bob, "greeting-menu")
    bob.hangs_up()
    sim.advance(1)
    assert len(logged_errors()) == 1


def full(writer: Writer, sound: bytes) -> None:
    """What writing does on a disk that is full."""
    raise OSError(28, "No space left on device")


def test_full_disk_ends_a_message_which_is_kept_and_the_call_goes_on(
    sim: SimulatedExchange, monkeypatch: pytest.MonkeyPatch, logged_errors
) -> None:
    alice = sim.phone("1001")
    alice.invites("21002")
    assert alice.hears(tone_of("beep"), within=30)
    alice.says(3.0)
    with monkeypatch.context() as patched:
        patched.setattr(Writer, "append", full)
        alice.says(2.0)
        assert hears(alice, "review")
    alice.presses("1")
    assert hears(alice, "sent")
    sim.until(lambda: alice.idle)
    [message] = sim.mailbox("1002").messages
    assert 1.0 <= message.seconds <= 3.5 and len(logged_errors()) == 1


def test_full_disk_leaves_the_greeting_that_there_was(
    sim: SimulatedExchange, monkeypatch: pytest.MonkeyPatch, logged_errors
) -> None:
    bob = calls(sim, "1002")
    bob.presses("01")
    for frequency, said in ((400, "!voicemail/saved"), (500, "!sorry")):
        bob.presses("1")
        forget(bob)
        assert bob.hears(tone_of("beep"), within=30)
        bob.says(2.0, frequency)
        bob.presses("#")
        assert hears(bob, said, "greeting-menu")
        monkeypatch.setattr(Writer, "append", full)
    bob.hangs_up()
    alice = sim.phone("1001")
    alice.invites("21002")
    assert hears_tone(sim, alice, 400)
    alice.hangs_up()
    sim.advance(1)
    assert logged_errors()


def test_full_disk_forwards_nothing_and_loses_nothing(
    sim: SimulatedExchange, monkeypatch: pytest.MonkeyPatch, logged_errors
) -> None:
    leaves(sim, sim.phone("1001"), "21002")
    bob = calls(sim, "1002")
    bob.presses("1")
    assert hears_tone(sim, bob, 440)
    bob.presses("8")
    assert hears(bob, "enter-mailbox")
    with monkeypatch.context() as patched:
        patched.setattr(Writer, "append", full)
        bob.presses("1003#")
        assert hears(bob, "comment")
        bob.presses("2")
        assert hears(bob, "!sorry")
    bob.hangs_up()
    sim.advance(1)
    assert len(sim.mailbox("1002").messages) == 1 and sim.mailbox("1003").messages == []
    files = [path.parent.name for path in sim.messages.files.folder.rglob("*.*")]
    assert files == ["1002"] and len(logged_errors()) == 1


def test_message_whose_sound_is_gone_can_be_deleted(sim: SimulatedExchange) -> None:
    alice = sim.phone("1001")
    leaves(sim, alice, "21002")
    [message] = sim.mailbox("1002").messages
    sim.messages.files.path_of(message).unlink()
    bob = calls(sim, "1002")
    assert hears(bob, "you-have")
    bob.presses("1")
    assert bob.hears("sorry", within=20)
    bob.presses("7")
    assert hears(bob, "deleted")
    bob.hangs_up()
    sim.advance(1)
    assert not sim.messages.rows


def test_hostile_names_are_kept_from_files_and_prompts(sim: SimulatedExchange) -> None:
    for name in ("../../etc", "a/b", "", ".."):
        assert sim.exchange.voicemail.find(name) is None
