"""pbx.store.records: what is written behind, what waits, what is dropped, and what is found again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, astuple, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent, globalLogPublisher
from zope.interface import implementer

from pbx.exchange.record import AttemptRecord, CallRecord, Sound
from pbx.faults import Fault
from pbx.store import migration
from pbx.store.database import open_database, reading
from pbx.store.records import PAUSE, RecordTable, Wanted, read_record, read_records
from pbx.store.schema import attempts, calls
from pbx.store.store import RETRY
from tests.store.worker import Here

BEGAN = datetime(2026, 3, 10, 9, 12, 44, 120000, UTC)
NOW = BEGAN.timestamp()
ONE = CallRecord(
    *("7f3a", "internal", "1001", "Alice", "10.0.0.1", "1002", NOW),
    reached="1002",
    rang_at=NOW + 0.5,
    answered_at=NOW + 4,
    ended_at=NOW + 64,
    codec="PCMA",
    code=200,
    cause="callee-hung-up",
    sentence="1001 and 1002 talked for 1 min; 1002 hung up",
    ended_by="callee",
    from_caller=Sound(3000, 30, 0.002, 4.31, "10.0.0.1:4000", "10.0.0.1:4000", NOW + 4.25),
    attempts=[
        AttemptRecord("7f3a", 1, "1002", "1002", "", "10.0.0.2:5060", NOW, NOW + 0.5, NOW + 4, NOW + 64, 200, "OK")
    ],
)
OTHER = CallRecord(
    *("8b01", "inbound", "+33142255501", "", "10.9.1.1", "1003", NOW + 100, "acme"),
    ended_at=NOW + 120,
    code=480,
    cause="no-answer",
    sentence="1003 did not answer for 20 s",
    ended_by="plan",
)
TRANSFERRED = replace(
    OTHER,
    id="9c02",
    transferred="1004",
    callee_held=12.5,
    attempts=[AttemptRecord("9c02", 1, "1003", "1003", "", "", NOW, None, None, NOW, 480, "not registered")],
)


@dataclass
class Over:
    """A call that is over, and whose record tells no more than this."""

    told: CallRecord

    @property
    def id(self) -> str:
        return self.told.id

    def record(self) -> CallRecord:
        return self.told


class Broken(Over):
    """A call whose record cannot be made."""

    def record(self) -> CallRecord:
        raise KeyError(self.id)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def warnings() -> Iterator[list[str]]:
    told: list[str] = []

    @implementer(ILogObserver)
    def observe(event: LogEvent) -> None:
        if event.get("log_level") is LogLevel.warn:
            told.append(formatEvent(event))

    globalLogPublisher.addObserver(observe)
    yield told
    globalLogPublisher.removeObserver(observe)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sa.Engine]:
    url = f"sqlite:///{tmp_path}/pbx.db"
    migration.upgrade(url)
    opened = open_database(url)
    yield opened
    opened.dispose()


def table(database: sa.Engine, clock: Clock, worker: Here | None = None, most: int = 10_000) -> RecordTable:
    return RecordTable(database, clock, worker or Here(), most)  # type: ignore[arg-type]


def found(database: sa.Engine, **wanted: Any) -> list[str]:
    with reading(database) as connection:
        return [row["id"] for row in read_records(connection, Wanted(**wanted))]


def test_record_is_written_within_half_a_second_with_its_attempts(database, clock):
    kept = table(database, clock)
    kept.keep(Over(ONE))
    assert kept.backlog == 1 and kept.waiting == [Over(ONE)] and not found(database)
    clock.advance(0.5)
    assert kept.backlog == 0
    with reading(database) as connection:
        row, tried = read_record(connection, "7f")
    assert (row["caller"], row["reached"], row["sentence"]) == ("1001", "1002", ONE.sentence)
    assert row["began_at"].replace(tzinfo=UTC) == BEGAN
    assert (row["post_dial_delay"], row["caller_mos"], row["callee_mos"]) == (0.5, 4.31, None)
    assert row["caller_latched_at"] - row["began_at"] == timedelta(seconds=4.25) and row["callee_latched_at"] is None
    assert [(one["place"], one["address"], one["code"]) for one in tried] == [(1, "10.0.0.2:5060", 200)]
    assert not clock.getDelayedCalls()


def test_records_wait_while_the_database_fails(database, clock, warnings):
    worker = Here()
    kept = table(database, clock, worker)
    worker.fails = 3
    kept.keep(Over(ONE))
    clock.advance(PAUSE)
    kept.keep(Over(OTHER))
    clock.advance(RETRY)
    clock.advance(RETRY)
    assert kept.backlog == 2 and len(warnings) == 1
    clock.advance(RETRY)
    assert kept.backlog == 0 and found(database) == ["7f3a", "8b01"]
    assert kept.dropped == 0


def test_beyond_the_bound_the_oldest_is_dropped_and_counted(database, clock, warnings):
    worker = Here()
    worker.fails = 1
    kept = table(database, clock, worker, most=3)
    for number in range(5):
        kept.keep(Over(replace(OTHER, id=f"call{number}", began_at=NOW + number)))
    clock.advance(PAUSE)
    assert (kept.backlog, kept.dropped) == (3, 2)
    clock.advance(RETRY)
    assert found(database) == ["call2", "call3", "call4"]


def test_what_waits_while_a_batch_is_written_is_bounded_too(database, clock):
    class Slow(Here):
        def run(self, work, *args, **kwargs):
            self.done: Deferred[object] = Deferred()
            return self.done

    worker = Slow()
    kept = table(database, clock, worker, most=2)
    kept.keep(Over(ONE))
    clock.advance(PAUSE)
    for number in range(3):
        kept.keep(Over(replace(OTHER, id=f"call{number}")))
    worker.done.errback(sa.exc.OperationalError("", {}, Exception("gone")))
    assert [call.id for call in kept.waiting] == ["call1", "call2"]
    assert kept.dropped == 2


def test_record_that_the_database_refuses_costs_no_other(database, clock, warnings):
    kept = table(database, clock)
    kept.keep(Over(ONE))
    clock.advance(PAUSE)
    kept.keep(Over(ONE))  # its id is there already
    kept.keep(Over(OTHER))
    clock.advance(PAUSE)
    assert found(database) == ["7f3a", "8b01"]
    assert kept.dropped == 1 and len(warnings) == 1


def test_record_that_cannot_be_made_is_a_bug_and_costs_no_other(database, clock, logged_errors):
    kept = table(database, clock)
    kept.keep(Over(ONE))
    kept.keep(Broken(replace(OTHER, id="9d03")))
    kept.keep(Over(OTHER))
    clock.advance(PAUSE)
    assert found(database) == ["7f3a", "8b01"]
    assert (kept.dropped, kept.backlog) == (1, 0)
    (error,) = logged_errors()
    assert error["id"] == "9d03"


def test_what_waits_is_written_at_the_end(database, clock):
    kept = table(database, clock)
    kept.keep(Over(ONE))
    Deferred.fromCoroutine(kept.close())
    assert found(database) == ["7f3a"]
    assert not clock.getDelayedCalls()


def test_bytes_of_a_phone_that_are_no_text_are_stored_as_escapes(database, clock):
    kept = table(database, clock)
    kept.keep(Over(replace(ONE, caller_name="\udcff\0")))
    clock.advance(PAUSE)
    with reading(database) as connection:
        assert read_record(connection, "7f3a")[0]["caller_name"] == "\\xff\\x00"


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        ({}, ["7f3a", "8b01"]),
        ({"number": "1002"}, ["7f3a"]),
        ({"number": "1003"}, ["8b01"]),
        ({"number": "1004"}, []),
        ({"caller": "+33142255501"}, ["8b01"]),
        ({"caller": "1002"}, []),
        ({"called": "1002"}, ["7f3a"]),
        ({"since": (BEGAN + timedelta(seconds=1)).replace(tzinfo=None)}, ["8b01"]),
        ({"until": (BEGAN + timedelta(seconds=1)).replace(tzinfo=None)}, ["7f3a"]),
        ({"trunk": "acme"}, ["8b01"]),
        ({"cause": "no-answer"}, ["8b01"]),
        ({"answered": True}, ["7f3a"]),
        ({"answered": False}, ["8b01"]),
        ({"limit": 1}, ["8b01"]),
    ],
    ids=str,
)
def test_records_are_found_by_what_is_asked(database, clock, wanted, ids):
    kept = table(database, clock)
    kept.keep(Over(OTHER))
    kept.keep(Over(ONE))
    clock.advance(PAUSE)
    assert found(database, **wanted) == ids


@pytest.mark.parametrize("beginning", ["", "9", "%", "_f3a"])
def test_call_that_is_not_there_is_said_so(database, clock, beginning):
    kept = table(database, clock)
    kept.keep(Over(ONE))
    clock.advance(PAUSE)
    with reading(database) as connection, pytest.raises(Fault, match="there is no record"):
        read_record(connection, beginning)


def test_records_are_found_by_who_was_transferred(database, clock):
    kept = table(database, clock)
    kept.keep(Over(ONE))
    kept.keep(Over(TRANSFERRED))
    clock.advance(PAUSE)
    assert found(database, number="1004") == ["9c02"]


def test_beginning_of_two_calls_is_said_so(database, clock):
    kept = table(database, clock)
    kept.keep(Over(ONE))
    kept.keep(Over(replace(OTHER, id="7f00")))
    clock.advance(PAUSE)
    with reading(database) as connection, pytest.raises(Fault, match="several"):
        read_record(connection, "7f")


def test_each_field_is_in_the_column_of_its_name(url, clock):
    names = [name for name, kind in CallRecord.__annotations__.items() if kind == "str"]
    tried = AttemptRecord("id", 1, "target", "number", "trunk", "address", NOW, NOW + 1, NOW + 2, NOW + 3, 486, "text")
    record = CallRecord(
        **{name: name for name in names},  # type: ignore[arg-type]
        **{name: NOW + place for place, name in enumerate(("began_at", "rang_at", "answered_at", "ended_at"))},
        code=487,
        caller_held=0.25,
        callee_held=0.5,
        from_caller=Sound(11, 12, 0.125, 3.5, "caller_signalled", "caller_media", NOW + 4),
        from_callee=Sound(21, 22, 0.375, 4.5, "callee_signalled", "callee_media", NOW + 5),
        attempts=[tried],
    )
    expected = {name: value for name, value in asdict(record).items() if name not in _PARTS}
    expected["post_dial_delay"] = 1.0
    for party, sound in (("caller", record.from_caller), ("callee", record.from_callee)):
        facts = zip(
            ("packets", "lost", "jitter", "mos", "signalled", "media", "latched_at"), astuple(sound), strict=True
        )
        expected |= {f"{party}_{name}": value for name, value in facts}
    opened = open_database(url)
    kept = table(opened, clock)
    kept.keep(Over(record))
    clock.advance(PAUSE)
    with reading(opened) as connection:
        row, rows = read_record(connection, "id")
    opened.dispose()
    assert _shown(row) == expected
    assert [_shown(row) for row in rows] == [asdict(tried) | {"post_dial_delay": 1.0}]


_PARTS = ("attempts", "from_caller", "from_callee")


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """A row with its moments as seconds since 1970."""
    moments = {name: value.replace(tzinfo=UTC).timestamp() for name, value in row.items() if name.endswith("_at")}
    return row | moments


def test_both_databases_keep_the_same(tmp_path, cluster, clock):
    rows = []
    for url in (f"sqlite:///{tmp_path}/pbx.db", cluster.database()):
        migration.upgrade(url)
        opened = open_database(url)
        kept = table(opened, clock)
        kept.keep(Over(ONE))
        kept.keep(Over(TRANSFERRED))
        clock.advance(PAUSE)
        with reading(opened) as connection:
            rows.append([read_record(connection, id) for id in ("7f3a", "9c02")])
        with opened.begin() as connection:
            connection.execute(calls.delete())
            assert not connection.scalar(sa.select(sa.func.count()).select_from(attempts))
        opened.dispose()
    assert rows[0] == rows[1]
    call, (attempt,) = rows[0][1]
    assert (call["transferred"], call["caller_held"], call["callee_held"]) == ("1004", 0, 12.5)
    assert (attempt["address"], attempt["code"], attempt["text"]) == ("", 480, "not registered")
    assert attempt["began_at"] == attempt["ended_at"] and attempt["post_dial_delay"] is None
