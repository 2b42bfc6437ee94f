"""What is outside of a simulated exchange: functions are called at once, and the database is in memory."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import StaticPool
from twisted.internet.defer import Deferred, execute

from pbx.dialplan.surroundings import Nowhere
from pbx.store.schema import metadata


class SimOutside:
    """The outside (`pbx.dialplan.surroundings.Outside`), and a database for the test to fill and to look at.

    :param asyncio: what is done with a coroutine of asyncio; None for nothing.
    """

    def __init__(self, asyncio: Callable[[Coroutine[Any, Any, Any]], Any] | None = None) -> None:
        self._asyncio = asyncio
        self._engine: sa.Engine | None = None

    def sql(self, statement: str, **values: object) -> Sequence[Any]:
        """Do one statement in a transaction of its own: `sim.database.sql("SELECT ...")`."""
        with self._made().begin() as connection:
            return _rows(connection, statement, values)

    def run(self, work: Callable[[], Any]) -> Deferred[Any]:
        """Call a function."""
        return execute(work)

    async def database(self, writing: bool) -> SimSession:
        """Begin a transaction."""
        return SimSession(self._made().connect())

    def task(self, coroutine: Coroutine[Any, Any, Any]) -> Deferred[Any]:
        """Run a coroutine of asyncio as the test says."""
        if self._asyncio is None:
            return Nowhere().task(coroutine)
        return execute(self._asyncio, coroutine)

    def _made(self) -> sa.Engine:
        if self._engine is None:
            self._engine = sa.create_engine("sqlite://", poolclass=StaticPool)
            metadata.create_all(self._engine)
        return self._engine


class SimSession:
    """One transaction (`pbx.dialplan.surroundings.Session`)."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def execute(self, statement: Any, **values: object) -> Deferred[Sequence[Any]]:
        """Do one statement."""
        return execute(_rows, self._connection, statement, values)

    def finish(self, commit: bool) -> Deferred[None]:
        """Commit, or undo all."""
        return execute(self._finish, commit)

    def _finish(self, commit: bool) -> None:
        if commit:
            self._connection.commit()
        else:
            self._connection.rollback()
        self._connection.close()


def _rows(connection: sa.Connection, statement: Any, values: dict[str, object]) -> Sequence[Any]:
    result = connection.execute(sa.text(statement) if isinstance(statement, str) else statement, values)
    return result.all() if result.returns_rows else []
