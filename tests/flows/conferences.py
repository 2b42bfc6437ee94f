"""An office with conference rooms, and phones that speak and hear in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pbx.dialplan import Call, Plan, ext, room, tone
from pbx.features.conference.conference import Conference
from pbx.media.library import Library
from pbx.testing.exchange import SimulatedExchange
from pbx.testing.phone import Phone
from tests.flows.lawful import assert_lawful

ACCOUNTS = {str(number): "secret" for number in range(1001, 1041)}

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
    """See to it that `ended` tells of this test only: who was in a room, and how that ended."""
    ended.clear()
    yield
    ended.clear()


@pytest.fixture
def sim(tmp_path: Path) -> Iterator[SimulatedExchange]:
    """Give the office; in the end all hang up, it is idle, and all that was sent is lawful."""
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
