"""Conferences, with phones that speak and hear: the whole exchange between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from pbx.dialplan import Call, Plan, ext, room, tone
from pbx.exchange.accounts import Accounts
from pbx.features.conference.conference import Conference
from pbx.media import wav
from pbx.media.clip import FRAME, Clip
from pbx.media.g711 import ULAW
from pbx.media.library import Library
from pbx.sip.message import Request, Response
from pbx.sip.parser import parse
from pbx.testing.exchange import SimulatedExchange, is_sip
from pbx.testing.phone import Phone
from pbx.testing.sound import share
from pbx.testing.watch import Watch
from tests.flows.lawful import assert_lawful
from tests.flows.office import flow

ACCOUNTS = {str(number): "secret" for number in range(1001, 1041)}
XML = "{urn:ietf:params:xml:ns:conference-info}"

plan = Plan()
ended: list[tuple[str, str]] = []


@plan.internal("800")
async def open_room(call: Call) -> None:
    how = await call.conference(room("sales"), leader=call.caller.number == "1001")
    ended.append((call.caller.number, how))


@plan.internal("801")
async def closed_room(call: Call) -> None:
    ended.append((call.caller.number, await call.conference(room("board", pin="4711"))))


@plan.internal("802")
async def recorded_room(call: Call) -> None:
    await call.conference(room("court", recording=True))


@plan.internal("803")
async def reception(call: Call) -> None:
    await call.play(tone("beep"))
    await call.conference(room("sales"))
    await call.play(tone("beep"))


@plan.internal("804")
async def back_door(call: Call) -> None:
    await call.conference(room("board", pin="4711"), pin="", leader=True)


@plan.internal("<number:1XXX>")
async def extension(call: Call, number: str) -> None:
    await call.dial(ext(number))


@pytest.fixture(autouse=True)
def nothing_ended() -> Iterator[None]:
    ended.clear()
    yield
    ended.clear()


@pytest.fixture
def sim(tmp_path: Path) -> Iterator[SimulatedExchange]:
    sim = SimulatedExchange(plan, ACCOUNTS, library=Library(recordings=tmp_path / "recordings"))
    yield sim
    for phone in sim.phones:
        if not phone.idle:
            phone.hangs_up()
    sim.assert_idle()
    assert_lawful(sim)
    assert not sim.exchange.relay.beat


def enters(sim: SimulatedExchange, number: str, dialled: str = "800", **features: Any) -> Phone:
    """A phone that is in a room."""
    phone = sim.phone(number, **features)
    before = parties(sim)
    phone.invites(dialled)
    sim.until(lambda: parties(sim) > before)
    return phone


def enter(sim: SimulatedExchange, *numbers: str, dialled: str = "800") -> list[Phone]:
    """Phones that are in a room, and have heard all tones."""
    phones = [enters(sim, number, dialled) for number in numbers]
    sim.advance(1)
    return phones


def told(sim: SimulatedExchange, phone: Phone) -> list[Request | Response]:
    """All that a phone was sent by SIP."""
    packets = [each.packet for each in sim.network.sent if each.target[0] == phone.host and is_sip(each.packet)]
    return [message for message in map(parse, packets) if message is not None]


def told_contacts(sim: SimulatedExchange, phone: Phone) -> list[str | None]:
    """The Contacts of the UPDATEs that it was sent."""
    updates = [message for message in told(sim, phone) if isinstance(message, Request) and message.method == "UPDATE"]
    return [update.first("contact") for update in updates]


def parties(sim: SimulatedExchange) -> int:
    """How many are in conferences."""
    return sum(len(conference.parties) for conference in sim.exchange.conferences)


def conference(sim: SimulatedExchange, name: str = "sales") -> Conference:
    """A conference that goes on."""
    found = sim.exchange.conferences.find(name)
    assert found is not None
    return found


def heard(phone: Phone, frequency: float) -> float:
    """The share of a tone in what a phone has heard."""
    assert phone.call is not None
    return phone.call.sound.share_of(frequency)


def say(sim: SimulatedExchange, phones: Sequence[Phone], tones: Sequence[float], amplitude: int = 4000) -> None:
    """Let each phone say a tone for a second, and hear the middle of it."""
    for phone, frequency in zip(phones, tones, strict=True):
        assert phone.call is not None
        phone.call.sound.says(frequency, 1, amplitude)
    sim.advance(0.25)
    for phone in sim.phones:
        if phone.call is not None:
            phone.call.sound.forgets()
    sim.advance(0.5)


def silence(sim: SimulatedExchange) -> None:
    """Let all fall silent, and forget what was heard."""
    sim.advance(1)
    for phone in sim.phones:
        if phone.call is not None:
            phone.call.sound.forgets()


# The mix


def test_sixteen_parties_each_hears_all_others_and_not_himself(sim: SimulatedExchange) -> None:
    phones = enter(sim, *[str(number) for number in range(1001, 1017)])
    tones = [300.0 + 170 * place for place in range(16)]
    say(sim, phones, tones, amplitude=1500)
    for place, phone in enumerate(phones):
        shares = [heard(phone, tone) for tone in tones]
        assert shares[place] < 0.001
        assert all(share > 0.04 for other, share in enumerate(shares) if other != place), shares


def test_three_phones_of_both_laws_hear_each_other(sim: SimulatedExchange) -> None:
    phones = [
        enters(sim, "1001", payload_types=(0,)),
        enters(sim, "1002", payload_types=(8,)),
        enters(sim, "1003", payload_types=(9, 8, 0)),
    ]
    sim.advance(1)
    say(sim, phones, (440.0, 600.0, 910.0))
    for phone, own in zip(phones, (440.0, 600.0, 910.0), strict=True):
        assert sum(heard(phone, tone) for tone in (440.0, 600.0, 910.0)) > 0.95
        assert heard(phone, own) < 0.001


def test_who_is_alone_hears_nothing_but_the_tone_and_then_silence(sim: SimulatedExchange) -> None:
    alice = enters(sim, "1001")
    assert alice.hears(sim.library.tone("join"))
    silence(sim)
    alice.says(2)
    assert alice.call is not None
    assert set(alice.call.sound.payloads) <= {ULAW.nothing}


def test_hiss_of_a_line_is_not_mixed(sim: SimulatedExchange) -> None:
    alice, bob = enter(sim, "1001", "1002")
    silence(sim)
    assert alice.call is not None and bob.call is not None
    alice.call.sound.says(1000, 1, amplitude=60)
    sim.advance(1)
    assert set(bob.call.sound.payloads) <= {ULAW.nothing}


def test_too_loud_together_is_cut_off_and_does_not_wrap_around(sim: SimulatedExchange) -> None:
    alice, bob, carol = enter(sim, "1001", "1002", "1003")
    say(sim, (alice, bob), (500.0, 500.0), amplitude=30000)
    # Cut off, the tone is nearly a square, and nine tenths of a square are its fundamental.
    assert heard(carol, 500.0) > 0.75


def test_lost_datagrams_are_silence_and_late_ones_are_not_lost(sim: SimulatedExchange) -> None:
    alice, bob = enter(sim, "1001", "1002")
    silence(sim)
    assert alice.call is not None and bob.call is not None
    sound = alice.call.sound
    for place, frame in enumerate(Clip(b"\x30" * FRAME * 50).frames(ULAW)):
        if place % 5:
            # Every fifth is lost, and every other comes 30 ms late, after the one that follows it.
            sound.says_later(frame, place, late=0.03 * (place % 2))
    sim.advance(1.5)
    full = [payload for payload in bob.call.sound.payloads if payload == b"\x30" * FRAME]
    assert len(full) == 40


def test_party_that_vanishes_is_not_there_for_ever(sim: SimulatedExchange) -> None:
    alice, bob = enter(sim, "1001", "1002")
    bob.vanishes()
    sim.until(lambda: parties(sim) == 1, within=3600)
    assert alice.talking and ended == []
    silence(sim)
    alice.says(1)


def test_music_of_a_phone_that_holds_is_not_mixed(sim: SimulatedExchange) -> None:
    alice, bob = enter(sim, "1001", "1002")
    bob.holds()
    sim.advance(1)
    silence(sim)
    bob.says(1)
    assert alice.call is not None and set(alice.call.sound.payloads) <= {ULAW.nothing}
    bob.resumes()
    sim.advance(1)
    say(sim, (alice, bob), (440.0, 600.0))
    assert heard(alice, 600.0) > 0.95 and heard(bob, 440.0) > 0.95


# Coming and going


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


# Keys


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


# Recording


def test_recording_is_the_mix_and_readable_while_it_goes_on(sim: SimulatedExchange) -> None:
    alice = enters(sim, "1001", "802")
    path = conference(sim, "court").recording
    assert path is not None and "court" in path.name
    assert alice.hears("conference/recorded")
    bob = sim.phone("1002")
    bob.invites("802")
    assert bob.hears("conference/recorded")
    sim.until(lambda: parties(sim) == 2)
    silence(sim)
    say(sim, (alice, bob), (440.0, 600.0))
    sim.advance(2)
    # As a crash would leave it: nobody has closed the file.
    sound = wav.load(path)[-4 * 8000 :]
    talk = max((sound[place : place + 4000] for place in range(0, len(sound), 800)), key=ULAW.loudness)
    assert share(ULAW.decode(talk), 440.0) > 0.4 and share(ULAW.decode(talk), 600.0) > 0.4


def test_leader_begins_and_ends_a_recording(sim: SimulatedExchange) -> None:
    alice, bob = enter(sim, "1001", "1002")
    alice.presses("*5")
    assert bob.hears("conference/recorded")
    path = conference(sim).recording
    assert path is not None
    alice.presses("*5")
    assert bob.hears("conference/not-recorded")
    assert conference(sim).recording is None and wav.load(path)


def test_recording_that_cannot_be_made_does_not_end_the_conference(
    sim: SimulatedExchange, tmp_path: Path, logged_errors: Callable[[], list[Any]]
) -> None:
    (tmp_path / "recordings").write_text("no folder")
    alice, _ = enter(sim, "1001", "1002")
    alice.presses("*5")
    assert alice.hears("sorry")
    assert conference(sim).recording is None and parties(sim) == 2
    (error,) = logged_errors()
    assert error["name"] == "sales"


def test_full_disk_ends_the_recording_and_not_the_conference(
    sim: SimulatedExchange, monkeypatch: pytest.MonkeyPatch, logged_errors: Callable[[], list[Any]]
) -> None:
    alice, bob = enter(sim, "1001", "1002", dialled="802")
    path = conference(sim, "court").recording
    assert path is not None
    sim.advance(3)

    def append(writer: wav.Writer, sound: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(wav.Writer, "append", append)
    sim.advance(3)
    assert conference(sim, "court").recording is None and len(logged_errors()) == 1
    say(sim, (alice, bob), (440.0, 600.0))
    assert heard(alice, 600.0) > 0.95 and heard(bob, 440.0) > 0.95
    assert len(wav.load(path)) >= 8000


# Who talks


def test_list_knows_who_talks(sim: SimulatedExchange) -> None:
    alice, _ = enter(sim, "1001", "1002")
    silence(sim)
    alice.says(0.5)
    one, two = conference(sim).parties.values()
    assert one.talks and not two.talks
    sim.advance(2)
    assert not one.talks


# The event package


def state_of(watch: Watch) -> ElementTree.Element:
    return ElementTree.fromstring(watch.states[-1])


def users(watch: Watch) -> list[str]:
    return [user.get("entity", "") for user in state_of(watch).iter(f"{XML}user")]


def media(watch: Watch) -> list[str | None]:
    return [status.text for one in state_of(watch).iter(f"{XML}media") for status in one.iter(f"{XML}status")]


def is_locked(watch: Watch) -> str | None:
    return next(state_of(watch).iter(f"{XML}locked")).text


def test_contact_says_that_we_are_the_focus(sim: SimulatedExchange) -> None:
    """RFC 4579 3.1."""
    (alice,) = enter(sim, "1001")
    assert alice.call is not None
    contact = next(value for key, _, value in alice.call.fields if key == "contact")
    assert contact == "<sip:sales@10.0.0.1:5060>;isfocus"
    alice.hangs_up()
    sim.advance(1)
    alice.invites("1002")
    sim.advance(1)
    assert not any("isfocus" in value for _, _, value in alice.call.fields)


def test_who_was_answered_before_is_told_at_once_that_we_are_the_focus_and_that_we_are_no_longer(
    sim: SimulatedExchange,
) -> None:
    """RFC 4579 3.1: by UPDATE, where the phone knows it, and in every later message."""
    alice = enters(sim, "1001", "803")
    sim.until(lambda: len(told_contacts(sim, alice)) == 1)
    sim.advance(1)
    alice.holds()
    sim.advance(1)
    conference(sim).end()
    sim.until(lambda: len(told_contacts(sim, alice)) == 2)
    focus = "<sip:sales@10.0.0.1:5060>;isfocus"
    assert told_contacts(sim, alice) == [focus, "<sip:10.0.0.1:5060>"]
    held = [
        message for message in told(sim, alice) if isinstance(message, Response) and message.cseq_method == "INVITE"
    ]
    assert held[-1].first("contact") == focus


@pytest.mark.parametrize("address", ["sales", "800"])
def test_party_watches_who_joins_leaves_is_muted_and_locks(sim: SimulatedExchange, address: str) -> None:
    """RFC 4575."""
    (alice,) = enter(sim, "1001")
    watch = Watch(alice, "conference", address)
    sim.until(lambda: watch.states)
    assert users(watch) == ["sip:1001@pbx"]
    assert state_of(watch).get("entity") == "sip:sales@pbx"
    bob = enters(sim, "1002")
    sim.until(lambda: len(users(watch)) == 2, within=6)
    bob.presses("*1")
    sim.until(lambda: media(watch) == ["sendrecv", "recvonly"], within=6)
    alice.presses("*4")
    sim.until(lambda: is_locked(watch) == "true", within=6)
    bob.hangs_up()
    sim.until(lambda: users(watch) == ["sip:1001@pbx"], within=6)
    versions = [ElementTree.fromstring(state).get("version") for state in watch.states]
    assert versions == [str(number) for number in range(1, len(versions) + 1)]
    alice.hangs_up()
    sim.until(lambda: watch.over)
    assert watch.over == "noresource"


def test_who_leaves_watches_no_longer(sim: SimulatedExchange) -> None:
    alice, bob = enter(sim, "1001", "1002")
    watch = Watch(bob, "conference", "sales")
    sim.until(lambda: watch.states)
    alice.presses("*7")
    sim.until(lambda: watch.over)
    assert watch.over == "rejected"


@pytest.mark.parametrize("address", ["sales", "nowhere"])
def test_nobody_else_may_watch_or_learn_that_there_is_a_conference(sim: SimulatedExchange, address: str) -> None:
    enter(sim, "1001")
    watch = Watch(sim.phone("1003"), "conference", address)
    sim.until(lambda: watch.over)
    assert watch.status == 403


def test_class_of_service_lets_an_extension_watch_any_conference_and_learn_that_there_is_none(
    sim: SimulatedExchange,
) -> None:
    directory = sim.exchange.directory
    extensions = [extension for number in ACCOUNTS if (extension := directory.find(number)) is not None]
    supervisor = replace(extensions[2], class_of_service=frozenset({"conferences"}))
    sim.exchange.replace_accounts(Accounts([*extensions[:2], supervisor, *extensions[3:]]))
    enter(sim, "1001")
    carol = sim.phone("1003")
    watch = Watch(carol, "conference", "sales")
    sim.until(lambda: watch.states)
    assert users(watch) == ["sip:1001@pbx"]
    watch.ends()
    nothing = Watch(carol, "conference", "nowhere")
    sim.until(lambda: nothing.over)
    assert nothing.status == 404


def test_who_withholds_its_number_is_watched_without_it(sim: SimulatedExchange) -> None:
    """RFC 4575 5.6.1."""
    (alice,) = enter(sim, "1001")
    bob = sim.phone("1002")
    bob.withheld = True
    bob.invites("800", more=(("p-preferred-identity", "P-Preferred-Identity", "<sip:1002@10.0.0.1>"),))
    sim.until(lambda: parties(sim) == 2)
    watch = Watch(alice, "conference", "sales")
    sim.until(lambda: watch.states)
    assert users(watch) == ["sip:1001@pbx", "sip:anonymous2@anonymous.invalid"]
    assert b"1002" not in watch.states[-1]


def test_address_that_was_dialled_is_watched_only_while_somebody_is_there_by_it(sim: SimulatedExchange) -> None:
    alice = enters(sim, "1001", "804")
    bob = sim.phone("1002")
    bob.invites("801")
    sim.advance(1)
    bob.presses("4711#")
    sim.until(lambda: parties(sim) == 2)
    watch = Watch(bob, "conference", "804")
    sim.until(lambda: watch.states)
    alice.hangs_up()
    sim.until(lambda: watch.over)
    assert watch.over == "noresource" and parties(sim) == 1
