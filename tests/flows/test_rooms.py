"""What an administrator sees of conferences and does to them, with phones in them."""

from __future__ import annotations

from typing import Any

import pytest

from pbx.faults import Fault
from pbx.rooms import Rooms
from pbx.testing.exchange import SimulatedExchange
from tests.flows.conferences import conference, enter, nothing_ended, parties, silence, sim

__all__ = ["nothing_ended", "sim"]


def rooms(sim: SimulatedExchange) -> Rooms:
    return Rooms(sim.exchange.conferences)


def test_list_shows_who_is_where(sim: SimulatedExchange) -> None:
    assert rooms(sim).listed() == []
    alice, _ = enter(sim, "1001", "1002")
    enter(sim, "1003", dialled="804")
    silence(sim)
    alice.says(0.5)
    rows = rooms(sim).listed()
    shown = [(row["room"], row["party"], row["number"], row["talks"], row["leader"]) for row in rows]
    assert shown == [
        ("sales", 1, "1001", True, True),
        ("sales", 2, "1002", False, False),
        ("board", 1, "1003", False, True),
    ]
    assert [row["room"] for row in rooms(sim).listed("board")] == ["board"]


@pytest.mark.parametrize("party", ["2", "1002"])
def test_party_is_muted_and_heard_again(sim: SimulatedExchange, party: str) -> None:
    _, bob = enter(sim, "1001", "1002")
    (row,) = rooms(sim).mute("sales", party, True)
    assert row["muted"] and bob.hears("conference/muted")
    rooms(sim).mute("sales", None, False)
    assert not conference(sim).parties[2].muted and bob.hears("conference/unmuted")


def test_all_are_muted(sim: SimulatedExchange) -> None:
    enter(sim, "1001", "1002")
    assert [row["muted"] for row in rooms(sim).mute("sales", None, True)] == [True, True]


def test_party_is_removed(sim: SimulatedExchange) -> None:
    _, bob = enter(sim, "1001", "1002")
    (row,) = rooms(sim).kick("sales", "1002")
    assert row["number"] == "1002" and parties(sim) == 1
    assert bob.hears("conference/removed")


def test_room_is_locked_recorded_and_ended(sim: SimulatedExchange) -> None:
    alice, _ = enter(sim, "1001", "1002")
    assert {row["locked"] for row in rooms(sim).lock("sales", True)} == {True}
    assert {row["locked"] for row in rooms(sim).lock("sales", False)} == {False}
    (path,) = {row["recording"] for row in rooms(sim).record("sales", True)}
    assert str(path).endswith(".wav")
    assert {row["recording"] for row in rooms(sim).record("sales", False)} == {None}
    assert len(rooms(sim).end("sales")) == 2
    assert alice.hears("conference/ended") and rooms(sim).listed() == []


def test_what_is_not_there_is_one_sentence(sim: SimulatedExchange, tmp_path: Any, logged_errors: Any) -> None:
    with pytest.raises(Fault, match="nobody is in a room nowhere"):
        rooms(sim).lock("nowhere", True)
    enter(sim, "1001")
    with pytest.raises(Fault, match="there is no party 1009 in sales"):
        rooms(sim).kick("sales", "1009")
    (tmp_path / "recordings").write_text("no folder")
    with pytest.raises(Fault, match="sales cannot be recorded: File exists"):
        rooms(sim).record("sales", True)
    assert logged_errors()
