"""Tests of task 1. Run them with `pytest`."""

from __future__ import annotations

import pytest
from task_1_two_phones import plan

from pbx.testing import Sim


@pytest.fixture
def sim() -> Sim:
    return Sim(plan, at="2026-03-10 10:00 Europe/Paris")


def test_the_first_answer_wins(sim: Sim) -> None:
    a, b = sim.phone("101"), sim.phone("102")
    c = sim.trunk("acme").call("+15551234567", to="+14155550100")
    assert a.ringing and b.ringing
    assert a.display == "+15551234567"
    b.answer()
    assert c.talks_to(b)
    assert a.cancelled_because == "answered elsewhere"


def test_nobody_answers_and_a_message_is_left(sim: Sim) -> None:
    a, b = sim.phone("101"), sim.phone("102")
    c = sim.trunk("acme").call("+15551234567", to="+14155550100")
    sim.advance(20)
    assert not a.ringing and not b.ringing
    assert c.hears("after-the-tone", within=20)
    c.says(seconds=4)
    c.hang_up()
    assert sim.mailbox("sales").new == 1


def test_one_who_declines_leaves_it_to_the_other(sim: Sim) -> None:
    a, b = sim.phone("101"), sim.phone("102")
    c = sim.trunk("acme").call("+15551234567", to="+14155550100")
    a.is_busy()
    assert b.ringing
    b.decline()
    assert c.hears("after-the-tone", within=20)


def test_nobody_else_gets_in(sim: Sim) -> None:
    assert sim.trunk("acme").call("+15551234567", to="+14155550199").sees(404)
    assert sim.stranger().dials("101").sees(403)


def test_a_call_survives_a_network_that_loses_packets(sim: Sim) -> None:
    sim.phone("101").answer_when_ringing()
    sim.network(loss=0.1, seed=7)
    c = sim.trunk("acme").call("+15551234567", to="+14155550100")
    sim.advance(40)
    assert c.connected
