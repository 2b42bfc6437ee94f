"""What an observer is told of a call, in which order."""

from __future__ import annotations

from typing import Any

import pytest

from pbx.dialplan import Call, Plan, ext
from pbx.exchange.observer import Observer, Observers, Unobserving
from pbx.testing.exchange import SimulatedExchange

plan: Plan[Any] = Plan()


@plan.internal("<number:1XXX>")
async def extension(call: Call[Any], number: str) -> None:
    if not await call.dial(ext(number), timeout=20):
        await call.reject(480)


@plan.internal("2<number:1XXX>")
async def both(call: Call[Any], number: str) -> None:
    await call.dial(ext(number), ext("1003"), timeout=20)


class Diary(Unobserving):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        if name.startswith(("call_", "caller_", "attempt_", "party_")):
            return lambda call, *more: self.told.append(" ".join([name, *_shown(more)]))
        return super().__getattribute__(name)


def _shown(more: tuple[Any, ...]) -> list[str]:
    shown = []
    for one in more:
        if hasattr(one, "destination"):
            shown.append(str(one.destination.target))
        elif hasattr(one, "by") and hasattr(one, "words"):
            shown.append(f"by {one.by.value}, {one.words or '-'}, {one.status}")
        elif isinstance(one, str | int):
            shown.append(str(one))
    return shown


@pytest.fixture
def sim() -> SimulatedExchange:
    return SimulatedExchange(plan, {"1001": "a", "1002": "b", "1003": "c"})


def observed(sim: SimulatedExchange) -> list[str]:
    diary = Diary()
    sim.exchange.switchboard.observer = diary
    return diary.told


def test_a_call_that_is_answered(sim: SimulatedExchange) -> None:
    alice, bob = sim.phone("1001"), sim.phone("1002")
    told = observed(sim)
    alice.invites("1002")
    sim.advance(1)
    bob.answers()
    sim.advance(1)
    bob.hangs_up()
    sim.assert_idle()
    assert told == [
        "call_began",
        "call_dials 20",
        "attempt_began 1002",
        "attempt_rang 1002 180",
        "attempt_answered 1002",
        "call_answered",
        "party_left hung up",
        "call_dialled",
        "call_ended by plan, -, 200",
    ]


@pytest.mark.parametrize("who", ["1001", "1002"])
def test_whoever_waits_for_a_message_has_it_before_observers_are_told(sim: SimulatedExchange, who: str) -> None:
    alice, bob = sim.phone("1001"), sim.phone("1002")
    left: dict[str, str] = {}

    class Witness(Unobserving):
        def attempt_rang(self, *event: Any) -> None:
            left["rings"] = sim.network.sent[-1].kind

        def call_answered(self, *event: Any) -> None:
            left["is answered"] = sim.network.sent[-1].kind

        def call_ended(self, *event: Any) -> None:
            left["is over"] = sim.network.sent[-1].kind

    sim.exchange.switchboard.observer = Witness()
    alice.invites("1002")
    sim.advance(1)
    bob.answers()
    sim.advance(1)
    {"1001": alice, "1002": bob}[who].hangs_up()
    sim.assert_idle()
    assert left == {"rings": "180 INVITE", "is answered": "200 INVITE", "is over": "BYE"}


def test_a_caller_that_gives_up(sim: SimulatedExchange) -> None:
    alice, _ = sim.phone("1001"), sim.phone("1002")
    told = observed(sim)
    alice.invites("1002")
    sim.advance(1)
    alice.hangs_up()
    sim.assert_idle()
    assert told[-2:] == ["attempt_ended 1002 487 given up", "call_ended by caller, the caller gave up, 487"]


def test_each_attempt_ends_once(sim: SimulatedExchange) -> None:
    alice, bob, _ = sim.phone("1001"), sim.phone("1002"), sim.phone("1003")
    told = observed(sim)
    alice.invites("21002")
    sim.advance(1)
    bob.answers()
    sim.advance(1)
    alice.hangs_up()
    sim.assert_idle()
    ends = [line for line in told if line.startswith(("attempt_answered", "attempt_ended"))]
    assert sorted(ends) == ["attempt_answered 1002", "attempt_ended 1003 487 answered elsewhere"]
    assert told[-1] == "call_ended by caller, hung up, 200"


def test_nobody_answers(sim: SimulatedExchange) -> None:
    alice, _ = sim.phone("1001"), sim.phone("1002")
    told = observed(sim)
    alice.invites("1002")
    sim.advance(25)
    sim.assert_idle()
    assert told[-3:] == ["attempt_ended 1002 480 no answer", "call_dialled", "call_ended by plan, -, 480"]


def test_several_observers_are_told_the_same(sim: SimulatedExchange) -> None:
    first, second = Diary(), Diary()
    sim.exchange.switchboard.observer = Observers([first, second])
    sim.phone("1001").invites("1002")
    sim.assert_idle()
    assert first.told == second.told
    assert first.told[0] == "call_began"


def test_of_several_observers_each_is_told_of_everything() -> None:
    names = [name for name in vars(Observer) if name.startswith(("call_", "caller_", "attempt_", "party_"))]
    diary = Diary()
    for name in names:
        getattr(Observers([diary]), name)(*range(getattr(Observers, name).__code__.co_argcount - 1))
    assert [line.split()[0] for line in diary.told] == names
    assert {name for name in vars(Unobserving) if "_" in name and not name.startswith("__")} == set(names)
