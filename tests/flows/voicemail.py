"""An office with voicemail, and phones that leave messages and hear them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pbx.dialplan import Call, Plan, ext, mailbox, voicemail, voicemail_menu
from pbx.features.voicemail import pin
from pbx.features.voicemail.mailbox import Limits, Mailbox
from pbx.media.g711 import ULAW
from pbx.media.tones import tone as tone_of
from pbx.testing.exchange import SimulatedExchange
from pbx.testing.phone import Phone
from tests.flows.lawful import assert_lawful
from tests.flows.office import ACCOUNTS
from tests.media.waves import amplitude

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
    """Give the office; in the end it is idle, and all that was sent is lawful."""
    exchange = SimulatedExchange(plan, ACCOUNTS, mailbox_limits=Limits(max_messages=3, max_seconds=30, silence=3))
    exchange.exchange.voicemail.replace([Mailbox("sales", extension="1002", pin=PIN)])
    yield exchange
    exchange.assert_idle()
    assert_lawful(exchange)


def hears(phone: Phone, *names: str) -> bool:
    """Whether it hears prompts of the voicemail, or with "!" in front any others, one after the other."""
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
    """The phone of a number, which calls its mailbox."""
    phone = next((phone for phone in sim.phones if phone.number == number), None) or sim.phone(number)
    phone.invites(dialled)
    return phone
