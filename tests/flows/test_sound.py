"""The verbs of sound, with phones that speak and hear: the whole exchange between them."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pbx.dialplan import Call, Plan, Recording, digits, ext, number, prompt, tone
from pbx.media import wav
from pbx.media.clip import Clip
from pbx.media.g711 import ULAW
from pbx.media.library import Library
from pbx.media.tones import tone as tone_of
from pbx.sip.headers import REQUIRE, SUPPORTED
from pbx.testing.exchange import SimulatedExchange
from pbx.testing.phone import Phone
from pbx.testing.sound import recited
from tests.flows.lawful import assert_lawful
from tests.flows.office import ACCOUNTS
from tests.media.waves import amplitude

PRACK = (SUPPORTED.field("100rel"), REQUIRE.field("100rel"))

plan = Plan()
seen: list[Any] = []


@plan.internal("700")
async def welcome(call: Call) -> None:
    await call.play(prompt("welcome"), number(12), digits("*4"))


@plan.internal("701")
async def refusal(call: Call) -> None:
    await call.play(prompt("closed"), early=True)
    await call.reject(480, "closed")


@plan.internal("702")
async def menu(call: Call) -> None:
    seen.append(await call.ask(prompt("main-menu"), timeout=5))


@plan.internal("703")
async def pin(call: Call) -> None:
    seen.append(await call.ask(prompt("enter-pin"), digits=4, timeout=2, tries=2))


@plan.internal("704")
async def memo(call: Call) -> None:
    recording = await call.record(max=10, silence=2)
    seen.append(recording)
    await call.play(prompt("thank-you"), recording)


@plan.internal("705")
async def parrot(call: Call) -> None:
    """Say everything again that is heard, as a voice agent would."""
    async for frame in call.audio():
        await call.send(frame)


@plan.internal("706")
async def recorded(call: Call) -> None:
    async with call.recorded() as recording:
        seen.append(recording)
        await call.dial(ext("1002"), timeout=20)


@plan.internal("707")
async def held(call: Call) -> None:
    async with call.on_hold():
        await call.sleep(3)
    await call.play(prompt("goodbye"))


@plan.internal("708")
async def attended(call: Call) -> None:
    await call.play(prompt("please-wait"))
    seen.append(await call.dial(ext("1002"), timeout=10))
    await call.play(prompt("not-available"))


@plan.internal("709")
async def misspelt(call: Call) -> None:
    await call.play(prompt("wellcome"))


@plan.internal("710")
async def careful(call: Call) -> None:
    try:
        await call.play(*[tone("busy")] * 100)
    finally:
        seen.append("left")


@plan.internal("711")
async def speaking(call: Call) -> None:
    await call.say("Hello.")


@pytest.fixture(autouse=True)
def nothing_seen() -> Iterator[None]:
    seen.clear()
    yield
    seen.clear()


@pytest.fixture
def sim(tmp_path: Path) -> Iterator[SimulatedExchange]:
    sim = SimulatedExchange(plan, ACCOUNTS, library=Library(recordings=tmp_path / "recordings", country="49"))
    yield sim
    for phone in sim.phones:
        if not phone.idle:
            phone.hangs_up()
    sim.assert_idle()
    assert_lawful(sim)


def calls(sim: SimulatedExchange, number: str, **features: Any) -> Phone:
    """A phone that has dialled a number."""
    alice = sim.phone("1001", **features)
    alice.invites(number)
    return alice


def sequence(sim: SimulatedExchange, *names: str) -> Clip:
    """Prompts without a gap, as they are heard: each fills its last frame."""
    return Clip(b"".join(b"".join(sim.library.prompt(name).frames(ULAW)) for name in names))


# play


def test_play_answers_and_is_heard_whole_and_without_a_gap(sim: SimulatedExchange) -> None:
    alice = calls(sim, "700")
    assert alice.hears(sequence(sim, "welcome", "numbers/12", "digits/star", "digits/4"))
    sim.until(lambda: alice.idle)
    assert alice.call is not None and alice.call.ended_by == "them"


def test_a_phone_with_the_other_law_hears_it_too(sim: SimulatedExchange) -> None:
    alice = calls(sim, "700", payload_types=(8,))
    assert alice.hears("welcome")


def test_a_phone_without_g711_gets_488(sim: SimulatedExchange) -> None:
    alice = calls(sim, "700", payload_types=(9,))
    sim.until(lambda: alice.idle)
    assert alice.call is not None and alice.call.status == 488


@pytest.mark.parametrize("more", [(), PRACK])
def test_early_is_heard_before_the_answer_that_never_comes(sim: SimulatedExchange, more: Any) -> None:
    alice = sim.phone("1001")
    call = alice.invites("701", more=more)
    assert alice.hears("closed")
    assert call.state == "early" and 183 in call.progress
    sim.until(lambda: alice.idle)
    assert call.status == 480


def test_early_is_silent_for_a_caller_that_offers_nothing_before_the_answer(sim: SimulatedExchange) -> None:
    alice = sim.phone("1001")
    call = alice.invites("701", offer=False)
    sim.until(lambda: alice.idle, within=2)
    assert call.status == 480 and 183 not in call.progress


def test_a_caller_whose_offer_comes_with_the_ack_hears_it(sim: SimulatedExchange) -> None:
    alice = sim.phone("1001")
    alice.invites("700", offer=False)
    assert alice.hears("welcome", within=3)


def test_hang_up_reaches_what_is_played(sim: SimulatedExchange) -> None:
    alice = calls(sim, "710")
    sim.until(lambda: alice.talking)
    sim.advance(1)
    alice.hangs_up()
    sim.advance(1)
    assert seen == ["left"]


@pytest.mark.parametrize("number", ["700", "701", "702", "703", "704", "705", "706", "707", "708"])
@pytest.mark.parametrize("seconds", [0.25, 1.5])
def test_hang_up_reaches_every_verb_and_leaves_nothing(sim: SimulatedExchange, number: str, seconds: float) -> None:
    bob = sim.phone("1002")
    alice = calls(sim, number)
    sim.advance(seconds)
    alice.hangs_up()
    sim.advance(1)
    assert bob.idle
    assert sim.exchange.figures()["calls"] == 0
    assert len(sim.exchange.relay.beat) == 0


def test_a_caller_that_holds_and_comes_back_is_still_asked(sim: SimulatedExchange) -> None:
    alice = calls(sim, "703")
    sim.until(lambda: alice.talking)
    sim.advance(0.5)
    alice.holds()
    sim.advance(1)
    alice.resumes()
    sim.advance(1)
    alice.presses("1234")
    sim.advance(0.5)
    assert seen == ["1234"]


def test_what_is_said_waits_while_the_caller_holds(sim: SimulatedExchange) -> None:
    alice = calls(sim, "702")
    sim.until(lambda: alice.talking)
    sim.advance(1)
    alice.holds()
    sim.advance(0.25)
    assert alice.call is not None
    before = list(alice.call.sound.payloads)
    sim.advance(10)
    assert alice.call.sound.payloads == before
    alice.resumes()
    assert alice.hears("main-menu")
    assert seen == []


def test_a_prompt_that_is_not_there_is_one_clear_error(sim: SimulatedExchange, logged_errors) -> None:
    alice = calls(sim, "709")
    sim.until(lambda: alice.idle)
    assert alice.call is not None and alice.call.status == 500
    [event] = logged_errors()
    assert "there is no prompt wellcome; put wellcome.wav into" in str(event["log_failure"].value)


def test_say_without_a_synthesiser_is_one_clear_error(sim: SimulatedExchange, logged_errors) -> None:
    alice = calls(sim, "711")
    sim.until(lambda: alice.idle)
    [event] = logged_errors()
    assert "install espeak-ng" in str(event["log_failure"].value)


def test_a_text_is_said_and_heard() -> None:
    sim = SimulatedExchange(plan, ACCOUNTS)
    alice = calls(sim, "711")
    assert alice.hears(recited("Hello."))
    sim.until(lambda: alice.idle)
    sim.assert_idle()


# ask


@pytest.mark.parametrize(("form", "has_events"), [("events", True), ("INFO", True), ("INFO", False), ("tones", False)])
def test_a_key_interrupts_the_question_in_every_form(sim: SimulatedExchange, form: str, has_events: bool) -> None:
    alice = calls(sim, "702", has_events=has_events)
    sim.until(lambda: alice.talking)
    sim.advance(1)
    alice.presses("2", form)
    sim.advance(1)
    assert seen == ["2"]
    assert not alice.call.sound.contains(sim.library.prompt("main-menu"))  # type: ignore[union-attr]


def test_nobody_presses_anything(sim: SimulatedExchange) -> None:
    alice = calls(sim, "702")
    assert alice.hears("main-menu")
    sim.advance(4.5)
    assert seen == []
    sim.until(lambda: seen == [None], within=1)


def test_a_pin_is_four_keys_and_the_question_is_asked_twice(sim: SimulatedExchange) -> None:
    alice = calls(sim, "703")
    assert alice.hears("enter-pin")
    alice.call.sound.forgets()  # type: ignore[union-attr]
    assert alice.hears("enter-pin")
    alice.presses("12345")
    sim.advance(1)
    assert seen == ["1234"]


def test_an_info_that_is_no_key_is_refused(sim: SimulatedExchange) -> None:
    alice = calls(sim, "702")
    sim.until(lambda: alice.talking)
    sim.advance(0.5)
    reply = alice.informs(b"<x/>", "application/media_control+xml")
    sim.advance(0.5)
    assert reply.status == 415 and seen == []


# record


def test_what_is_said_is_recorded_until_silence_and_can_be_played(sim: SimulatedExchange) -> None:
    alice = calls(sim, "704")
    assert alice.hears(tone_of("beep"))
    alice.says(3.0, 440)
    assert alice.hears("thank-you")
    [recording] = seen
    assert recording.ended_by == "silence" and not recording.is_silent and not recording.fault
    assert 3.0 <= recording.seconds <= 3.75
    assert (
        stat.S_IMODE(recording.path.parent.stat().st_mode) == 0o700
    )  # what people say is for nobody else on the machine
    assert amplitude(ULAW.decode(wav.load(recording.path))[8000:40000], 440) == pytest.approx(9000, rel=0.05)
    alice.call.sound.forgets()  # type: ignore[union-attr]
    sim.until(lambda: alice.call.sound.hears(440.0))  # type: ignore[union-attr]


def test_a_key_or_the_limit_ends_a_recording(sim: SimulatedExchange) -> None:
    alice = calls(sim, "704")
    assert alice.hears(tone_of("beep"))
    alice.says(1.0)
    alice.presses("#")
    sim.advance(0.25)
    alice.hangs_up()
    sim.advance(1)
    alice.invites("704")
    assert alice.hears(tone_of("beep"))
    alice.says(12.0)
    first, second = seen
    assert (first.ended_by, first.key) == ("key", "#")
    assert second.ended_by == "limit" and second.seconds == pytest.approx(10, abs=0.1)
    assert first.path != second.path


def test_hang_up_keeps_what_was_recorded(sim: SimulatedExchange, tmp_path: Path) -> None:
    alice = calls(sim, "704")
    assert alice.hears(tone_of("beep"))
    alice.says(2.0)
    alice.hangs_up()
    sim.advance(1)
    [path] = (tmp_path / "recordings").glob("*.wav")
    assert len(wav.load(path)) >= 8000 * 1.9


def test_a_folder_that_cannot_be_made_is_one_clear_error(sim: SimulatedExchange, tmp_path: Path, logged_errors) -> None:
    (tmp_path / "recordings").write_text("in the way")
    alice = calls(sim, "704")
    sim.until(lambda: alice.idle)
    [event] = logged_errors()
    assert "cannot be made: File exists; see [media] recordings" in str(event["log_failure"].value)


def test_a_conversation_is_recorded_in_stereo(sim: SimulatedExchange) -> None:
    bob = sim.phone("1002")
    alice = calls(sim, "706")
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: alice.talking)
    sim.advance(0.5)
    assert sim.talk(alice, bob)
    alice.call.sound.says(440.0, 2.0)  # type: ignore[union-attr]
    bob.call.sound.says(600.0, 2.0)  # type: ignore[union-attr]
    sim.advance(2.5)
    bob.hangs_up()
    sim.advance(1)
    [recording] = seen
    assert isinstance(recording, Recording)
    content = recording.path.read_bytes()[58:]
    left, right = (ULAW.decode(content[channel::2])[-32000:-12000] for channel in (0, 1))
    assert amplitude(left, 440) > 8000 and amplitude(left, 600) < 300
    assert amplitude(right, 600) > 8000 and amplitude(right, 440) < 300


# audio, send, on_hold


def test_a_voice_agent_hears_and_speaks(sim: SimulatedExchange) -> None:
    alice = calls(sim, "705")
    sim.until(lambda: alice.talking)
    sim.advance(0.25)
    alice.says(2.0, 520)
    assert alice.call is not None and alice.call.sound.hears(520.0)


def test_music_is_heard_while_on_hold(sim: SimulatedExchange) -> None:
    alice = calls(sim, "707")
    sim.until(lambda: alice.talking)
    sim.advance(2.5)
    music = sim.library.prompt("music/hold").frames(ULAW)
    assert alice.call is not None and alice.call.sound.contains(Clip(b"".join(music[:100])))
    assert alice.hears("goodbye")


# Between other calls


def test_a_caller_who_was_answered_hears_that_it_rings(sim: SimulatedExchange) -> None:
    bob = sim.phone("1002")
    alice = calls(sim, "708")
    assert alice.hears("please-wait")
    sim.until(lambda: bob.ringing)
    assert alice.hears(tone_of("ringback", "49"))
    sim.until(lambda: bool(seen), within=12)
    assert alice.hears("not-available")


def test_after_a_call_in_another_codec_the_caller_is_offered_ours(sim: SimulatedExchange) -> None:
    bob = sim.phone("1002", payload_types=(9,))
    alice = calls(sim, "708", payload_types=(9, 0))
    assert alice.hears("please-wait")
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.advance(2)
    assert alice.talking and bob.talking
    bob.hangs_up()
    assert alice.hears("not-available")


@pytest.mark.parametrize(("status", "heard"), [(488, False), (491, False), (0, True)])
def test_a_caller_that_refuses_ours_is_hung_up_and_one_whose_offer_crosses_is_asked_again(
    sim: SimulatedExchange, status: int, heard: bool
) -> None:
    bob = sim.phone("1002", payload_types=(9,))
    alice = calls(sim, "708", payload_types=(9, 0))
    assert alice.hears("please-wait")
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.advance(2)
    alice.refuses = status or 491
    bob.hangs_up()
    sim.advance(2)
    alice.refuses = status
    assert alice.hears("not-available", within=24) is heard
    sim.until(lambda: alice.idle)


def test_loss_of_packets_leaves_the_call_as_it_is(sim: SimulatedExchange) -> None:
    alice = calls(sim, "702")
    sim.until(lambda: alice.talking)
    sim.advance(1)
    sim.network.loses("", source=alice.host, times=3)  # the first packets of the event
    alice.presses("1")
    sim.advance(0.5)
    assert seen == ["1"]


@pytest.mark.parametrize("dialled", ["700", "702", "704", "705", "711"])
def test_without_a_media_port_the_caller_gets_503(dialled: str) -> None:
    sim = SimulatedExchange(plan, ACCOUNTS, pairs=0)
    alice = sim.phone("1001")
    call = alice.invites(dialled)
    sim.until(lambda: alice.idle)
    assert call.status == 503
    sim.assert_idle()


def test_calls_go_on_where_the_ports_are_used_up_by_what_we_say() -> None:
    sim = SimulatedExchange(plan, ACCOUNTS, pairs=1)
    alice, bob = sim.phone("1001"), sim.phone("1002")
    alice.invites("702")
    assert alice.hears("main-menu")
    refused = bob.invites("700")
    sim.until(lambda: bob.idle)
    assert refused.status == 503
    alice.presses("5")
    sim.until(lambda: alice.idle)
    assert seen == ["5"]
    bob.invites("700")
    assert bob.hears("welcome")
    bob.hangs_up()
    sim.assert_idle()
