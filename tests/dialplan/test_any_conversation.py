"""Anything may happen in any order to calls of more than two: phones press keys, transfer, pick up, park and hang up at
random, in every state of a consultation. Nothing raises, and when all have hung up nothing is left.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from urllib.parse import quote

import pytest

from pbx.dialplan import Answered, Call, NoAnswer, Plan, ext, prompt, room
from pbx.sip.headers import REPLACES
from pbx.sip.refer import INTERVAL
from pbx.testing import Sim
from pbx.testing.phone import Phone
from pbx.testing.phone_call import PhoneCall
from pbx.testing.watch import Transfer
from tests.counts import count

DIALLED = ("101", "102", "103", "104", "8102", "6102", "701", "*70", "*8", "690", "9103")
PRESSED = ("*2101", "*2103", "*2104", "*4103", "*5", "*6", "*9103", "#1103", "#1701", "*1", "*3", "*2", "1")
PAUSES = (0.0, 1 / 128, 1 / 64, 1 / 32, 0.125, 0.5, 0.5, 2.0, 2.0, 6.0)
STEPS = 40
GOODBYES = 4  # one may be transferred while another one hangs up
PEACE = 6.0  # seconds

plan = Plan()


@plan.internal("<number:1XX>")
async def extension(call: Call, number: str) -> None:
    await call.dial(ext(number), timeout=25)


@plan.internal("9<number:1XX>")
async def attended(call: Call, number: str) -> None:
    await call.answer()
    await call.dial(ext(number), timeout=20)


@plan.internal("8<number:1XX>")
async def screened(call: Call, number: str) -> None:
    match await call.ring(ext(number), timeout=25):
        case Answered(leg=colleague):
            if await colleague.ask(prompt("main-menu"), timeout=5) == "1":
                await call.bridge(colleague)


@plan.internal("6<number:1XX>")
async def in_turn(call: Call, number: str) -> None:
    match await call.ring(ext(number), timeout=10), await call.ring(ext("103"), timeout=10):
        case Answered(leg=first), Answered(leg=second):
            await call.talk(first, until="*1")
            async with first.on_hold():
                await call.talk(second, until=["*1", "*2"])
            await call.bridge(first)


@plan.internal("70<slot:Z>")
async def slots(call: Call, slot: str) -> None:
    if not call.transferred:
        await call.retrieve(f"70{slot}")
    elif isinstance(await call.park(f"70{slot}", timeout=30), NoAnswer):
        await call.dial(ext(call.caller.number), timeout=20)


@plan.internal("*70")
async def anywhere(call: Call) -> None:
    await call.park("701", "702", timeout=30)


@plan.internal("*8")
async def pickup(call: Call) -> None:
    await call.pick_up()


@plan.internal("690")
async def meeting(call: Call) -> None:
    await call.conference(room("meeting"))


@plan.in_call("*2<number:1XX>")
async def consult(call: Call, number: str) -> None:
    async with call.peer.on_hold():
        match await call.ring(ext(number), timeout=25):
            case Answered(leg=colleague):
                if await call.talk(colleague, until=("*1", "*3")) == "*1":
                    await call.peer.join(colleague)


@plan.in_call("*4<number:1XX>")
async def call_another(call: Call, number: str) -> None:
    await call.dial(ext(number), timeout=15)


@plan.in_call("*5")
async def ask_the_other(call: Call) -> None:
    await call.peer.ask(prompt("main-menu"), timeout=3)
    await call.hang_up()


@plan.in_call("*6")
async def hang_up_the_other(call: Call) -> None:
    await call.peer.hang_up()


@plan.in_call("*9<number:1XX>")
async def leave_to(call: Call, number: str) -> None:
    match await call.ring(ext(number), timeout=15):
        case Answered(leg=colleague):
            await colleague.join(call.peer)


@plan.in_call("#1<number:XXX>")
async def send(call: Call, number: str) -> None:
    if not await call.transfer(number):
        await call.play(prompt("not-available"))


@pytest.mark.parametrize("part", range(5))
def test_anything_in_any_order_leaves_nothing_behind(part: int) -> None:
    for seed in range(part, count(20, 10_000), 5):
        try:
            Office(random.Random(seed)).live()
        except BaseException as failure:
            failure.add_note(f"seed {seed}")
            raise


class Office:
    """Four phones, each of which may be in two calls."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        colleagues = {number: {"pickup_group": "office"} for number in ("101", "102", "103", "104")}
        self.sim = Sim(plan, {"extensions": colleagues}, trace=False)
        self.phones = [self.sim.phone(number).phone for number in colleagues]
        self.calls: dict[Phone, list[PhoneCall]] = {phone: [] for phone in self.phones}
        self.sim.network(loss=chance.choice((0.0, 0.0, 0.1, 0.2)), seed=chance.randrange(1000))

    def live(self) -> None:
        """Live for a while, then hang up all."""
        for _ in range(STEPS):
            phone = self.chance.choice(self.phones)
            if mine := self.going_on(phone):
                phone.call = self.chance.choice(mine)
            self.chance.choice(self.possible(phone, len(mine)))()
            self.sim.advance(self.chance.choice(PAUSES))
        self.sim.network(loss=0.0)
        for phone in self.phones:
            phone.busy = True
        for _ in range(GOODBYES):
            for phone in self.phones:
                for call in self.going_on(phone):
                    phone.call = call
                    phone.hangs_up()
            self.sim.advance(PEACE)
        if any(len(phone.agent.usages) for phone in self.phones):
            # The last NOTIFY of a transfer was lost until the BYE had come: it is refused as late (RFC 3261 12.2.2),
            # and what it would have ended ends by its time.
            self.sim.advance(INTERVAL.default)
        self.sim.assert_idle()
        records = self.sim.exchange.exchange.histories
        assert records is not None and not records.running

    def going_on(self, phone: Phone) -> list[PhoneCall]:
        """The calls of a phone that are not over."""
        if phone.call is not None and phone.call not in self.calls[phone]:
            self.calls[phone].append(phone.call)
        return [call for call in self.calls[phone] if call.state != "over"]

    def possible(self, phone: Phone, calls: int) -> list[Callable[[], object]]:
        """What the user of a phone may do now, who is in so many calls."""
        chance = self.chance

        def dial() -> None:
            phone.call = None
            phone.invites(chance.choice(DIALLED), offer=chance.random() < 0.85)

        def take_over() -> None:
            phone.call = None
            phone.invites("", more=(REPLACES.field(self.any_call()),))

        if not calls:
            return [dial, dial, dial, take_over, self.phones_rest(phone)]
        ways: list[Callable[[], object]] = [phone.hangs_up, self.phones_rest(phone)]
        if phone.ringing:
            ways += [phone.answers] * 5
        elif phone.talking:
            ways += [lambda: phone.presses(chance.choice(PRESSED), form="INFO")] * 5
            if calls == 1:
                ways.append(dial)
            if phone.may_offer:
                ways += [phone.holds, phone.resumes, phone.asks_for_an_offer]
                ways.append(lambda: Transfer(phone, phone.address_of(chance.choice(DIALLED))))
                ways.append(
                    lambda: Transfer(phone, f"{phone.address_of('103')}?Replaces={quote(self.any_call(), safe='')}")
                )
        return ways

    def phones_rest(self, phone: Phone) -> Callable[[], object]:
        """Refuse calls, and what the other side offers, from now on, or take them again."""
        return lambda: vars(phone).update(
            busy=self.chance.random() < 0.3, refuses=self.chance.choice((0, 0, 0, 488, 491, 500))
        )

    def any_call(self) -> str:
        """What names any call of any phone, as the exchange has it."""
        sessions = [one.session for phone in self.phones for one in self.going_on(phone)]
        keys = [session.dialog.key for session in sessions if session is not None and session.dialog is not None]
        call_id, local, remote = self.chance.choice(keys) if keys else ("none", "of", "ours")
        return f"{call_id};to-tag={remote};from-tag={local}"
