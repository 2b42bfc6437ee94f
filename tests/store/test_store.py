"""pbx.store.store: written behind in batches, by a thread of its own, and read as it was."""

from __future__ import annotations

import queue
import random
import sqlite3
import string
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

from twisted.internet.defer import CancelledError, Deferred

from pbx.exchange.extension import Extension
from pbx.exchange.registrar import LONGEST
from pbx.store.database import file_of
from pbx.store.store import BATCH, MOST, StoreThread
from tests.store.house import NOW, House, binding, keep, result


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
