"""The watch: what others write into the database is seen within a second, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa
from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import LogEvent

from pbx.store import accounts
from tests.store.house import House, binding, keep


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


def test_own_writes_are_no_administrators_change(house: House) -> None:
    before = house.sql("SELECT * FROM revision")
    keep(house, binding())
    house.clock.advance(0.5)
    keep(house)
    house.clock.advance(0.5)
    assert house.sql("SELECT * FROM revision") == before


def test_registrations_cause_no_reload(house: House) -> None:
    reloads: list[None] = []
    house.store.watch(lambda: reloads.append(None))
    house.clock.advance(0.5)
    for n in range(20):
        keep(house, binding(cseq=n + 1))
        keep(house, binding("1002", f"sip:{n}@x"), number="1002")
        house.clock.advance(0.5)
    assert (len(reloads), house.store.backlog) == (1, 0)


def test_no_second_look_while_the_first_takes_its_time(house: House) -> None:
    house.held = []
    house.store.watch(lambda: None)
    for _ in range(10):
        house.clock.advance(0.5)
    assert len(house.held) == 1


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


def test_bug_in_what_is_called_is_logged_with_its_traceback_and_the_watch_goes_on(
    house: House, logged_errors: Callable[[], list[LogEvent]]
) -> None:
    house.store.watch(lambda: 1 / 0)
    for _ in range(10):
        house.clock.advance(0.5)
    (error,) = logged_errors()
    assert error["log_failure"].check(ZeroDivisionError)
    assert len(house.clock.getDelayedCalls()) == 1
