"""Somebody, or NTP, sets the machine's clock during calls: none ends, none lasts longer, no phone is forgotten; what is
written down from then on says the new time.
"""

from __future__ import annotations

import time
from datetime import datetime

import pytest

from pbx import reactor
from pbx.dialplan import Call, Plan, ext
from pbx.exchange.text import KeptText
from tests.flows.office import office
from tests.flows.test_renegotiation import connect

AHEAD = [86_400.0 * 365, -86_400.0 * 365, 3600.0, -3600.0]
moments: list[datetime] = []
plan = Plan(limit=2 * 3600.0)


@plan.internal("<number:1XXX>")
async def extension(call: Call, number: str) -> None:
    moments.append(call.now)
    await call.dial(ext(number), timeout=20)


@pytest.mark.parametrize("ahead", AHEAD)
def test_call_goes_on_until_its_limit(ahead: float) -> None:
    sim, (alice, bob) = office("1001", "1002", plan=plan)
    connect(sim, alice, bob)
    began_at = sim.clock.seconds()
    sim.clock.ahead = ahead
    sim.advance(2 * 3600.0 - 60)
    assert alice.talking and bob.talking
    sim.until(lambda: alice.idle and bob.idle)
    assert abs(sim.clock.seconds() - began_at - 2 * 3600.0) < 1
    sim.assert_idle()


@pytest.mark.parametrize("ahead", AHEAD)
def test_record_says_the_time_of_its_end_and_how_long_each_step_took(ahead: float) -> None:
    sim, (alice, bob) = office("1001", "1002", plan=plan)
    connect(sim, alice, bob)
    bob.says(1)
    sim.clock.ahead = ahead
    sim.advance(16)
    alice.hangs_up()
    ended_at = sim.clock.wall()
    sim.assert_idle()
    (record,) = sim.records.rows
    (attempt,) = record.attempts
    assert abs(record.ended_at - ended_at) < 0.125 and abs(attempt.ended_at - ended_at) < 0.125
    assert 17 <= record.ended_at - record.answered_at < 17.25
    assert record.began_at <= attempt.began_at <= record.rang_at <= record.answered_at
    assert record.answered_at <= record.from_callee.latched_at <= record.ended_at
    assert record.from_caller.latched_at is None
    assert record.sentence == "1001 and 1002 talked for 17 s; 1001 hung up"


@pytest.mark.parametrize("ahead", AHEAD)
def test_plan_knows_the_new_time(ahead: float) -> None:
    sim, (alice, bob) = office("1001", "1002", plan=plan)
    sim.clock.ahead = ahead
    moments.clear()
    connect(sim, alice, bob)
    assert abs(moments[0].timestamp() - sim.clock.wall()) < 0.25
    alice.hangs_up()
    sim.assert_idle()


@pytest.mark.parametrize("ahead", AHEAD)
def test_registration_lasts_as_long_as_it_was_to_and_is_kept_by_the_new_time(ahead: float) -> None:
    sim, (alice,) = office("1001", plan=plan)
    sim.clock.ahead = ahead
    assert len(sim.exchange.location) == 1
    alice.registers(600)
    sim.advance(1)
    (kept,) = sim.store.rows.values()
    assert abs(kept.expires_at - sim.clock.wall() - 600) < 2
    sim.advance(590)
    assert len(sim.exchange.location) == 1
    sim.advance(60)
    assert len(sim.exchange.location) == 0
    sim.assert_idle()


@pytest.mark.parametrize("ahead", AHEAD)
def test_ban_and_text_are_kept_by_the_new_time(ahead: float) -> None:
    sim, (alice,) = office("1001", plan=plan)
    kept: list[KeptText] = []
    sim.exchange.letterbox._store.keep_text = kept.append  # type: ignore[method-assign]
    sim.clock.ahead = ahead
    stranger = sim.phone("1002", host="192.0.2.7", register=False, password="wrong")
    for _ in range(30):
        stranger.registers()
        sim.advance(0.5)
    reply = alice.asks("MESSAGE", "1002", body=b"hello")
    sim.until(lambda: reply.status)
    assert reply.status == 202
    assert abs(kept[0].kept_at - sim.clock.wall()) < 2 and kept[0].expires_at - kept[0].kept_at == 7 * 86400
    (ban,) = sim.bans.rows.values()
    assert -60 < ban.since - sim.clock.wall() < 0 < ban.until - sim.clock.wall()
    sim.assert_idle()


def test_time_of_the_reactor_goes_on_evenly_whatever_becomes_of_the_machines_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = reactor.Reactor.seconds
    assert abs(now() - time.time()) < 5
    monkeypatch.setattr(time, "time", lambda: 0.0)
    monkeypatch.setattr(reactor, "time", lambda: 0.0)
    before, began = now(), time.monotonic()
    assert 0 <= now() - before <= time.monotonic() - began + 0.001
    assert abs(reactor.steady()()) < 5
