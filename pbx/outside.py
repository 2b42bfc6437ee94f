"""Where a dialplan's blocking work is done: threads of its own, the database, and asyncio's loop where there is one.

A few threads serve all calls. Work beyond that waits its turn, and beyond a limit it is refused, so that a database
that hangs costs the calls that ask it, and no other.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from threading import Thread
from typing import Any

import sqlalchemy as sa
from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.defer import Deferred, DeferredLock, DeferredSemaphore, fail
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from pbx.dialplan.surroundings import HOW_TO_HAVE_ASYNCIO

THREADS = 8
SESSIONS = 10  # transactions at a time; a connection each
MOST_WAITING = 200  # pieces of work that may wait for a thread


class Outside:
    """The outside of one exchange (`pbx.dialplan.surroundings.Outside`).

    :param reactor: Twisted's.
    :param open_database: connects, when the first call wants to.
    """

    def __init__(self, reactor: Any, open_database: Callable[[], sa.Engine]) -> None:
        self._reactor = reactor
        self._open = open_database
        self._database: sa.Engine | None = None
        self._pool = ThreadPool(0, THREADS, "dialplan")
        # What hangs for ever must not keep the process.
        self._pool.threadFactory = partial(Thread, daemon=True)  # type: ignore[assignment]
        self._waiting = 0
        self.sessions = DeferredSemaphore(SESSIONS)

    def start(self) -> None:
        """Begin: after the last fork of the process."""
        self._pool.start()

    def stop(self) -> None:
        """Let go of everything; what is under way is not waited for, and its thread dies with the process."""
        if not self._waiting:
            self._pool.stop()
        if self._database is not None:
            self._database.dispose()

    def run(self, work: Callable[[], Any]) -> Deferred[Any]:
        """Call a function in a thread; fires with its result."""
        if self._waiting >= MOST_WAITING:
            return fail(RuntimeError(f"call.run() and call.db(): {MOST_WAITING} pieces of work wait already"))
        self._waiting += 1
        return deferToThreadPool(self._reactor, self._pool, work).addBoth(self._done)

    async def database(self, writing: bool) -> SQLSession:
        """Begin a transaction."""
        await self.sessions.acquire()
        try:
            return SQLSession(self, await self.run(partial(self._connected, writing)))
        except BaseException:
            self.sessions.release()
            raise

    def task(self, coroutine: Coroutine[Any, Any, Any]) -> Deferred[Any]:
        """Run a coroutine of asyncio."""
        if not isinstance(self._reactor, AsyncioSelectorReactor):
            coroutine.close()
            return fail(RuntimeError(f"call.asyncio() needs asyncio's loop: {HOW_TO_HAVE_ASYNCIO}"))
        loop = self._reactor._asyncioEventloop
        return Deferred.fromFuture(loop.create_task(coroutine))

    def _connected(self, writing: bool) -> sa.Connection:
        if self._database is None:
            self._database = self._open()
        # SQLite lets one write at a time: who only reads holds up nobody (pbx.store.database).
        return self._database.connect().execution_options(reading=not writing)

    def _done(self, result: Any) -> Any:
        self._waiting -= 1
        return result


class SQLSession:
    """One transaction (`pbx.dialplan.surroundings.Session`); one statement at a time, whoever has left meanwhile.

    :param outside: where it is done.
    :param connection: its own.
    """

    def __init__(self, outside: Outside, connection: sa.Connection) -> None:
        self._outside = outside
        self._connection = connection
        self._turn = DeferredLock()

    def execute(self, statement: Any, **values: object) -> Deferred[Sequence[Any]]:
        """Do one statement; fires with its rows.

        :param statement: SQL, with values as `:name`, or a statement of SQLAlchemy.
        """
        return self._turn.run(self._outside.run, partial(self._execute, statement, values))

    def finish(self, commit: bool) -> Deferred[None]:
        """Commit, or undo all; then it is over."""
        return self._turn.run(self._outside.run, partial(self._finish, commit)).addBoth(self._release)

    def _execute(self, statement: Any, values: dict[str, object]) -> Sequence[Any]:
        prepared = sa.text(statement) if isinstance(statement, str) else statement
        result = self._connection.execute(prepared, values)
        return result.all() if result.returns_rows else []

    def _release(self, result: Any) -> Any:
        self._outside.sessions.release()
        return result

    def _finish(self, commit: bool) -> None:
        try:
            if commit:
                self._connection.commit()
        finally:
            self._connection.close()
