"""pbx.store.retention: what is too old goes, a few at a time; what is younger stays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from pbx.store.database import open_database, reading
from pbx.store.records import write_records
from pbx.store.retention import BATCH, FIRST, LOOK, PAUSE, Retention
from pbx.store.schema import attempts, calls
from tests.store.test_records import NOW, ONE
from tests.store.worker import Here

DAY = 86400.0


@pytest.fixture
def clock() -> Clock:
    made = Clock()
    made.rightNow = NOW
    return made


@pytest.fixture
def database(url: str) -> Iterator[sa.Engine]:
    opened = open_database(url)
    yield opened
    opened.dispose()


def keep(database: sa.Engine, count: int, days: float) -> None:
    """Keep so many records of calls so many days ago, each with an attempt."""
    began = NOW - days * DAY
    records = [
        replace(
            ONE,
            id=f"{days}-{number}",
            began_at=began + number / 1000,
            attempts=[replace(attempt, call=f"{days}-{number}") for attempt in ONE.attempts],
        )
        for number in range(count)
    ]
    assert write_records(database, records) == []


def left(database: sa.Engine) -> tuple[int, int]:
    """How many calls and how many attempts there are."""
    with reading(database) as connection:
        found = [connection.scalar(sa.select(sa.func.count()).select_from(table)) for table in (calls, attempts)]
    return found[0] or 0, found[1] or 0


def retention(database: sa.Engine, clock: Clock, worker: Any = None, days: int = 30, wall: Any = None) -> Retention:
    made = Retention(database, clock, wall or clock.seconds, worker or Here(), days)  # type: ignore[arg-type]
    made.start()
    return made


def test_what_is_too_old_goes_with_its_attempts_a_batch_at_a_time(database, clock) -> None:
    keep(database, BATCH + 3, 31)
    keep(database, 2, 29)
    retention(database, clock)
    assert left(database) == (BATCH + 5, BATCH + 5)
    clock.advance(FIRST)
    assert left(database) == (5, 5)
    clock.advance(PAUSE)
    assert left(database) == (2, 2)
    clock.advance(PAUSE)
    (timer,) = clock.getDelayedCalls()
    assert timer.getTime() - clock.seconds() == LOOK - PAUSE


def test_what_grows_old_meanwhile_goes_later(database, clock) -> None:
    keep(database, 1, 29.97)
    retention(database, clock)
    clock.advance(FIRST)
    assert left(database) == (1, 1)
    clock.advance(LOOK)
    assert left(database) == (0, 0)


def test_zero_days_keep_all(database, clock) -> None:
    keep(database, 1, 10_000)
    retention(database, clock, days=0)
    assert not clock.getDelayedCalls()
    assert left(database) == (1, 1)


def test_database_that_fails_keeps_them_until_the_next_look(database, clock) -> None:
    worker = Here()
    worker.fails = 2
    keep(database, 1, 31)
    retention(database, clock, worker)
    clock.advance(FIRST)
    clock.advance(LOOK)
    assert left(database) == (1, 1)
    clock.advance(LOOK)
    assert left(database) == (0, 0)


def test_after_a_restart_it_goes_on_where_it_was(database, clock) -> None:
    keep(database, BATCH + 1, 31)
    first = retention(database, clock)
    clock.advance(FIRST)
    first.stop()
    assert not clock.getDelayedCalls()
    assert left(database) == (1, 1)
    retention(database, clock)
    clock.advance(FIRST)
    assert left(database) == (0, 0)


def test_stop_while_a_batch_goes_on_is_the_end(database, clock) -> None:
    class Slow(Here):
        def run(self, work: Any, *args: Any, **kwargs: Any) -> Deferred[Any]:
            self.done: Deferred[Any] = Deferred()
            return self.done

    worker = Slow()
    made = retention(database, clock, worker)
    clock.advance(FIRST)
    made.stop()
    worker.done.callback(BATCH)
    assert not clock.getDelayedCalls()


def test_a_clock_that_was_wrong_at_the_start_deletes_nothing_once_it_is_set(database: sa.Engine, clock: Clock) -> None:
    clock.rightNow = NOW + 5000 * DAY
    made = retention(database, clock, wall=lambda: NOW)
    keep(database, 1, days=29)
    clock.advance(FIRST)
    assert left(database)[0] == 1
    made.stop()
