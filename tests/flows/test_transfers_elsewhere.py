"""Transfers to addresses elsewhere, `sip:zoe@example.org`: only as the plan, and the transferor's rights, allow it."""

from __future__ import annotations

import pytest

from pbx.dialplan import Call, Plan, Transfer, ext
from pbx.testing.watch import Transfer as Refer
from tests.flows.office import flow, office
from tests.flows.openings import call_of, connect, part, refer, requests_to

plan = Plan()
ELSEWHERE = "10.0.9.9"
TARGET = f"sip:zoe@{ELSEWHERE}"
REFERRED = (("referred-by", "Referred-By", "<sip:1002@10.0.0.1>"),)


@plan.internal("<number:1XXX>")
async def extension(call: Call, number: str) -> None:
    await call.dial(ext(number), timeout=20)


@plan.on_transfer
async def may_transfer(transfer: Transfer) -> bool:
    return transfer.target.is_internal or (not transfer.target.number and transfer.by.may("transfer-out"))


def stranger(sim):
    """A phone of another domain, which knows nobody here."""
    return sim.phone("zoe", host=ELSEWHERE, domain="example.org", register=False)


def permit(sim):
    """Let Bob transfer to the outside."""
    sim.exchange.directory.change("1002", "class_of_service", frozenset({"transfer-out"}))


@flow("1001", "1002", plan=plan)
def test_caller_is_sent_to_an_address_elsewhere(sim, alice, bob):
    zoe = stranger(sim)
    permit(sim)
    connect(sim, alice, bob, ready=bob)
    transfer = Refer(bob, TARGET)
    sim.until(lambda: zoe.ringing)
    zoe.answers()
    sim.until(lambda: transfer.over and bob.idle)
    assert transfer.status == 200
    part(sim, alice, zoe)


@flow("1001", "1002", plan=plan)
def test_nobody_answers_there_and_the_transferor_has_the_call_back(sim, alice, bob):
    zoe = stranger(sim)
    permit(sim)
    connect(sim, alice, bob, ready=bob)
    transfer = Refer(bob, TARGET)
    sim.until(lambda: zoe.ringing)
    zoe.declines()
    sim.until(lambda: transfer.over)
    assert transfer.status == 603
    part(sim, alice, bob)


@flow("1001", "1002", plan=plan)
def test_both_hang_up_while_it_rings_elsewhere(sim, alice, bob):
    zoe = stranger(sim)
    permit(sim)
    connect(sim, alice, bob, ready=bob)
    Refer(bob, TARGET)
    sim.until(lambda: zoe.ringing)
    alice.hangs_up()
    bob.hangs_up()
    sim.until(lambda: zoe.idle and alice.idle and bob.idle)


def test_who_is_there_is_told_who_calls_and_by_whom_and_nothing_by_anybody_s_word_afterwards():
    sim, (alice, bob) = office("1001", "1002", plan=plan)
    zoe = stranger(sim)
    permit(sim)
    connect(sim, alice, bob, ready=bob)
    Refer(bob, TARGET, REFERRED)
    sim.until(lambda: zoe.ringing)
    zoe.answers()
    sim.until(lambda: bob.idle)
    sim.advance(2)
    invite = requests_to(sim, zoe, "INVITE")[0]
    assert invite.first("from").startswith('"Phone 1001" <sip:1001@10.0.0.1>')
    assert invite.first("referred-by") == REFERRED[0][2]  # RFC 3892 2.2: the transferor's own word, as it is
    assert all(one.first("p-asserted-identity") is None for one in requests_to(sim, zoe, "INVITE"))
    part(sim, zoe, alice)
    sim.assert_idle()


@pytest.mark.parametrize("target", [TARGET, "sip:zoe@elsewhere.example", "sips:zoe@10.0.9.9", f"sip:{ELSEWHERE}"])
def test_who_has_not_the_right_sends_nobody_there(target):
    sim, (alice, bob) = office("1001", "1002", plan=plan)
    zoe = stranger(sim)
    connect(sim, alice, bob, ready=bob)
    transfer = Refer(bob, target)
    sim.until(lambda: transfer.over)
    assert transfer.status == 403
    assert not requests_to(sim, zoe, "INVITE")
    sim.advance(2)
    part(sim, alice, bob)
    sim.assert_idle()


@pytest.mark.parametrize(
    ("target", "status"), [("sip:zoe@nowhere.example", 408), ("sip:zoe@10.0.9.8", 408), ("sips:zoe@10.0.9.9", 408)]
)
def test_call_comes_back_from_where_nobody_is(target, status):
    sim, (alice, bob) = office("1001", "1002", plan=plan)
    permit(sim)
    connect(sim, alice, bob, ready=bob)
    transfer = Refer(bob, target)
    sim.until(lambda: transfer.over, within=80)
    assert transfer.status == status
    sim.advance(4)
    part(sim, alice, bob)
    sim.assert_idle()


def test_a_stranger_who_says_it_has_an_extensions_number_is_no_extension():
    guarded = Plan()
    asked = []

    @guarded.anonymous("1002")
    @guarded.internal("1002")
    async def reception(call: Call) -> None:
        await call.dial(ext("1002"), timeout=20)

    @guarded.on_transfer
    async def note(transfer: Transfer) -> bool:
        asked.append((transfer.target.number, transfer.target.is_internal))
        return transfer.target.is_internal

    sim, (bob, carol) = office("1002", "1003", plan=guarded)
    zoe = sim.phone("1001", host=ELSEWHERE, domain="example.org", register=False)
    connect(sim, zoe, bob, ready=bob)
    first = call_of(bob)
    bob.call = None
    connect(sim, carol, bob, ready=bob)
    transfer = refer(bob, call_of(bob), first)
    sim.until(lambda: transfer.over)
    assert (asked, transfer.status) == ([("1001", False)], 403)
    zoe.hangs_up()
    carol.hangs_up()
    sim.until(lambda: bob.idle and first.state == "over")
    sim.assert_idle()
