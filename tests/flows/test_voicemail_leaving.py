"""Messages that callers leave in virtual time: by which ways, what is kept, and how much a mailbox takes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pbx.features.voicemail.mailbox import Mailbox
from pbx.media.g711 import ULAW
from pbx.media.tones import tone as tone_of
from pbx.testing.exchange import SimulatedExchange
from tests.flows.office import ACCOUNTS
from tests.flows.voicemail import calls, forget, hears, hears_tone, leaves, sim
from tests.media.waves import amplitude

__all__ = ["sim"]


def test_message_is_left_heard_and_deleted(sim: SimulatedExchange) -> None:
    bob, alice = sim.phone("1002"), sim.phone("1001")
    leaves(sim, alice, "21002", 3.0)
    box = sim.mailbox("1002")
    [message] = box.messages
    assert (box.new, message.caller, message.caller_name, message.folder) == (1, "1001", "Phone 1001", "new")
    assert 3.0 <= message.seconds <= 3.5
    assert amplitude(ULAW.decode(box.sound_of(message))[8000:32000], 440) == pytest.approx(9000, rel=0.05)
    assert bob.lamp("mwi") is True
    calls(sim, "1002")
    assert hears(bob, "you-have", "new-message", "main")
    bob.presses("1")
    assert hears(bob, "message", "from")
    assert hears_tone(sim, bob, 440.0)
    assert hears(bob, "message-menu")
    bob.presses("7")
    assert hears(bob, "deleted", "no-more", "main")
    assert (box.new, box.old) == (0, 0) and not sim.messages.rows
    bob.presses("#")
    assert bob.hears("goodbye")
    sim.until(lambda: bob.idle)
    assert bob.lamp("mwi") is False


def test_three_ways_to_a_mailbox(sim: SimulatedExchange) -> None:
    """After nobody answered, as a whole route, and by a name."""
    alice, carol = sim.phone("1001"), sim.phone("1003")
    leaves(sim, alice, "1002")  # nobody is registered
    leaves(sim, carol, "21002")
    leaves(sim, alice, "sales")
    assert [one.caller for one in sim.mailbox("1002").messages] == ["1001", "1003"]
    assert sim.mailbox("sales").new == 1


def test_extension_without_a_mailbox_is_not_answered(sim: SimulatedExchange) -> None:
    directory = sim.exchange.directory
    directory.replace([replace(one, voicemail=one.number != "1002") for one in map(directory.find, ACCOUNTS) if one])
    alice = sim.phone("1001")
    call = alice.invites("1002")
    sim.until(lambda: alice.idle)
    assert call.status == 480
    assert not sim.messages.rows


@pytest.mark.parametrize(("seconds", "status"), [(0.5, "too short"), (0.0, "silent")])
def test_what_is_short_or_silent_is_no_message(sim: SimulatedExchange, seconds: float, status: str) -> None:
    alice = sim.phone("1001")
    alice.invites("21002")
    assert alice.hears(tone_of("beep"), within=30)
    if seconds:
        alice.says(seconds)
        alice.hangs_up()
        sim.advance(1)
    else:
        assert hears(alice, "too-short")
        sim.until(lambda: alice.idle, within=20)
    assert sim.mailbox("1002").messages == []
    assert sorted(path.suffix for path in sim.messages.files.folder.rglob("*.*")) == []


def test_message_is_reviewed_recorded_anew_and_urgent(sim: SimulatedExchange) -> None:
    alice = sim.phone("1001")
    alice.invites("21002")
    assert alice.hears(tone_of("beep"), within=30)
    alice.says(2.0, 440)
    alice.presses("#")
    assert hears(alice, "review")
    alice.presses("2")
    assert hears_tone(sim, alice, 440)
    assert hears(alice, "review")
    forget(alice)
    alice.presses("3")
    assert alice.hears(tone_of("beep"), within=30)
    alice.says(2.0, 600)
    alice.presses("#")
    alice.presses("4")
    assert hears(alice, "is-urgent", "review")
    alice.presses("1")
    assert hears(alice, "sent")
    sim.until(lambda: alice.idle)
    [message] = sim.mailbox("1002").messages
    assert message.urgent
    sound = ULAW.decode(sim.mailbox("1002").sound_of(message))
    assert amplitude(sound[4000:28000], 600) > 8000 and amplitude(sound[4000:28000], 440) < 300


@pytest.mark.parametrize("when", ["recording", "review"])
def test_hang_up_keeps_the_message(sim: SimulatedExchange, when: str) -> None:
    alice = sim.phone("1001")
    alice.invites("21002")
    assert alice.hears(tone_of("beep"), within=30)
    alice.says(2.0)
    if when == "review":
        alice.presses("#")
        assert hears(alice, "review")
    alice.hangs_up()
    sim.advance(1)
    assert sim.mailbox("1002").new == 1


def test_long_message_ends_at_its_limit(sim: SimulatedExchange) -> None:
    alice = sim.phone("1001")
    alice.invites("21002")
    assert alice.hears(tone_of("beep"), within=30)
    alice.says(31.0)
    sim.until(lambda: alice.idle, within=60)
    [message] = sim.mailbox("1002").messages
    assert message.seconds == pytest.approx(30, abs=0.1)


def test_full_mailbox_takes_no_more(sim: SimulatedExchange) -> None:
    alice = sim.phone("1001")
    for _ in range(3):
        leaves(sim, alice, "21002", 1.5)
    alice.invites("21002")
    assert hears(alice, "full")
    sim.until(lambda: alice.idle)
    assert sim.mailbox("1002").new == 3


def test_two_callers_at_once_do_not_overfill_it(sim: SimulatedExchange) -> None:
    phones = [sim.phone(number) for number in ("1001", "1003", "1004")]
    leaves(sim, phones[0], "21002")
    leaves(sim, phones[0], "21002")
    for phone in phones[1:]:
        phone.invites("21002")
    assert phones[1].hears(tone_of("beep"), within=20)
    phones[1].says(2.0)
    assert hears(phones[2], "full")
    phones[1].hangs_up()
    sim.advance(1)
    assert sim.mailbox("1002").new == 3


def test_mailbox_may_have_limits_of_its_own(sim: SimulatedExchange) -> None:
    sim.exchange.voicemail.replace([Mailbox("sales", max_messages=1, max_seconds=5)])
    alice = sim.phone("1001")
    alice.invites("sales")
    assert alice.hears(tone_of("beep"), within=30)
    alice.says(8.0)
    sim.until(lambda: alice.idle, within=60)
    [message] = sim.mailbox("sales").messages
    assert message.seconds == pytest.approx(5, abs=0.1)
    alice.invites("sales")
    assert hears(alice, "full")
    sim.until(lambda: alice.idle)


def test_call_goes_from_a_bridge_to_voicemail_and_to_another_bridge(sim: SimulatedExchange) -> None:
    alice, bob, carol = sim.phone("1001"), sim.phone("1002"), sim.phone("1003")
    alice.invites("31002")
    for callee in (bob, carol):
        sim.until(lambda callee=callee: callee.ringing, within=40)  # type: ignore[misc]
        callee.answers()
        sim.until(lambda: alice.talking)
        assert sim.talk(alice, callee)
        callee.hangs_up()
        if callee is bob:
            assert alice.hears(tone_of("beep"), within=30)
            alice.says(2.0, 500)
            alice.presses("#")
            assert hears(alice, "review")
            alice.presses("1")
            assert hears(alice, "sent")
    sim.until(lambda: alice.idle)
    [message] = sim.mailbox("1002").messages
    assert amplitude(ULAW.decode(sim.mailbox("1002").sound_of(message))[8000:24000], 500) > 7000
