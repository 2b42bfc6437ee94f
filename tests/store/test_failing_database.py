"""A database that fails, is locked or does not answer: it is said once, and what waits is written when it can be."""

from __future__ import annotations

import sqlite3

import sqlalchemy as sa

from tests.store.house import House, binding, keep, result


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


def test_close_on_a_dead_database_says_what_is_lost(house: House, lines: list[str]) -> None:
    keep(house, binding())
    with house.locked():
        house.close()
    assert lines[-1] == "lost, since the database cannot be written: 1 changes"
