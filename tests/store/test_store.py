"""pbx.store.store: written behind in batches, watched, and patient with a database that fails."""

from __future__ import annotations

import queue
import random
import sqlite3
import string
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from twisted.internet.defer import CancelledError, Deferred, fail, maybeDeferred, succeed
from twisted.internet.task import Clock
from twisted.logger import LogEvent, LogLevel, formatEvent, globalLogPublisher

from pbx.exchange.binding import Binding
from pbx.exchange.extension import Extension
from pbx.exchange.registrar import LONGEST
from pbx.store import accounts
from pbx.store.database import file_of, open_database
from pbx.store.store import BATCH, MOST, Store, StoreThread

NOW = 1_800_000_000.0


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


@pytest.fixture
def house(url: str) -> Iterator[House]:
    house = House(url)
    yield house
    house.store._database.dispose()
    house.database.dispose()


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """Give the warnings and notes that are logged."""
    found: list[str] = []

    def observe(event: LogEvent) -> None:
        if event.get("log_level") in (LogLevel.info, LogLevel.warn):
            found.append(formatEvent(event))

    globalLogPublisher.addObserver(observe)
    yield found
    globalLogPublisher.removeObserver(observe)


def result(deferred: Deferred[Any]) -> Any:
    found: list[Any] = []
    deferred.addCallback(found.append)
    return found[0]


def test_extensions_are_read_in_order_disabled_ones_too(house: House) -> None:
    house.sql("UPDATE extensions SET name = 'Bob', enabled = false, ha1_md5 = 'AB' WHERE number = '1002'")
    assert result(house.store.accounts()).extensions == [
        Extension("1001", "", "", ""),
        Extension("1002", "Bob", "ab", "", enabled=False),
    ]


def test_accounts_have_every_column_and_what_is_beside_extensions(house: House) -> None:
    house.sql(
        """UPDATE extensions SET class_of_service = ' international  transfer-out ', caller_id = '+14155550100',
        max_contacts = 3, max_calls = 4, tls_only = true, do_not_disturb = true, voicemail = false,
        forward_always = '1', forward_busy = '2', forward_no_answer = '3', forward_no_answer_after = 30,
        forward_unreachable = '4', call_waiting = false, pickup_group = 'sales' WHERE number = '1001'"""
    )
    house.sql("INSERT INTO aliases VALUES ('sales', '1001')")
    house.sql("INSERT INTO permissions VALUES ('1002', '1001')")
    accounts = result(house.store.accounts())
    assert accounts.extensions[0] == Extension(
        number="1001",
        name="",
        ha1_md5="",
        ha1_sha256="",
        class_of_service=frozenset({"international", "transfer-out"}),
        caller_id="+14155550100",
        max_contacts=3,
        max_calls=4,
        tls_only=True,
        do_not_disturb=True,
        voicemail=False,
        forward_always="1",
        forward_busy="2",
        forward_no_answer="3",
        forward_no_answer_after=30,
        forward_unreachable="4",
        call_waiting=False,
        pickup_group="sales",
    )
    assert (accounts.aliases, accounts.permissions) == ({"sales": "1001"}, {("1002", "1001")})


def test_kept_binding_comes_back_as_it_was(house: House) -> None:
    keep(house, binding())
    assert house.store.backlog == 1
    assert house.contacts == []
    house.clock.advance(0.5)
    assert house.store.backlog == 0
    assert result(house.store.bindings()) == [binding()]


def test_flows_of_one_phone_with_the_same_contact_come_back_side_by_side(house: House) -> None:
    phone = {"instance": "urn:uuid:1", "aor": "sip:1001@example.com"}
    flows = [binding(reg_id=1, path="<sip:edge;lr;ob>", **phone), binding(reg_id=2, registered_at=NOW + 1, **phone)]
    keep(house, *flows)
    house.clock.advance(0.5)
    assert result(house.store.bindings()) == flows


def test_only_the_last_change_of_an_extension_is_written(house: House) -> None:
    keep(house, binding(cseq=1))
    keep(house, binding(cseq=2))
    keep(house, binding(cseq=2), binding(contact="sip:gone@x"))
    keep(house, binding(cseq=2))
    assert house.store.backlog == 1
    house.clock.advance(0.5)
    assert result(house.store.bindings()) == [binding(cseq=2)]
    keep(house, binding(cseq=3, expires_at=NOW + 7200))
    house.clock.advance(0.5)
    assert result(house.store.bindings()) == [binding(cseq=3, expires_at=NOW + 7200)]


