"""Texts in SQL: written behind, tried again, and all of them back after a restart, in their order."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from twisted.internet.task import Clock

from pbx.exchange.caller import Caller, Source
from pbx.exchange.text import KeptText, Text
from pbx.store.database import open_database
from pbx.store.store import BATCH, RETRY
from pbx.store.texts import TextTable, read_texts
from tests.store.worker import Here

ALICE = Caller("1001", "Älice", Source.INTERNAL)
SECRET = Caller("", "", Source.INTERNAL, is_private=True)
FIELDS = (("content-disposition", "Content-Disposition", "render"), ("subject", "Subject", "caf\udce9 \0"))
ONE = KeptText(1, "1002", Text(ALICE, FIELDS, "text/plain;charset=latin-1\udcff", b"\0caf\xe9"), 100.5, 700.5)
TWO = KeptText(2, "1002", Text(SECRET, (), "text/plain", b""), 101.5, 200.0)
TEN = KeptText(10, "1003", Text(ALICE, (), "text/plain", b"x" * 16384), 102.5, 700.5)


@pytest.fixture
def database(url: str):
    opened = open_database(url)
    yield opened
    opened.dispose()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def table(database: sa.Engine, clock: Clock, worker: Here | None = None) -> TextTable:
    return TextTable(database, clock, worker or Here())  # type: ignore[arg-type]


def test_texts_are_written_within_half_a_second_and_read_as_they_were(database, clock):
    kept = table(database, clock)
    for text in (TEN, TWO, ONE):
        kept.keep_text(text)
    assert read_texts(database, 0.0) == []
    clock.advance(BATCH)
    assert read_texts(database, 0.0) == [ONE, TWO, TEN]
    kept.forget_text(ONE)
    clock.advance(BATCH)
    assert read_texts(database, 0.0) == [TWO, TEN]
    assert not clock.getDelayedCalls()


def test_who_is_named_to_nobody_is_not_in_the_table(database, clock):
    kept = table(database, clock)
    shy = Caller("1001", "Alice", Source.INTERNAL, is_private=True)
    kept.keep_text(KeptText(1, "1002", Text(shy, (), "", b""), 0.0, 9.0))
    clock.advance(BATCH)
    assert [one.text.sender for one in read_texts(database, 0.0)] == [SECRET]


def test_what_arrives_at_once_is_never_in_the_table_for_good(database, clock):
    kept = table(database, clock)
    kept.keep_text(ONE)
    kept.forget_text(ONE)
    clock.advance(BATCH)
    assert read_texts(database, 0.0) == []


def test_what_is_too_old_is_thrown_away_at_the_start(database, clock):
    kept = table(database, clock)
    for text in (ONE, TWO):
        kept.keep_text(text)
    clock.advance(BATCH)
    assert read_texts(database, 200.0) == [ONE]
    assert read_texts(database, 0.0) == [ONE]


def test_database_that_fails_gets_them_later(database, clock):
    worker = Here()
    kept = table(database, clock, worker)
    worker.fails = 2
    kept.keep_text(ONE)
    clock.advance(BATCH)
    kept.keep_text(TWO)
    clock.advance(RETRY)
    assert read_texts(database, 0.0) == []
    clock.advance(RETRY)
    assert read_texts(database, 0.0) == [ONE, TWO]
