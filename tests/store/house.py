"""A store on a real database, in virtual time, and what is kept in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from twisted.internet.defer import Deferred, fail, maybeDeferred
from twisted.internet.task import Clock

from pbx.exchange.binding import Binding
from pbx.store.database import open_database
from pbx.store.store import Store

NOW = 1_800_000_000.0


class House:
    """A store on a real database, in virtual time, whose thread can be made to fail or to take its time."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.database = open_database(url)
        self.clock = Clock()
        self.clock.advance(NOW)
        self.fault: Exception | None = None
        self.held: list[Callable[[], None]] | None = None
        self.store = Store(open_database(url, patience=0.1), self.clock, self)
        self.sql("INSERT INTO extensions (number) VALUES ('1001'), ('1002')")

    def run(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Deferred[Any]:
        if self.fault is not None:
            return fail(self.fault)
        if self.held is None:
            return maybeDeferred(work, *args, **kwargs)
        later: Deferred[Any] = Deferred()
        self.held.append(lambda: maybeDeferred(work, *args, **kwargs).chainDeferred(later))
        return later

    def sql(self, statement: str) -> list[Any]:
        """What another program does, and what it gets."""
        with self.database.begin() as connection:
            done = connection.exec_driver_sql(statement)
            return list(done) if done.returns_rows else []

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let another program write and not come to an end."""
        with self.database.connect() as connection:
            if self.database.dialect.name == "postgresql":
                connection.exec_driver_sql("LOCK TABLE bindings IN EXCLUSIVE MODE")
            else:
                connection.begin()
            yield
            connection.rollback()

    @property
    def contacts(self) -> list[str]:
        return [contact for (contact,) in self.sql("SELECT contact FROM bindings ORDER BY contact")]

    def close(self) -> None:
        closed = Deferred.fromCoroutine(self.store.close())
        assert closed.called
        assert self.clock.getDelayedCalls() == []


def binding(number: str = "1001", contact: str = "sip:1001@127.0.0.1:5062", **changes: Any) -> Binding:
    fields: dict[str, Any] = {
        "number": number,
        "contact": contact,
        "q": 1.0,
        "call_id": "a84b4c76e66710",
        "cseq": 1,
        "expires_at": NOW + 3600,
        "transport": "UDP",
        "local_host": "127.0.0.1",
        "local_port": 5060,
        "remote_host": "127.0.0.1",
        "remote_port": 5062,
        "user_agent": "baresip v1.0.0",
        "registered_at": NOW,
    }
    return Binding(**{**fields, **changes})


def keep(house: House, *kept: Binding, number: str = "1001") -> None:
    house.store.keep(number, kept)


def result(deferred: Deferred[Any]) -> Any:
    found: list[Any] = []
    deferred.addCallback(found.append)
    return found[0]
