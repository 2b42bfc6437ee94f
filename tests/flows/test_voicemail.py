"""Voicemail in virtual time: each way through its menus, with phones that speak, hear and press keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from pbx.dialplan import Call, Plan, ext, mailbox, voicemail, voicemail_menu
from pbx.features.voicemail import pin
from pbx.features.voicemail.mailbox import Limits, Mailbox
from pbx.media.g711 import ULAW
from pbx.media.tones import tone as tone_of
from pbx.media.wav import Writer
from pbx.testing.exchange import SimulatedExchange
from pbx.testing.phone import Phone
from tests.flows.lawful import assert_lawful
from tests.flows.office import ACCOUNTS
from tests.media.test_wav import amplitude

PIN = pin.hashed("2468")

plan = Plan()


@plan.internal("<number:1XXX>")
async def extension(call: Call, number: str) -> None:
    if not await call.dial(ext(number), timeout=20):
        await call.voicemail(mailbox(number), "busy" if call.number == "1003" else "unavailable")


@plan.internal("3<number:1XXX>")
async def persistent(call: Call, number: str) -> None:
    await call.dial(ext(number))
    await call.voicemail(mailbox(number))
    await call.dial(ext("1003"))


plan.internal("2<number:1XXX>")(voicemail())
plan.internal("4<number:1XXX>")(voicemail(greeting="busy"))
plan.internal("sales")(voicemail(mailbox("sales")))
plan.internal("*97")(voicemail_menu())
plan.internal("*98")(voicemail_menu(mailbox("sales")))


@pytest.fixture
def sim() -> Iterator[SimulatedExchange]:
    exchange = SimulatedExchange(plan, ACCOUNTS, mailbox_limits=Limits(max_messages=3, max_seconds=30, silence=3))
    exchange.exchange.voicemail.replace([Mailbox("sales", extension="1002", pin=PIN)])
    yield exchange
    exchange.assert_idle()
    assert_lawful(exchange)


def hears(phone: Phone, *names: str) -> bool:
    return all(phone.hears(f"voicemail/{name}" if "!" not in name else name[1:], within=30) for name in names)


def hears_tone(sim: SimulatedExchange, phone: Phone, frequency: float, within: float = 30) -> bool:
    """Whether it hears half a second of that tone; it waits for that."""
    assert phone.call is not None
    sound = phone.call.sound

    for _ in range(round(2 * within)):
        sim.advance(0.5)
        if amplitude(ULAW.decode(b"".join(sound.payloads[-20:])), frequency) > 8000:
            return True
    return False


def forget(phone: Phone) -> None:
    """Forget what was heard."""
    assert phone.call is not None
    phone.call.sound.forgets()


def leaves(sim: SimulatedExchange, phone: Phone, number: str, seconds: float = 3.0, frequency: float = 440) -> None:
    """Dial, wait for the beep, say something, and hang up."""
    phone.invites(number)
    assert phone.hears(tone_of("beep"), within=30)
    phone.says(seconds, frequency)
    phone.hangs_up()
    sim.advance(1)


def calls(sim: SimulatedExchange, number: str, dialled: str = "*97") -> Phone:
    phone = next((phone for phone in sim.phones if phone.number == number), None) or sim.phone(number)
    phone.invites(dialled)
    return phone


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


# Hearing messages


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


# PINs


def test_pin_is_asked_for_and_lets_in(sim: SimulatedExchange) -> None:
    alice = sim.phone("1001")
    leaves(sim, alice, "sales", 2.0, 600)
    bob = calls(sim, "1002", "*98")
    assert bob.hears("enter-pin")
    bob.presses("1357#")
    assert bob.hears("wrong-pin")
    bob.presses("2468#")
    assert hears(bob, "new-message", "main")
    bob.hangs_up()
    sim.advance(1)


def test_mailbox_without_a_pin_is_closed_to_others(sim: SimulatedExchange) -> None:
    """Also one that does not exist: nobody learns which ones do."""
    mallory = calls(sim, "1003", "21002")
    assert mallory.hears("not-available")
    mallory.presses("*")
    assert mallory.hears("enter-pin")
    mallory.presses("0000#")
    assert mallory.hears("wrong-pin")
    mallory.hangs_up()
    sim.advance(1)


def test_who_guesses_is_locked_out_and_not_the_owner(sim: SimulatedExchange) -> None:
    mallory = calls(sim, "1003", "*98")
    for _ in range(3):
        forget(mallory)
        assert mallory.hears("enter-pin")
        mallory.presses("1111#")
        assert mallory.hears("wrong-pin")
    sim.until(lambda: mallory.idle)
    mallory.invites("*98")
    assert hears(mallory, "locked")
    sim.until(lambda: mallory.idle)
    bob = calls(sim, "1002", "*98")
    assert bob.hears("enter-pin")
    bob.presses("2468#")
    assert hears(bob, "main")
    bob.hangs_up()
    sim.advance(60)
    mallory.invites("*98")
    assert mallory.hears("enter-pin")
    mallory.presses("1111#")
    assert hears(mallory, "locked")
    mallory.hangs_up()
    sim.advance(1)


def test_pin_is_changed_by_phone(sim: SimulatedExchange) -> None:
    bob = calls(sim, "1002")
    assert hears(bob, "main")
    bob.presses("0")
    for first, second, said in (("1111", "", "no-pin"), ("1234", "4321", "other-pin"), ("1234", "1234", "pin-changed")):
        forget(bob)
        bob.presses("5")
        assert hears(bob, "new-pin")
        bob.presses(f"{first}#")
        if second:
            assert hears(bob, "again-pin")
            bob.presses(f"{second}#")
        assert hears(bob, said)
    bob.hangs_up()
    sim.advance(1)
    bob.invites("*97")
    assert bob.hears("enter-pin")
    bob.presses("1234#")
    assert hears(bob, "main")
    bob.hangs_up()
    sim.advance(1)


def test_nobody_presses_anything_and_the_call_ends(sim: SimulatedExchange) -> None:
    bob = calls(sim, "1002")
    assert hears(bob, "main")
    assert bob.hears("goodbye", within=90)
    sim.until(lambda: bob.idle)


# What goes wrong


def test_folder_that_cannot_be_written_is_said_to_the_caller(sim: SimulatedExchange, logged_errors) -> None:
    (sim.messages.files.folder / "1002").write_text("in the way")
    alice = sim.phone("1001")
    alice.invites("21002")
    assert alice.hears("sorry", within=20)
    sim.until(lambda: alice.idle)
    [event] = logged_errors()
    assert event["name"] == "1002" and "exists" in event["why"]
    assert sim.mailbox("1002").new == 0 and not sim.exchange.voicemail.is_full(Mailbox("1002"))


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


def test_guesses_of_many_calls_at_once_are_counted_together(sim: SimulatedExchange) -> None:
    """Who was asked for the PIN before the mailbox was closed does not get in afterwards, not even by the right one."""
    guessers = [sim.phone(number) for number in ("1001", "1003", "1004")]
    late = sim.phone("1004")
    for phone in [*guessers, late]:
        phone.invites("*98")
    assert late.hears("enter-pin")
    for phone in guessers:
        phone.presses("1111#")
    late.presses("2468#")
    assert hears(late, "!wrong-pin", "locked")
    for phone in [*guessers, late]:
        sim.until(lambda phone=phone: phone.idle, within=30)  # type: ignore[misc]
    voicemail = sim.exchange.voicemail
    assert voicemail.is_closed("sales", owner=False) and not voicemail.is_closed("sales", owner=True)


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
