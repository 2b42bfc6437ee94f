"""Connected lines: whom each phone is told that it talks to, after transfers, forwarding and pickup (RFC 3325 9.1,
RFC 3311); and what providers are told of that, which is no more than the trunk's own rule says.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from pbx.dialplan import Call, Plan, ext, trunk
from pbx.exchange.trunk import ACCOUNT, ASSERTED, FROM, PREFERRED
from pbx.sip.message import Response
from pbx.sip.parser import parse
from pbx.testing.exchange import is_sip
from pbx.testing.watch import Transfer
from tests.flows.office import office
from tests.flows.openings import connect, consult, refer, requests_to
from tests.flows.trunks import ACME

plan = Plan()
ALICE, BOB, CAROL = (f'"Phone {number}" <sip:{number}@10.0.0.1>' for number in ("1001", "1002", "1003"))
OURS = "<sip:+14155550100@10.9.1.1>"
CALLER = "<sip:+15551234567@10.0.0.1>"
TELLING = ("p-asserted-identity", "p-preferred-identity", "remote-party-id", "referred-by", "privacy")


@plan.internal("<number:1XXX>")
async def extension(call: Call, number: str) -> None:
    await call.dial(ext(number), timeout=20)


@plan.internal("*8")
async def pick_up(call: Call) -> None:
    await call.pick_up(ext("1002"))


@plan.outbound("0<number:X>", allow="outside")
async def outside(call: Call, number: str) -> None:
    await call.dial(trunk("acme").to(f"+1555000{number}"), timeout=20)


@plan.inbound(trunk("acme"))
async def inside(call: Call) -> None:
    await call.dial(ext("1002"), timeout=20)


@plan.on_transfer
async def anywhere(transfer: object) -> bool:
    return True


def answers_to(sim, phone, since=0):
    """The 200s that a phone was sent to its INVITEs."""
    sent = [one for one in sim.network.sent[since:] if one.target[0] == phone.host and is_sip(one.packet)]
    found = [parse(one.packet) for one in sent]
    return [one for one in found if isinstance(one, Response) and one.status == 200 and one.cseq_method == "INVITE"]


def told(messages):
    """Whom the last of some messages names."""
    return messages[-1].first("p-asserted-identity")


def test_whoever_is_reached_by_the_number_that_was_dialled_is_told_as_ever():
    sim, (alice, bob) = office("1001", "1002", plan=plan)
    connect(sim, alice, bob)
    assert told(answers_to(sim, alice)) is None
    assert told(requests_to(sim, bob, "INVITE")) is None
    alice.hangs_up()
    sim.until(lambda: bob.idle)
    sim.assert_idle()


def test_caller_is_told_to_whom_its_call_was_forwarded():
    sim, (alice, carol) = office("1001", "1003", plan=plan)
    sim.exchange.directory.change("1002", "forward_always", "1003")
    alice.invites("1002")
    sim.until(lambda: carol.ringing)
    carol.answers()
    sim.until(lambda: alice.talking)
    assert told(answers_to(sim, alice)) == CAROL
    assert requests_to(sim, carol, "INVITE")[0].first("from").startswith('"Phone 1001" <sip:1001@')
    alice.hangs_up()
    sim.until(lambda: carol.idle)
    sim.assert_idle()


def test_caller_is_told_who_has_picked_up_its_call_and_who_has_is_told_of_the_caller():
    sim, (alice, bob, desk) = office("1001", "1002", "1002", plan=plan)
    alice.invites("1002")
    sim.until(lambda: bob.ringing and desk.ringing)
    desk.declines(480)
    desk.call = None
    desk.invites("*8")
    sim.until(lambda: desk.talking and bob.idle)
    sim.advance(2)
    assert told(requests_to(sim, alice, "INVITE")) == BOB
    assert told(requests_to(sim, desk, "INVITE")) == ALICE
    desk.hangs_up()
    sim.until(lambda: alice.idle)
    sim.assert_idle()


def test_who_wants_to_be_named_to_nobody_is_not_named_by_a_transfer():
    sim, (alice, bob, carol) = office("1001", "1002", "1003", plan=plan)
    alice.withheld = True
    connect(sim, alice, bob)
    first, second = consult(sim, bob, carol)
    refer(bob, first, second)
    sim.until(lambda: first.state == second.state == "over")
    sim.advance(2)
    assert told(requests_to(sim, carol, "INVITE")) is None
    assert not [one for one in sim.network.sent if one.target[0] == carol.host and b"1001" in one.packet]
    assert told(requests_to(sim, alice, "INVITE")) == CAROL
    alice.hangs_up()
    sim.until(lambda: carol.idle)
    sim.assert_idle()


@pytest.mark.parametrize(
    ("policy", "fields"),
    [
        (FROM, {}),
        (ACCOUNT, {"p-preferred-identity": OURS}),
        (PREFERRED, {"p-preferred-identity": OURS}),
        (ASSERTED, {"p-asserted-identity": OURS}),
    ],
)
def test_caller_outside_is_told_of_a_colleague_what_its_trunk_is_told_of_callers(policy, fields):
    sim, (bob, carol) = office("1002", "1003", plan=plan, trunks=(replace(ACME, caller_id=policy),))
    zoe = sim.trunk("acme").call("+15551234567", to="+14155550100")
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: zoe.talking and bob.may_offer)
    assert {name: value for name, _, value in answers_to(sim, zoe)[0].fields if name in TELLING} == {}
    first, second = consult(sim, bob, carol)
    refer(bob, first, second)
    sim.until(lambda: first.state == second.state == "over")
    sim.advance(2)
    (invite,) = requests_to(sim, zoe, "INVITE")
    assert {name: value for name, _, value in invite.fields if name in TELLING} == fields
    assert not [one for one in sim.network.sent if one.target[0] == zoe.host and b"Phone 1003" in one.packet]
    assert told(requests_to(sim, carol, "INVITE")) == CALLER
    assert sim.talk(zoe, carol)
    zoe.hangs_up()
    sim.until(lambda: carol.idle)
    sim.assert_idle()


@pytest.mark.parametrize(
    ("policy", "fields"),
    [(FROM, {}), (PREFERRED, {"p-preferred-identity": OURS}), (ASSERTED, {"p-asserted-identity": OURS})],
)
def test_provider_is_not_told_who_has_transferred_a_call_to_it(policy, fields):
    """RFC 3892: Referred-By is the phone's word for colleagues."""
    sim, (alice, bob) = office("1001", "1002", plan=plan, trunks=(replace(ACME, caller_id=policy),))
    sim.exchange.directory.change("1002", "class_of_service", frozenset({"outside"}))
    provider = sim.trunk("acme")
    connect(sim, alice, bob, ready=bob)
    Transfer(bob, "sip:07@10.0.0.1", (("referred-by", "Referred-By", "<sip:1002@10.0.0.1>"),))
    sim.until(lambda: provider.calls and bob.idle)
    sim.advance(2)
    assert {name: value for name, _, value in provider.last.fields if name in TELLING} == fields
    assert provider.last.sender().uri.user == "+14155550100"
    assert not [one for one in sim.network.sent if one.target[0] == provider.gateway.host and b"sip:100" in one.packet]
    assert told(requests_to(sim, alice, "INVITE")) == "<sip:+15550007@10.0.0.1>"
    alice.hangs_up()
    sim.until(lambda: provider.gateway.idle)
    sim.assert_idle()
