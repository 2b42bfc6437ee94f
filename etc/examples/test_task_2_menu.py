"""Tests of task 2. Run them with `pytest`."""

from __future__ import annotations

import pytest
from task_2_menu import plan

from pbx.testing import Sim
from pbx.testing.sim_phone import SimPhone


@pytest.fixture
def sim() -> Sim:
    return Sim(plan, at="2026-03-10 10:00 Europe/Paris")


@pytest.fixture
def caller(sim: Sim) -> SimPhone:
    return sim.trunk("acme").call("+15551234567", to="+14155550101")


def test_one_is_for_sales(sim: Sim, caller: SimPhone) -> None:
    a, b = sim.phone("101"), sim.phone("102")
    assert caller.hears("main-menu")
    caller.presses("1")
    assert a.ringing and b.ringing
    a.answer()
    assert caller.talks_to(a)


def test_another_key_is_told_so_and_may_choose_again(sim: Sim, caller: SimPhone) -> None:
    a = sim.phone("101")
    assert caller.hears("main-menu")
    caller.presses("7")
    assert caller.hears("invalid-choice")
    caller.presses("1")
    assert a.ringing


@pytest.mark.parametrize("keys", ["0", "", "777"])
def test_who_presses_nothing_or_nonsense_gets_the_reception(sim: Sim, caller: SimPhone, keys: str) -> None:
    reception = sim.phone("100")
    for key in keys:
        assert caller.hears("main-menu")
        caller.presses(key)
        sim.advance(8)
    assert sim.until(lambda: reception.ringing, within=20)


def test_who_hangs_up_in_the_menu_leaves_nothing_behind(sim: Sim, caller: SimPhone) -> None:
    assert caller.hears("main-menu")
    caller.hang_up()
    sim.assert_idle()
