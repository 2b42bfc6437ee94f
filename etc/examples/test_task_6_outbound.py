"""Tests of task 6. Run them with `pytest`."""

from __future__ import annotations

import pytest
from task_6_outbound import plan

from pbx.testing import Sim

USERS = {
    "extensions": {
        "101": {"name": "Alice", "class_of_service": "international", "caller_id": "+33142000101"},
        "102": "Bob",
    },
    "trunks": {"acme": {}, "backup": {}},
    "dialplan": {"country": "33"},
}


@pytest.fixture
def sim() -> Sim:
    return Sim(plan, users=USERS)


def test_failover_but_not_on_busy(sim: Sim) -> None:
    acme, backup = sim.trunk("acme"), sim.trunk("backup")
    acme.fails(503)
    p = sim.phone("101").dials("00142255501")
    assert p.connected and p.cdr.trunk == "backup"
    assert backup.provider.last.uri.user == "+33142255501"
    assert "+33142000101" in backup.provider.field("from")
    p.hang_up()
    acme.fails(486)
    assert p.dials("00142255501").sees(486)
    assert backup.calls == 1  # busy is an answer, not a trunk failure


def test_a_trunk_that_is_silent_is_given_six_seconds(sim: Sim) -> None:
    sim.trunk("acme").falls_silent()
    sim.trunk("backup").answers()
    p = sim.phone("101").dials("00142255501")
    sim.advance(5)
    assert sim.trunk("backup").calls == 0
    sim.advance(2)
    assert p.connected and p.cdr.trunk == "backup"


def test_when_both_fail_the_caller_is_told(sim: Sim) -> None:
    sim.trunk("acme").fails(500)
    sim.trunk("backup").fails(502)
    p = sim.phone("101").dials("00142255501")
    assert p.hears("cannot-complete")
    assert p.sees(502)


def test_guests_and_strangers_cannot_spend_our_money(sim: Sim) -> None:
    assert sim.phone("102").dials("00142255501").sees(403)
    assert sim.stranger().dials("00142255501").sees(403)


def test_an_emergency_call_goes_out_whoever_makes_it(sim: Sim) -> None:
    sim.trunk("acme").falls_silent()
    sim.trunk("backup").answers()
    caller = sim.phone("102").dials("112")
    sim.advance(4)
    assert caller.connected and caller.cdr.trunk == "backup"
