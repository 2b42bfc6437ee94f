"""Tests of task 3. Run them with `pytest`."""

from __future__ import annotations

import pytest
from task_3_hours import plan

from pbx.testing import Sim

USERS = {
    "extensions": {"100": "Reception"},
    "trunks": {"acme": {}},
    "mailboxes": {"office": {"extension": "100"}},
    "switches": {"night": {"code": "*60"}},
    "holidays": {"fr": ["2026-05-01"]},
}


@pytest.fixture
def sim() -> Sim:
    return Sim(plan, users=USERS, at="2026-03-10 10:00 Europe/Paris")


@pytest.mark.parametrize(
    ("when", "is_open"),
    [
        ("2026-03-10 08:59:59", False),
        ("2026-03-10 09:00", True),
        ("2026-03-10 17:29", True),
        ("2026-03-10 17:30", False),
        ("2026-03-14 10:00", False),  # a Saturday
        ("2026-03-29 09:30", False),  # the Sunday on which clocks change
        ("2026-03-30 09:00", True),
        ("2026-05-01 10:00", False),  # a holiday
    ],
)
def test_hours(sim: Sim, when: str, is_open: bool) -> None:
    sim.at(when)
    reception = sim.phone("100")
    c = sim.trunk("acme").call("+15551234567", to="+14155550102")
    assert reception.ringing is is_open
    assert c.hears("closed") is not is_open


def test_the_night_button_its_code_and_its_lamp(sim: Sim) -> None:
    reception, acme = sim.phone("100"), sim.trunk("acme")
    assert not reception.lamp("*60")
    reception.dials("*60")
    sim.advance(5)
    assert reception.lamp("*60")
    c = acme.call("+15551234567", to="+14155550102")
    assert c.hears("closed")
    assert c.hears("after-the-tone", within=20)
    c.says(seconds=4)
    c.hang_up()
    assert reception.lamp("mwi")
    sim.switch("night", False)
    acme.call("+15551234567", to="+14155550102")
    assert reception.ringing
