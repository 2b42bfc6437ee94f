"""The verbs of a call that work beside it: in a thread, in the database, with asyncio's libraries, or after its end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, ParamSpec, TypeVar

from twisted.internet.defer import Deferred

from pbx.dialplan.driver import Driver
from pbx.dialplan.surroundings import Session, Surroundings

P = ParamSpec("P")
T = TypeVar("T")


class WorkVerbs:
    """The verbs of work; `Call` has them. They go on where the sound has ended: in work after the hang-up, too."""

    __slots__ = ()

    _driver: Driver  # steps the coroutine
    _surroundings: Surroundings  # where the work is done

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function that blocks, in a thread, and return what it returns.

        When the caller leaves, the call goes on without it: a thread cannot be stopped.

        :raises TypeError: when it is a coroutine function.
        """
        if not callable(function):
            raise TypeError(f"run() takes a function and its arguments, not {function!r}")
        await self._driver.take_turn()
        result: T = await self._surroundings.outside.run(partial(function, *args, **kwargs))
        return result

    @asynccontextmanager
    async def db(self, *, writing: bool = False) -> AsyncIterator[Session]:
        """A transaction in the exchange's database; it is undone when the block is left by an exception or a hang-up.

            async with call.db() as session:
                rows = await session.execute("SELECT name FROM customers WHERE number = :number", number="42")

        :param writing: whether it changes anything: with SQLite only one can do so at a time.
        """
        await self._driver.take_turn()
        begun: Deferred[Session] = Deferred.fromCoroutine(self._surroundings.outside.database(writing))
        try:
            session = await begun
        except BaseException:
            if not begun.called:  # the caller has left: it comes when nobody wants it any more
                begun.addCallback(lambda session: session.finish(False))
            raise
        try:
            yield session
        except BaseException:
            await session.finish(False)
            raise
        await session.finish(True)

    async def asyncio(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Wait for a coroutine of an asyncio library, such as an HTTP client; a hang-up cancels it.

        :param coroutine: it runs as a task of its own, so that `asyncio.timeout` works in it.
        :raises RuntimeError: when the exchange was not started by `twistd --reactor=asyncio pbx`.
        """
        if not isinstance(coroutine, Coroutine):
            raise TypeError(f"asyncio() takes a coroutine, such as fetch(url), not {coroutine!r}")
        try:
            await self._driver.take_turn()
        except BaseException:
            coroutine.close()
            raise
        task: Deferred[T] = self._surroundings.outside.task(coroutine)
        try:
            return await task
        finally:
            if not task.called:
                task.addErrback(lambda failure: None)
                task.cancel()

    def after_hangup(self, coroutine: Coroutine[Any, Any, object]) -> None:
        """Do something when this call is over, however it ends: `call.after_hangup(survey(call.caller.number))`.

        It may take a minute, and use `run`, `db` and `asyncio`. Several run one after the other.

        :raises RuntimeError: when a call has left 20 of them behind.
        """
        if not isinstance(coroutine, Coroutine):
            raise TypeError(f"after_hangup() takes a coroutine, such as survey(number), not {coroutine!r}")
        self._driver.leave(coroutine)
