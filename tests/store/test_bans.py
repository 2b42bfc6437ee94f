from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from pbx.exchange.ban import MEMORY, Ban
from pbx.store import migration
from pbx.store.bans import BanTable, read_bans
from pbx.store.database import open_database
from pbx.store.schema import bans
from pbx.store.store import BATCH, RETRY
from tests.store.worker import Here

ONE = Ban("192.0.2.1", "flood", 100.0, 160.0, 0)
OTHER = Ban("2001:db8::/64", "wrong password", 100.0, 400.0, 2)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sa.Engine]:
    url = f"sqlite:///{tmp_path}/pbx.db"
    migration.upgrade(url)
    opened = open_database(url)
    yield opened
    opened.dispose()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def table(database: sa.Engine, clock: Clock, worker: Here | None = None) -> BanTable:
    return BanTable(database, clock, worker or Here())  # type: ignore[arg-type]


def test_bans_are_written_within_half_a_second_and_removed_again(database, clock):
    kept = table(database, clock)
    kept.keep_ban(ONE)
    kept.keep_ban(OTHER)
    assert read_bans(database, 0.0) == []
    clock.advance(BATCH)
    assert read_bans(database, 0.0) == [ONE, OTHER]
    kept.forget_ban(ONE.address)
    clock.advance(BATCH)
    assert read_bans(database, 0.0) == [OTHER]
    assert not clock.getDelayedCalls()


def test_only_the_last_change_of_an_address_counts(database, clock):
    kept = table(database, clock)
    kept.keep_ban(ONE)
    kept.forget_ban(ONE.address)
    kept.keep_ban(Ban(ONE.address, "scan", 1.0, 2.0, 3))
    clock.advance(BATCH)
    assert [ban.reason for ban in read_bans(database, 0.0)] == ["scan"]


def test_database_that_fails_gets_them_later(database, clock):
    worker = Here()
    kept = table(database, clock, worker)
    worker.fails = 2
    kept.keep_ban(ONE)
    clock.advance(BATCH)
    kept.keep_ban(OTHER)
    clock.advance(RETRY)
    assert read_bans(database, 0.0) == []
    clock.advance(RETRY)
    assert read_bans(database, 0.0) == [ONE, OTHER]


def test_what_waits_is_written_at_the_end(database, clock):
    kept = table(database, clock)
    kept.keep_ban(ONE)
    Deferred.fromCoroutine(kept.close())
    assert read_bans(database, 0.0) == [ONE]
    assert not clock.getDelayedCalls()


def test_what_is_over_is_read_for_as_long_as_it_counts(database, clock):
    kept = table(database, clock)
    kept.keep_ban(ONE)
    kept.keep_ban(OTHER)
    clock.advance(BATCH)
    assert read_bans(database, 160.0) == [OTHER]
    assert read_bans(database, 400.0 + MEMORY) == []
    with database.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(bans)) == 0