def test_forgotten_binding_is_gone(house: House) -> None:
    keep(house, binding())
    keep(house, binding("1002"), number="1002")
    house.clock.advance(0.5)
    keep(house)
    house.clock.advance(0.5)
    assert result(house.store.bindings()) == [binding("1002")]


def test_batch_is_one_transaction_half_a_second_after_its_oldest_change_at_most(house: House) -> None:
    house.held = []
    keep(house, binding(contact="sip:0@x"))
    for n in range(1, 5):
        house.clock.advance(0.125)
        keep(house, binding(contact=f"sip:{n}@x"))
    assert len(house.held) == 1


def test_changes_made_while_a_batch_is_written_go_into_the_next(house: House) -> None:
    house.held = []
    keep(house, binding(cseq=1))
    house.clock.advance(0.5)
    keep(house, binding(cseq=2))
    house.clock.advance(0.5)
    assert len(house.held) == 1
    assert house.store.backlog == 1
    house.held.pop()()
    house.clock.advance(0.5)
    house.held.pop()()
    assert house.store.backlog == 0
    house.held = None
    assert result(house.store.bindings()) == [binding(cseq=2)]


def test_expired_bindings_are_dropped_from_the_table_when_read(house: House) -> None:
    keep(house, binding(contact="sip:old@x", expires_at=NOW + 60), binding(contact="sip:new@x", expires_at=NOW + 61))
    house.clock.advance(60)
    assert [found.contact for found in result(house.store.bindings())] == ["sip:new@x"]
    assert house.contacts == ["sip:new@x"]


def test_bindings_without_an_extension_are_dropped_when_read(house: House) -> None:
    keep(house, binding())
    house.clock.advance(0.5)
    # As a restored table may leave it.
    if path := file_of(house.url):
        house.sql("DROP TRIGGER extensions_delete")
        with closing(sqlite3.connect(path, isolation_level=None)) as shell:
            shell.execute("DELETE FROM extensions")
    else:
        house.sql("ALTER TABLE bindings DROP CONSTRAINT fk_bindings_number_extensions")
        house.sql("DELETE FROM extensions")
    assert result(house.store.bindings()) == []
    assert house.contacts == []


def test_binding_of_an_extension_removed_meanwhile_is_not_written_and_harms_nobody(house: House) -> None:
    keep(house, binding())
    keep(house, binding("1002"), number="1002")
    house.sql("DELETE FROM extensions WHERE number = '1001'")
    house.clock.advance(0.5)
    assert house.store.backlog == 0
    assert result(house.store.bindings()) == [binding("1002")]


def test_own_writes_are_no_administrators_change(house: House) -> None:
    before = house.sql("SELECT * FROM revision")
    keep(house, binding())
    house.clock.advance(0.5)
    keep(house)
    house.clock.advance(0.5)
    assert house.sql("SELECT * FROM revision") == before


def test_bytes_that_are_not_utf8_are_stored_as_escapes(house: House) -> None:
    keep(house, binding(user_agent=b"T\xe9l\xe9phone".decode("utf-8", "surrogateescape")))
    house.clock.advance(0.5)
    assert result(house.store.bindings()) == [binding(user_agent=r"T\xe9l\xe9phone")]


def test_longest_binding_that_the_registrar_takes_fits_into_the_key_of_the_table(house: House) -> None:
    chance = random.Random(4)  # PostgreSQL compresses what repeats itself
    longest = binding(
        contact="sip:" + "".join(chance.choices(string.ascii_letters + string.digits, k=LONGEST - 4)),
        instance="".join(chance.choices(string.ascii_letters, k=200)),
    )
    keep(house, longest)
    house.clock.advance(0.5)
    assert house.store.backlog == 0
    assert result(house.store.bindings()) == [longest]


def test_row_that_cannot_be_stored_does_not_hold_up_the_others(house: House, lines: list[str]) -> None:
    keep(house, binding(contact="sip:huge@x", cseq=2**70), binding(contact="sip:fine@x"))
    house.clock.advance(0.5)
    assert house.store.backlog == 0
    assert house.contacts == ["sip:fine@x"]
    assert [line for line in lines if "sip:huge@x" in line and "restart will lose it" in line]


