from __future__ import annotations

import pytest

from pbx.dialplan import Call, Plan
from pbx.testing.exchange import SimulatedExchange

plan = Plan()


@plan.internal("1")
async def answered(call: Call) -> None:
    await call.answer()
    await call.sleep(3600)


@pytest.fixture
def sim() -> SimulatedExchange:
    return SimulatedExchange(plan, {"1001": "secret"})


def test_what_does_not_happen_in_time_is_told_with_the_ladder(sim):
    phone = sim.phone("1001")
    phone.invites("1")
    with pytest.raises(AssertionError, match=r"(?s)not within 2 s.*1001.*INVITE sip:1@10.0.0.1"):
        sim.until(lambda: phone.idle, within=2)
    phone.hangs_up()
    sim.assert_idle()


def test_call_that_is_left_is_named(sim):
    sim.phone("1001").invites("1")
    with pytest.raises(AssertionError, match=r"left behind: \{'calls': 1, 'sessions': 1, 'dialogs': 1,"):
        sim.assert_idle()


def test_what_another_exchange_has_left_is_named_too(sim):
    other = SimulatedExchange(plan, {"1001": "secret"}, host="10.0.0.2", beside=sim)
    phone = other.phone("1001", host="10.0.2.1")
    phone.invites("1")
    with pytest.raises(AssertionError, match=r"left behind: \{'calls': 1"):
        sim.assert_idle()
    phone.hangs_up()
    other.assert_idle()


def test_registration_is_refused_to_a_phone_with_another_password(sim):
    phone = sim.phone("1001", password="guessed")
    assert (phone.registered, phone.register_status) == (False, 401)
    sim.assert_idle()


def test_phone_that_asks_keeps_the_reply(sim):
    reply = sim.phone("1001").asks("OPTIONS")
    assert (reply.status, reply.field("allow")) == (0, "")
    sim.advance(0.125)
    assert reply.status == 200
    assert "INVITE" in reply.field("allow")
    sim.assert_idle()
