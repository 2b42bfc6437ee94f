"""Tests of task 4. Run them with `pytest`."""

from __future__ import annotations

import pytest
from task_4_transfers import plan

from pbx.testing import Sim
from pbx.testing.sim_phone import SimPhone

USERS = {"extensions": {"100": "Reception", "101": "Alice", "102": "Bob"}}


@pytest.fixture
def sim() -> Sim:
    return Sim(plan, users=USERS)


@pytest.fixture
def a(sim: Sim) -> SimPhone:
    """Alice, whom the reception has called."""
    alice = sim.phone("101")
    sim.phone("100").dials("101")
    alice.answer()
    return alice


def test_attended_transfer_by_the_phone_keeps_the_caller(sim: Sim, a: SimPhone) -> None:
    b, c = sim.phone("102"), sim.phone("100")
    assert a.attended_transfer(to="102") == 200
    assert c.talks_to(b) and a.idle
    assert (b.display, c.display) == ("Reception", "Bob")


def test_blind_transfer_by_the_phone(sim: Sim, a: SimPhone) -> None:
    b, c = sim.phone("102"), sim.phone("100")
    b.answer_when_ringing()
    assert a.transfer(to="102") == 200
    assert c.talks_to(b) and a.idle


def test_nobody_transfers_to_the_outside_who_may_not(sim: Sim, a: SimPhone) -> None:
    assert a.transfer(to="00142255501") == 403
    assert a.talks_to(sim.phone("100"))


@pytest.mark.parametrize("key", ["*1", "*3"])
def test_by_keys_the_caller_is_connected_or_not(sim: Sim, a: SimPhone, key: str) -> None:
    b, c = sim.phone("102"), sim.phone("100")
    a.presses("*2102")
    assert sim.until(lambda: b.ringing)
    b.answer()
    assert a.talks_to(b)
    a.presses(key)
    assert sim.until(lambda: a.idle or b.idle)
    sim.settle()
    assert c.talks_to(b if key == "*1" else a)
    assert a.idle is (key == "*1")


def test_a_colleague_who_is_busy_is_told_and_the_caller_comes_back(sim: Sim, a: SimPhone) -> None:
    b, c = sim.phone("102"), sim.phone("100")
    b.is_busy()
    a.presses("*2102")
    assert a.hears("not-available")
    sim.settle()
    assert a.talks_to(c)