def test_failing_database_keeps_the_backlog_and_logs_one_line_each_way(house: House, lines: list[str]) -> None:
    house.fault = sa.exc.OperationalError("INSERT", {}, sqlite3.OperationalError("disk I/O error"))
    keep(house, binding(cseq=1))
    keep(house, binding("1002"), number="1002")
    for _ in range(40):
        house.clock.advance(0.25)
    assert lines == ["the database cannot be written (disk I/O error): 2 changes wait, and calls go on"]
    assert house.store.trouble == "disk I/O error"
    keep(house, binding(cseq=2))
    assert house.store.backlog == 2
    house.fault = None
    for _ in range(8):
        house.clock.advance(0.25)
    assert lines[1:] == ["the database can be written again"]
    assert house.store.backlog == 0
    assert result(house.store.bindings()) == [binding(cseq=2), binding("1002")]


def test_database_that_does_not_answer_is_said_so_and_what_waits_is_written_when_it_does(
    house: House, lines: list[str]
) -> None:
    house.held = []
    house.store.watch(lambda: None)
    keep(house, binding(cseq=1))
    for _ in range(40):
        house.clock.advance(0.25)
    assert lines == [
        "the database cannot be written (it does not answer): 1 changes wait, and calls go on",
        "the database cannot be read (it does not answer): 1 changes wait, and calls go on",
    ]
    keep(house, binding(cseq=2))
    assert (house.store.backlog, house.store.trouble) == (1, "it does not answer")
    while house.held:
        house.held.pop(0)()
        house.clock.advance(0.25)
    assert lines[2:] == ["the database can be written again", "the database can be read again"]
    assert (house.store.backlog, house.store.trouble) == (0, "")
    house.held = None
    assert result(house.store.bindings()) == [binding(cseq=2)]


def test_long_backlog_is_written_in_batches_and_whole_at_the_end(house: House) -> None:
    for n in range(2 * MOST + 1):
        house.store.keep(f"n{n}", ())
    house.held = []
    for left in (MOST + 1, 1, 0):
        house.clock.advance(BATCH)
        house.held.pop()()
        assert house.store.backlog == left
    house.held = None
    for n in range(2 * MOST + 1):
        house.store.keep(f"n{n}", ())
    keep(house, binding())
    house.close()
    assert (house.store.backlog, house.contacts) == (0, [binding().contact])


def test_registrations_cause_no_reload(house: House) -> None:
    reloads: list[None] = []
    house.store.watch(lambda: reloads.append(None))
    house.clock.advance(0.5)
    for n in range(20):
        keep(house, binding(cseq=n + 1))
        keep(house, binding("1002", f"sip:{n}@x"), number="1002")
        house.clock.advance(0.5)
    assert (len(reloads), house.store.backlog) == (1, 0)


def test_backlog_has_no_more_than_what_the_phones_of_each_extension_are_now(house: House) -> None:
    house.fault = sa.exc.OperationalError("INSERT", {}, sqlite3.OperationalError("gone"))
    for n in range(1000):
        keep(house, binding(contact=f"sip:{n}@x"))
        house.clock.advance(0.25)
    assert house.store.backlog == 1
    house.fault = None
    house.clock.advance(1)
    assert house.contacts == ["sip:999@x"]


def test_database_locked_by_another_process_is_tried_again(house: House, lines: list[str]) -> None:
    with house.locked():
        keep(house, binding())
        house.clock.advance(0.5)
        assert house.store.backlog == 1
    house.clock.advance(1)
    assert house.store.backlog == 0
    assert [" lock" in line for line in lines] == [True, False]


def test_watch_calls_once_and_then_for_each_change_of_any_table_within_a_second(house: House) -> None:
    reloads: list[None] = []
    house.store.watch(lambda: reloads.append(None))
    house.clock.advance(0.5)
    assert len(reloads) == 1
    for _ in range(8):
        house.clock.advance(0.5)
    assert len(reloads) == 1
    for n, statement in enumerate(
        (
            "UPDATE extensions SET name = 'Ann' WHERE number = '1001'",
            "INSERT INTO aliases VALUES ('sales', '1001')",
            "INSERT INTO permissions VALUES ('1001', '1002')",
            "DELETE FROM extensions WHERE number = '1001'",
        )
    ):
        house.sql(statement)
        house.clock.advance(0.5)
        assert len(reloads) == 2 + n


