"""Hang-up reaches a plan at whatever it waits for, cleans up from the inside, and leaves what was awaited alone."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from twisted.internet.defer import Deferred

from pbx.dialplan.call import Call
from pbx.dialplan.driver import HungUp
from pbx.exchange.outcome import Busy
from pbx.exchange.target import ext
from tests.dialplan.scripted import ScriptedBridge, calls


def test_hang_up_during_dial_reaches_nested_coroutines_and_cleans_up_from_the_inside() -> None:
    steps: list[str] = []

    @asynccontextmanager
    async def held(name: str) -> AsyncIterator[None]:
        try:
            yield
        finally:
            steps.append(name)

    async def inner(call: Call) -> None:
        try:
            async with held("inner hold"):
                await call.dial(ext("101"))
        except HungUp as gone:
            steps.append(gone.reason)
            raise

    async def script(call: Call) -> None:
        try:
            async with held("outer hold"):
                await inner(call)
        finally:
            steps.append("finally")

    bridge = calls(script)
    bridge.leaves("cancelled")
    assert steps == ["inner hold", "cancelled", "outer hold", "finally"]
    assert bridge.over == "plan_ended"


def test_hang_up_during_sleep_leaves_no_timer() -> None:
    async def script(call: Call) -> None:
        await call.sleep(100)

    bridge = calls(script)
    bridge.leaves()
    assert bridge.over == "plan_ended"


def test_hang_up_is_no_exception_and_passes_except_exception() -> None:
    swallowed = []

    async def script(call: Call) -> None:
        try:
            await call.dial(ext("101"))
        except Exception as error:
            swallowed.append(error)
        await call.dial(ext("102"))

    bridge = calls(script)
    bridge.leaves()
    assert not swallowed
    assert bridge.done == [("dial", "101", 60), ("plan_ended",)]


def test_what_was_awaited_is_left_alone_and_comes_too_late() -> None:
    cancelled: list[object] = []
    foreign: Deferred[str] = Deferred(cancelled.append)

    async def script(call: Call) -> None:
        await foreign

    bridge = calls(script)
    bridge.leaves()
    assert bridge.over == "plan_ended"
    foreign.callback("late")
    assert not cancelled
    assert bridge.over == "plan_ended"


def test_a_failure_that_comes_too_late_is_not_logged() -> None:
    foreign: list[Deferred[None]] = [Deferred()]

    async def script(call: Call) -> None:
        await foreign[0]

    bridge = calls(script)
    bridge.leaves()
    foreign.pop().errback(OSError("late"))
    gc.collect()
    assert bridge.over == "plan_ended"


def test_clean_up_may_wait_for_others_and_then_ends() -> None:
    closing: Deferred[None] = Deferred()
    steps = []

    async def script(call: Call) -> None:
        try:
            await call.dial(ext("101"))
        finally:
            await closing
            steps.append("closed")

    bridge = calls(script)
    bridge.leaves()
    bridge.pending.callback(Busy())
    bridge.clock.advance(9.875)
    assert not steps
    closing.callback(None)
    assert steps == ["closed"]
    assert bridge.over == "plan_ended"


def test_the_caller_may_leave_during_a_step() -> None:
    steps: list[str] = []

    async def script(call: Call) -> None:
        bridge.leaves()
        steps.append("not interrupted between awaits")
        try:
            await Deferred()
        except HungUp:
            steps.append("at the next await")
            raise

    bridge = ScriptedBridge()
    calls(script, bridge)
    assert steps == ["not interrupted between awaits", "at the next await"]
    assert bridge.over == "plan_ended"


def test_the_caller_may_leave_during_a_step_before_a_verb() -> None:
    async def script(call: Call) -> None:
        bridge.leaves()
        try:
            await call.answer()
        finally:
            await cleaning

    cleaning: Deferred[None] = Deferred()
    bridge = ScriptedBridge()
    calls(script, bridge)
    cleaning.callback(None)
    assert bridge.done == [("plan_ended",)]


def test_who_swallows_hang_up_gets_it_again_at_the_next_verb() -> None:
    caught = []

    async def script(call: Call) -> None:
        for verb in (call.dial(ext("101")), call.answer(), call.sleep(1), call.reject(), call.hang_up(), call.echo()):
            try:
                await verb
            except BaseException as error:
                caught.append(type(error))
        call.log("still allowed")

    bridge = calls(script)
    bridge.leaves()
    assert caught == [HungUp] * 6
    assert bridge.done == [("dial", "101", 60), ("plan_ended",)]
