"""What a plan finds around it: the switches, the holidays, and ways to work that the reactor must not wait for.

Whoever runs the plan gives it these; nothing here knows threads, databases or asyncio.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from twisted.internet.defer import Deferred, fail

from pbx.dialplan.holidays import HolidayTable
from pbx.dialplan.stint import Stint
from pbx.dialplan.switches import Switches


class Session(Protocol):
    """A transaction in a database: `async with call.db() as session`."""

    def execute(self, statement: Any, **values: object) -> Deferred[Sequence[Any]]:
        """Do one statement; fires with its rows."""

    def finish(self, commit: bool) -> Deferred[None]:
        """Commit, or undo all; then it is over."""


class Outside(Protocol):
    """Where work is done that would hold up the reactor."""

    def run(self, work: Callable[[], Any]) -> Deferred[Any]:
        """Call a function in a thread; fires with its result."""

    async def database(self, writing: bool) -> Session:
        """Begin a transaction."""

    def task(self, coroutine: Coroutine[Any, Any, Any]) -> Deferred[Any]:
        """Run a coroutine of asyncio; cancelling the Deferred cancels it."""


class Nowhere:
    """There is no outside: each of its ways says so."""

    def run(self, work: Callable[[], Any]) -> Deferred[Any]:
        """No threads."""
        return fail(RuntimeError("call.run() needs an exchange that runs: there are no threads here"))

    async def database(self, writing: bool) -> Session:
        """No database."""
        raise RuntimeError("call.db() needs an exchange that runs: there is no database here")

    def task(self, coroutine: Coroutine[Any, Any, Any]) -> Deferred[Any]:
        """No loop."""
        coroutine.close()
        return fail(RuntimeError(f"call.asyncio() needs asyncio's loop: {HOW_TO_HAVE_ASYNCIO}"))


HOW_TO_HAVE_ASYNCIO = "start the exchange with `twistd --reactor=asyncio pbx`; in a test, give Sim a fake of it"


@dataclass(slots=True)
class Surroundings:
    """What is around one plan.

    :ivar switches: what people switch on and off.
    :ivar holidays: the days of each calendar.
    :ivar outside: where work is done that takes its time.
    :ivar stint: since when a call's code has run.
    """

    switches: Switches = field(default_factory=Switches)
    holidays: HolidayTable = field(default_factory=HolidayTable)
    outside: Outside = field(default_factory=Nowhere)
    stint: Stint = field(default_factory=Stint)
