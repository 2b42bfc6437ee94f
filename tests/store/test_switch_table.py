"""What phones turn over reaches the table, and outlives a database that cannot be written for a while."""

from __future__ import annotations

import pytest
from twisted.internet.defer import ensureDeferred
from twisted.internet.task import Clock

from pbx.dialplan.switches import Switches
from pbx.exchange.switch import Switch
from pbx.store import switches
from pbx.store.database import open_database
from pbx.store.store import BATCH, RETRY
from pbx.store.switch_table import SwitchTable
from tests.store.worker import Here


class House:
    """The switches of a server, their table, and administrators."""

    def __init__(self, url: str) -> None:
        self.database = open_database(url)
        with self.database.begin() as connection:
            for name in ("lunch", "night"):
                switches.add(connection, Switch(name))
        self.clock, self.worker = Clock(), Here()
        self.switches = Switches(switches.read_switches(self.database))
        self.table = SwitchTable(self.database, self.clock, self.worker, self.switches.kept)
        self.switches.keep = self.table.keep_switch

    @property
    def stored(self) -> list[str]:
        """The names of those that are on in the table."""
        return [switch.name for switch in switches.read_switches(self.database) if switch.is_on]

    def looks(self) -> None:
        """The server has seen that the table changed."""
        self.switches.replace(switches.read_switches(self.database))


@pytest.fixture
def house(url: str):
    house = House(url)
    yield house
    house.database.dispose()


def test_switch_is_written_within_half_a_second_as_it_was_last(house):
    for is_on in (True, False, True):
        house.switches.turn("night", is_on)
    assert house.stored == []
    house.clock.advance(BATCH)
    assert house.stored == ["night"]
    assert not house.clock.getDelayedCalls()


def test_what_cannot_be_written_is_in_force_and_written_later(house):
    house.worker.fails = 2
    house.switches.turn("night", True)
    house.clock.advance(BATCH)
    house.switches.turn("lunch", True)
    house.looks()
    assert house.switches.is_on("night") and house.stored == []
    house.clock.advance(RETRY)
    house.clock.advance(RETRY)
    assert house.stored == ["lunch", "night"]
    # Then the administrators' word counts again.
    with house.database.begin() as connection:
        switches.turn(connection, "night", False)
    house.looks()
    assert not house.switches.is_on("night")


def test_what_waits_is_written_at_the_end(house):
    house.worker.fails = 1
    house.switches.turn("night", True)
    house.clock.advance(BATCH)
    ensureDeferred(house.table.close())
    assert house.stored == ["night"]
    assert not house.clock.getDelayedCalls()


def test_switch_that_is_gone_harms_no_other(house):
    house.switches.turn("night", True)
    house.switches.turn("lunch", True)
    with house.database.begin() as connection:
        switches.remove(connection, "night")
    house.clock.advance(BATCH)
    assert house.stored == ["lunch"]
