"""A stint lasts while a call's code runs: not while it waits, nor when it is over, in whatever way."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import LogEvent

from pbx.dialplan.call import Call
from pbx.dialplan.plan import Plan
from tests.dialplan.scripted import ScriptedBridge


def test_it_lasts_while_the_code_runs_and_not_while_it_waits() -> None:
    plan = Plan()
    stint = plan.surroundings.stint
    later: Deferred[None] = Deferred()
    seen: list[float] = []

    @plan.internal("600")
    async def script(call: Call) -> None:
        seen.append(stint.since)
        await later
        seen.append(stint.since)

    plan.run(ScriptedBridge())
    assert (stint.since, len(seen)) == (0, 1)
    later.callback(None)
    assert stint.since == 0
    assert 0 < seen[0] < seen[1]


def test_it_lasts_while_code_is_ended_that_outstays_its_call() -> None:
    plan = Plan()
    stint = plan.surroundings.stint
    seen: list[float] = []

    @plan.internal("600")
    async def script(call: Call) -> None:
        try:
            try:
                await Deferred()
            finally:
                await Deferred()
        finally:
            seen.append(stint.since)

    bridge = ScriptedBridge()
    plan.run(bridge)
    bridge.leaves()
    assert (stint.since, seen) == (0, [])
    bridge.clock.advance(10)
    assert (stint.since, len(seen)) == (0, 1)
    assert seen[0] > 0


@pytest.mark.parametrize("error", [ValueError, StopIteration])
def test_it_is_over_when_the_code_has_failed(
    error: type[Exception], logged_errors: Callable[[], list[LogEvent]]
) -> None:
    plan = Plan()
    plan.on_exception(_silence)

    @plan.internal("600")
    async def script(call: Call) -> None:
        raise error

    plan.run(ScriptedBridge())
    assert plan.surroundings.stint.since == 0
    assert len(logged_errors()) == 1


async def _silence(call: Call, error: Exception) -> None:
    """Nothing is said."""
