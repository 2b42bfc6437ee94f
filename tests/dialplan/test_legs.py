"""Legs: who is rung, asked, talked to and joined by the code of a call."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from pbx.dialplan import Answered, Call, Plan, ext, prompt
from pbx.exchange.leg import GONE
from pbx.testing import Sim

plan = Plan()


@plan.internal("8<number:1XX>")
async def screened(call: Call, number: str) -> None:
    match await call.ring(ext(number), timeout=25):
        case Answered(leg=colleague):
            if await colleague.ask(prompt("main-menu"), timeout=5) == "1":
                await call.bridge(colleague)
            else:
                await call.play(prompt("not-available"))


@plan.internal("7<number:1XX>")
async def both(call: Call, number: str) -> None:
    """Ring two, and leave them to each other."""
    first = await call.ring(ext(number))
    second = await call.ring(ext("103"))
    match first, second:
        case Answered(leg=one), Answered(leg=other):
            await one.join(other)


@plan.internal("6<number:1XX>")
async def in_turn(call: Call, number: str) -> None:
    """Talk to one, then to another, then to the first again."""
    first, second = await call.ring(ext(number)), await call.ring(ext("103"))
    assert isinstance(first, Answered) and isinstance(second, Answered)
    assert await call.talk(first.leg, until="*1") == "*1"
    assert await call.talk(second.leg, until=["*1", "*2"]) == "*2"
    await call.bridge(first.leg)
    call.log("over", first=first.leg, second=second.leg)
    await second.leg.hang_up()
    await second.leg.play(prompt("goodbye"))


@pytest.fixture
def sim() -> Sim:
    return Sim(plan)


def test_a_callee_is_asked_before_it_is_connected(sim: Sim) -> None:
    a, b = sim.phone("101"), sim.phone("102")
    a.dials("8102")
    b.answer()
    assert b.hears("main-menu")
    assert a.phone.hears_ringing
    b.presses("1")
    sim.advance(2)
    assert a.talks_to(b)
    b.hang_up()
    assert a.idle
    a.dials("8102")
    b.answer()
    b.presses("2")
    assert a.hears("not-available")
    sim.advance(5)
    assert a.idle and b.idle
    sim.assert_idle()


def test_the_caller_leaves_two_whom_it_has_rung_to_each_other(sim: Sim) -> None:
    a, b, c = sim.phone("101"), sim.phone("102"), sim.phone("103")
    a.dials("7102")
    b.answer()
    c.answer()
    sim.advance(3)
    assert a.idle
    assert b.talks_to(c)
    c.hang_up()
    assert b.idle
    sim.assert_idle()


def test_the_caller_talks_to_one_and_then_to_another(sim: Sim) -> None:
    a, b, c = sim.phone("101"), sim.phone("102"), sim.phone("103")
    a.dials("6102")
    b.answer()
    c.answer()
    sim.advance(2)
    assert a.talks_to(b) and not a.talks_to(c)
    a.presses("*1")
    sim.advance(2)
    assert a.talks_to(c) and not a.talks_to(b)
    a.presses("*2")
    sim.advance(2)
    assert a.talks_to(b)
    b.hang_up()
    sim.advance(2)
    assert a.idle and c.idle
    sim.assert_idle()


def test_legs_are_hung_up_with_the_call(sim: Sim) -> None:
    a, b, c = sim.phone("101"), sim.phone("102"), sim.phone("103")
    a.dials("6102")
    b.answer()
    c.answer()
    sim.advance(2)
    a.hang_up()
    sim.advance(2)
    assert b.idle and c.idle
    sim.assert_idle()


def says(error: str, script: Callable[[Call], Coroutine[Any, Any, object]]) -> None:
    """A script says what is wrong with it."""
    told: list[str] = []

    async def careful(call: Call) -> None:
        try:
            await script(call)
        except (TypeError, ValueError, RuntimeError) as wrong:
            told.append(str(wrong))

    wrong = Plan()
    wrong.internal("600")(careful)
    Sim(wrong, trace=False).phone("101").dials("600")
    assert error in "".join(told)


def test_what_is_used_wrongly_says_so() -> None:
    async def peer(call: Call) -> None:
        await call.peer.hang_up()

    async def nobody(call: Call) -> None:
        await call.ring()

    async def no_leg(call: Call) -> None:
        await call.bridge(ext("101"))  # type: ignore[arg-type]

    async def no_keys(call: Call) -> None:
        await call.talk(GONE, until=["1x"])

    async def gone(call: Call) -> None:
        await GONE.join(GONE)

    says("call.peer is for @plan.in_call", peer)
    says("ring() needs somebody to call", nobody)
    says("bridge() takes a leg", no_leg)
    says("until is of sequences of keys", no_keys)
    says("ring() returns a leg", gone)


def test_a_plan_that_ends_after_a_busy_leg_tells_the_caller_so(sim: Sim) -> None:
    a, b = sim.phone("101"), sim.phone("102")
    b.is_busy()
    assert a.dials("8102").sees(486)
    sim.assert_idle()


def test_a_caller_without_an_offer_talks_to_one_and_then_to_another(sim: Sim) -> None:
    a, b, c = sim.phone("101"), sim.phone("102"), sim.phone("103")
    a.phone.invites("6102", offer=False)
    sim.settle()
    b.answer()
    c.answer()
    sim.advance(2)
    assert a.talks_to(b)
    a.presses("*1")
    sim.advance(2)
    assert a.talks_to(c)
    a.hang_up()
    sim.assert_idle()
