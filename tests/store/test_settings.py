"""What users set by phone reaches the table, and outlives a database that cannot be written for a while."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from twisted.internet.defer import ensureDeferred
from twisted.internet.task import Clock

from pbx.store.database import open_database
from pbx.store.schema import extensions
from pbx.store.settings import SettingsTable
from pbx.store.store import BATCH, RETRY, read_accounts
from tests.store.worker import Here


@pytest.fixture
def database(url: str):
    opened = open_database(url)
    with opened.begin() as connection:
        connection.execute(extensions.insert(), [{"number": "1001"}, {"number": "1002"}])
    yield opened
    opened.dispose()


def stored(database: sa.Engine) -> list[tuple[str, bool]]:
    return [(one.forward_always, one.do_not_disturb) for one in read_accounts(database).extensions]


def test_settings_are_written_within_half_a_second_the_last_of_each_column(database):
    clock, kept = Clock(), []
    table = SettingsTable(database, clock, Here())
    table.kept = lambda *change: kept.append(change)
    table.keep_setting("1001", "forward_always", "1003")
    table.keep_setting("1001", "forward_always", "1002")
    table.keep_setting("1002", "do_not_disturb", True)
    assert stored(database) == [("", False), ("", False)]
    clock.advance(BATCH)
    assert stored(database) == [("1002", False), ("", True)]
    assert kept == [("1001", "forward_always", "1002"), ("1002", "do_not_disturb", True)]
    assert not clock.getDelayedCalls()


def test_what_cannot_be_written_is_written_later_or_at_the_end(database):
    clock, worker = Clock(), Here()
    table = SettingsTable(database, clock, worker)
    worker.fails = 2
    table.keep_setting("1001", "forward_always", "1003")
    clock.advance(BATCH)
    table.keep_setting("1001", "forward_always", "1002")
    clock.advance(RETRY)
    assert stored(database)[0] == ("", False)
    ensureDeferred(table.close())
    assert stored(database)[0] == ("1002", False)
    assert not clock.getDelayedCalls()


def test_the_setting_of_an_extension_that_is_gone_harms_nobody(database):
    clock = Clock()
    table = SettingsTable(database, clock, Here())
    table.keep_setting("1009", "do_not_disturb", True)
    table.keep_setting("1002", "do_not_disturb", True)
    clock.advance(BATCH)
    assert stored(database) == [("", False), ("", True)]
