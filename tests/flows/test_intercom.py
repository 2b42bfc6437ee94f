"""Intercom: a phone answers by itself where the dialplan asks it to, and only there."""

from __future__ import annotations

import pytest

from pbx.dialplan import Call, Plan, ext, trunk
from pbx.sip.headers import ALERT_INFO, ANSWER_MODE, CALL_INFO
from tests.flows.office import office
from tests.flows.trunks import ACME

plan = Plan()
ASKING = (CALL_INFO.key, ALERT_INFO.key, ANSWER_MODE.key)
BUGS = [
    CALL_INFO.field("<sip:x>;answer-after=0"),
    ALERT_INFO.field("<http://x>;info=alert-autoanswer"),
    ALERT_INFO.field("<http://x>;info=Ring-Answer"),
    CALL_INFO.field("<sip:x>; Answer-After = 0"),
    ANSWER_MODE.field("Auto"),
]


@plan.internal("<number:1XXX>")
async def extension(call: Call, number: str) -> None:
    await call.dial(ext(number), timeout=20)


@plan.outbound("*80<number:1XXX>", allow="intercom")
async def intercom(call: Call, number: str) -> None:
    await call.dial(ext(number), timeout=5, intercom=True)


@plan.inbound(trunk("acme"))
async def came(call: Call) -> None:
    await call.dial(ext("1002"), timeout=20)


def asked(phone):
    return [value for key, _, value in phone.call.invite.fields if key in ASKING]


def test_a_phone_is_asked_to_answer_by_itself_by_who_may():
    sim, (alice, bob) = office("1001", "1002", plan=plan)
    alice.invites("*801002")
    sim.until(lambda: alice.idle)
    assert alice.call.status == 403
    sim.exchange.directory.change("1001", "class_of_service", frozenset({"intercom"}))
    sim.exchange.directory.change("1002", "forward_no_answer", "1003")
    alice.invites("*801002")
    sim.until(lambda: bob.ringing)
    assert asked(bob) == [
        "<sip:10.0.0.1>;answer-after=0",
        "<http://10.0.0.1/intercom>;info=alert-autoanswer;delay=0",
        "Auto",
    ]
    sim.until(lambda: alice.idle)
    assert alice.call.status == 480  # it is not forwarded
    sim.assert_idle()


@pytest.mark.parametrize("field", BUGS)
def test_no_caller_makes_a_phone_answer(field):
    sim, (alice, bob) = office("1001", "1002", plan=plan, trunks=[ACME])
    ring = ALERT_INFO.field("<http://rings.example/bell.wav>")
    alice.invites("1002", more=(field, ring))
    sim.until(lambda: bob.ringing)
    assert asked(bob) == ["<http://rings.example/bell.wav>"]
    alice.hangs_up()
    sim.until(lambda: bob.idle)
    zoe = sim.trunk("acme").call("+14155550123", "+14155550100", more=(field,))
    sim.until(lambda: bob.ringing)
    assert asked(bob) == []
    zoe.hangs_up()
    sim.assert_idle()