def test_change_made_by_the_command_is_seen(house: House) -> None:
    reloads: list[None] = []
    house.store.watch(lambda: reloads.append(None))
    house.clock.advance(0.5)
    with house.database.begin() as connection:
        accounts.add(connection, "1003", "pbx", "secret", {"name": "Carol"})
    house.clock.advance(0.5)
    assert len(reloads) == 2


def test_change_that_could_not_be_taken_in_is_reported_again(house: House, lines: list[str]) -> None:
    answers: list[Deferred[None]] = [fail(sa.exc.OperationalError("SELECT", {}, OSError("gone"))), succeed(None)]

    def changed() -> Deferred[None]:
        return answers.pop(0)

    house.store.watch(changed)
    for _ in range(6):
        house.clock.advance(0.5)
    assert answers == []
    assert [line.partition(" (")[0] for line in lines] == [
        "the database cannot be read",
        "the database can be read again",
    ]


def test_no_second_look_while_the_first_takes_its_time(house: House) -> None:
    house.held = []
    house.store.watch(lambda: None)
    for _ in range(10):
        house.clock.advance(0.5)
    assert len(house.held) == 1


def test_bug_in_what_is_called_is_logged_with_its_traceback_and_the_watch_goes_on(
    house: House, logged_errors: Callable[[], list[LogEvent]]
) -> None:
    house.store.watch(lambda: 1 / 0)
    for _ in range(10):
        house.clock.advance(0.5)
    (error,) = logged_errors()
    assert error["log_failure"].check(ZeroDivisionError)
    assert len(house.clock.getDelayedCalls()) == 1


def test_close_writes_what_waits_and_leaves_no_timer(house: House) -> None:
    house.store.watch(lambda: None)
    keep(house, binding())
    house.close()
    assert house.contacts == [binding().contact]


def test_close_waits_for_the_batch_under_way_and_then_writes_the_rest(house: House) -> None:
    house.held = []
    keep(house, binding(contact="sip:1@x"))
    house.clock.advance(0.5)
    keep(house, binding("1002", "sip:2@x"), number="1002")
    closed = Deferred.fromCoroutine(house.store.close())
    while house.held:
        assert not closed.called
        house.held.pop(0)()
    assert closed.called
    assert house.contacts == ["sip:1@x", "sip:2@x"]
    assert house.clock.getDelayedCalls() == []


def test_close_that_is_given_up_tries_nothing_more(house: House) -> None:
    house.held = []
    keep(house, binding())
    house.clock.advance(BATCH)
    keep(house, binding("1002"), number="1002")
    closed = Deferred.fromCoroutine(house.store.close())
    failures: list[Any] = []
    closed.addErrback(lambda failure: failures.append(failure.type))
    closed.cancel()
    assert failures == [CancelledError]
    assert len(house.held) == 1
    assert house.store.backlog == 2


def test_close_on_a_dead_database_says_what_is_lost(house: House, lines: list[str]) -> None:
    keep(house, binding())
    with house.locked():
        house.close()
    assert lines[-1] == "lost, since the database cannot be written: 1 changes"


def test_thread_does_the_work_elsewhere_and_answers_here() -> None:
    here: queue.Queue[Callable[[], object]] = queue.Queue()

    class Reactor:
        def callFromThread(self, call: Callable[..., object], *args: object, **kwargs: object) -> None:
            here.put(lambda: call(*args, **kwargs))

    thread = StoreThread(Reactor())  # type: ignore[arg-type]
    thread.start()
    try:
        answers: list[object] = []
        for _ in range(3):
            thread.run(threading.current_thread).addCallback(answers.append)
        failure = thread.run(lambda: 1 / 0)
        for _ in range(4):
            here.get(timeout=10)()
    finally:
        thread.stop()
    assert len(set(map(id, answers))) == 1
    (worker,) = {answer for answer in answers if isinstance(answer, threading.Thread)}
    assert worker is not threading.current_thread()
    assert worker.daemon
    assert not worker.is_alive()
    caught: list[Any] = []
    failure.addErrback(caught.append)
    assert caught[0].check(ZeroDivisionError)
