"""A coroutine is stepped to its end, whatever it waits for; its context is its own, and nothing is left of it."""

from __future__ import annotations

import contextvars
import decimal
import gc
import types
import weakref
from collections.abc import Generator

from twisted.internet.defer import Deferred, DeferredList, fail, succeed
from twisted.internet.task import Clock

from pbx.dialplan.call import Call
from pbx.dialplan.plan import Plan
from pbx.exchange.outcome import Busy
from pbx.exchange.target import ext
from tests.dialplan.scripted import ScriptedBridge, calls


def test_a_deferred_gives_its_result_whether_it_has_fired_or_not() -> None:
    later: Deferred[str] = Deferred()
    seen: list[object] = []

    async def script(call: Call) -> None:
        seen.append(await succeed("at once"))
        seen.append(await later)
        seen.append(await DeferredList([succeed(1)]))

    bridge = calls(script)
    assert (seen, bridge.done) == (["at once"], [])
    later.callback("later")
    assert seen == ["at once", "later", [(True, 1)]]
    assert bridge.over == "plan_ended"


def test_a_failure_is_raised_where_it_is_awaited() -> None:
    later: Deferred[str] = Deferred()
    seen: list[str] = []

    async def script(call: Call) -> None:
        for deferred in (fail(KeyError("at once")), later):
            try:
                await deferred
            except KeyError as error:
                seen.append(error.args[0])

    bridge = calls(script)
    later.errback(KeyError("later"))
    assert seen == ["at once", "later"]
    assert bridge.over == "plan_ended"


def test_the_result_stays_for_those_who_wait_for_the_same_deferred() -> None:
    shared: Deferred[str] = Deferred()
    seen: list[str] = []

    async def script(call: Call) -> None:
        seen.append(await shared)

    calls(script)
    calls(script)
    shared.callback("all")
    assert seen == ["all", "all"]


def test_many_awaits_of_what_has_fired_do_not_deepen_the_stack() -> None:
    @types.coroutine
    def yielding(deferred: Deferred[int]) -> Generator[Deferred[int], int, int]:
        return (yield deferred)

    total = 0

    async def script(call: Call) -> None:
        nonlocal total
        for _ in range(20_000):
            total += await succeed(1)
            total += await yielding(succeed(1))

    assert calls(script).over == "plan_ended"
    assert total == 40_000


def test_the_end_of_the_coroutine_ends_the_plan_once() -> None:
    async def script(call: Call) -> None:
        await call.dial(ext("101"), timeout=5)

    bridge = calls(script)
    bridge.ends(Busy())
    assert bridge.over == "plan_ended"
    bridge.leaves()
    assert bridge.over == "plan_ended"


def test_context_variables_of_one_call_are_not_those_of_another() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="untouched")
    seen = []

    async def script(call: Call) -> None:
        seen.append(variable.get())
        variable.set(call.id)
        decimal.setcontext(decimal.Context(prec=3))
        await call.dial(ext("101"))
        seen.append(variable.get())

    first, second = calls(script, ScriptedBridge(id="first")), calls(script, ScriptedBridge(id="second"))
    first.ends(Busy())
    second.ends(Busy())
    assert seen == ["untouched", "untouched", "first", "second"]
    assert variable.get() == "untouched"
    assert decimal.getcontext().prec != 3


def test_a_call_that_is_over_is_forgotten() -> None:
    class Big:
        pass

    plan = Plan(state=Big)
    left = []

    @plan.internal("600")
    async def script(call: Call[Big]) -> None:
        left.append(weakref.ref(call.state))
        await call.dial(ext("101"))

    bridge = ScriptedBridge(clock=Clock())
    plan.run(bridge)
    bridge.leaves()
    del bridge
    gc.collect()
    assert left[0]() is None
