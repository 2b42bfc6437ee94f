"""The flows of RFC 5359 that need no more than sessions and a dialplan, each named by its section."""

from __future__ import annotations

from pbx.dialplan import Call, Plan, ext, room
from pbx.testing.lamp_key import LampKey
from pbx.testing.watch import Transfer
from tests.conformance.repeated import flow, names_of
from tests.flows.conferences import heard, say
from tests.flows.office import flow as over_udp
from tests.flows.openings import picks_up, refer

SECTIONS = {f"2.{number}" for number in range(1, 19)}

# docs/rfc has the same reasons.
LEFT_OUT = {
    "2.6": "What is transferred is a conversation by MESSAGE: a REFER that asks for another method is answered 403.",
    "2.18": "It is a REFER outside of calls, which only an application would send: 403.",
}

plan = Plan()


@plan.internal("<number:1XXX>")
async def extension(call: Call, number: str) -> None:
    """An extension with an assistant: for who is busy, or does not answer."""
    await call.dial(ext(number), timeout=10)
    await call.dial(ext("1003"), timeout=20)


@plan.internal("71<number:1XXX>")
async def own_wishes(call: Call, number: str) -> None:
    """An extension whose user has said where its calls are to go."""
    await call.dial(ext(number), timeout=10)


@plan.internal("799")
async def park(call: Call) -> None:
    """The park server: whoever is transferred here waits, whoever dials it has that call."""
    if call.transferred:
        await call.park("799")
    elif not await call.retrieve("799"):
        await call.reject(404)


@plan.internal("690")
async def meeting(call: Call) -> None:
    """Where the exchange mixes, and not a phone: it is the focus of the conference."""
    await call.conference(room("meeting"))


@plan.internal("701")
async def away(call: Call) -> None:
    await call.dial(ext("1003"), timeout=20)


@plan.internal("702")
async def found(call: Call) -> None:
    await call.dial(ext("1002"), ext("1003"), timeout=20)


@plan.internal("703")
async def choosy(call: Call) -> None:
    if call.caller.number == "1001":
        await call.reject()
        return
    await call.dial(ext("1002"), timeout=20)


@plan.internal("9<number:any>")
async def expensive(call: Call, number: str) -> None:
    await call.reject(403)


def test_every_flow_is_here_or_left_out_with_its_reason():
    assert names_of(globals()) | LEFT_OUT.keys() == SECTIONS
    assert not names_of(globals()) & LEFT_OUT.keys()


def talk_begins(sim, caller, callee, number):
    caller.invites(number)
    sim.until(lambda: callee.ringing)
    callee.answers()
    sim.until(lambda: caller.talking)
    sim.advance(8)
    assert sim.talk(caller, callee)


def talk_ends(sim, one, other):
    one.hangs_up()
    sim.until(lambda: other.idle)


@flow("1001", "1002", plan=plan)
def test_2_1_call_hold(sim, alice, bob):
    talk_begins(sim, alice, bob, "1002")
    bob.holds()
    sim.until(lambda: alice.call.held)
    sim.until(lambda: bob.may_offer)
    bob.resumes()
    sim.until(lambda: not alice.call.held)
    sim.advance(8)
    assert sim.talk(alice, bob)
    talk_ends(sim, bob, alice)


@flow("1001", "1002", "1003", plan=plan)
def test_2_2_consultation_hold(sim, alice, bob, carol):
    talk_begins(sim, alice, bob, "1002")
    bob.holds()
    sim.until(lambda: alice.call.held)
    sim.until(lambda: bob.may_offer)
    first = bob.call
    talk_begins(sim, bob, carol, "1003")
    talk_ends(sim, bob, carol)
    bob.call = first
    bob.resumes()
    sim.until(lambda: not alice.call.held)
    sim.advance(8)
    assert sim.talk(alice, bob)
    talk_ends(sim, alice, bob)


@flow("1001", "1002", plan=plan)
def test_2_3_music_on_hold(sim, alice, bob):
    talk_begins(sim, alice, bob, "1002")
    bob.holds()
    sim.until(lambda: alice.call.held and bob.may_offer)
    assert alice.hears(sim.library.prompt("music/hold"), within=60)
    bob.resumes()
    sim.until(lambda: not alice.call.held and bob.may_offer)
    assert sim.talk(alice, bob)
    talk_ends(sim, bob, alice)


@flow("1001", "1002", "1003", plan=plan)
def test_2_4_transfer_unattended(sim, alice, bob, carol):
    talk_begins(sim, alice, bob, "1002")
    sim.until(lambda: bob.may_offer)
    transfer = Transfer(bob, "sip:1003@10.0.0.1")
    sim.until(lambda: carol.ringing)
    carol.answers()
    sim.until(lambda: transfer.over and bob.idle)
    sim.advance(16)
    assert sim.talk(alice, carol)
    talk_ends(sim, carol, alice)


@flow("1001", "1002", "1003", plan=plan)
def test_2_5_transfer_attended(sim, alice, bob, carol):
    talk_begins(sim, alice, bob, "1002")
    bob.holds()
    sim.until(lambda: alice.call.held and bob.may_offer)
    first, bob.call = bob.call, None
    talk_begins(sim, bob, carol, "1003")
    transfer = refer(bob, first, bob.call)
    sim.until(lambda: transfer.over and bob.idle)
    sim.advance(16)
    assert transfer.status == 200
    assert sim.talk(alice, carol)
    talk_ends(sim, alice, carol)


@flow("1001", "1002", "1003", plan=plan)
def test_2_7_call_forwarding_unconditional(sim, alice, bob, carol):
    sim.exchange.directory.change("1002", "forward_always", "711003")
    talk_begins(sim, alice, carol, "711002")
    assert bob.call is None
    talk_ends(sim, carol, alice)


@flow("1001", "1002", "1003", plan=plan)
def test_2_8_call_forwarding_busy(sim, alice, bob, carol):
    sim.exchange.directory.change("1002", "forward_busy", "711003")
    bob.busy = True
    talk_begins(sim, alice, carol, "711002")
    talk_ends(sim, alice, carol)
    assert bob.idle


@flow("1001", "1002", "1003", plan=plan)
def test_2_9_call_forwarding_no_answer(sim, alice, bob, carol):
    sim.exchange.directory.change("1002", "forward_no_answer", "711003")
    sim.exchange.directory.change("1002", "forward_no_answer_after", 8)
    alice.invites("711002")
    sim.until(lambda: bob.ringing)
    sim.until(lambda: carol.ringing)
    sim.until(lambda: bob.idle)
    carol.answers()
    sim.until(lambda: alice.talking)
    sim.advance(8)
    assert sim.talk(alice, carol)
    talk_ends(sim, carol, alice)


def all_talk(sim, *phones):
    """Each hears both others, and not itself."""
    tones = (440.0, 600.0, 910.0)[: len(phones)]
    sim.advance(4)
    say(sim, phones, tones)
    for place, phone in enumerate(phones):
        shares = [heard(phone, tone) for tone in tones]
        assert shares.pop(place) < 0.01 and min(shares) > 0.3
    for phone in phones:
        phone.hangs_up()
    sim.until(lambda: all(phone.idle for phone in phones))


@flow("1001", "1002", "1003", plan=plan)
def test_2_10_three_way_conference_third_party_is_added(sim, alice, bob, carol):
    talk_begins(sim, bob, alice, "1001")
    sim.until(lambda: alice.may_offer)
    transfer = Transfer(alice, "sip:690@10.0.0.1")
    sim.until(lambda: transfer.over and alice.idle)
    sim.advance(2)  # a phone that has lost its connection is back by then
    talk_begins(sim, carol, alice, "1001")
    sim.until(lambda: alice.may_offer)
    transfer = Transfer(alice, "sip:690@10.0.0.1")
    sim.until(lambda: transfer.over and alice.idle)
    alice.invites("690")
    sim.until(lambda: alice.talking)
    all_talk(sim, alice, bob, carol)


@flow("1001", "1002", "1003", plan=plan)
def test_2_11_three_way_conference_third_party_joins(sim, alice, bob, carol):
    for phone in (alice, bob):
        phone.invites("690")
        sim.until(lambda phone=phone: phone.talking)
    carol.invites("690")
    sim.until(lambda: carol.talking)
    all_talk(sim, alice, bob, carol)


@flow("1001", "1002", "1003", plan=plan)
def test_2_12_find_me(sim, alice, bob, carol):
    alice.invites("702")
    sim.until(lambda: bob.ringing and carol.ringing)
    carol.answers()
    sim.until(lambda: alice.talking)
    sim.until(lambda: bob.idle)
    sim.advance(8)
    assert sim.talk(alice, carol)
    talk_ends(sim, alice, carol)


@flow("1001", "1002", "1003", plan=plan)
def test_2_13_incoming_call_screening(sim, alice, bob, carol):
    alice.invites("703")
    sim.until(lambda: alice.idle)
    assert alice.call.status == 603
    assert bob.call is None
    talk_begins(sim, carol, bob, "703")
    talk_ends(sim, carol, bob)


@flow("1001", plan=plan)
def test_2_14_outgoing_call_screening(sim, alice):
    alice.invites("90900123456")
    sim.until(lambda: alice.idle)
    assert alice.call.status == 403


@flow("1001", "1002", "1003", plan=plan)
def test_2_15_call_park(sim, alice, bob, carol):
    talk_begins(sim, alice, bob, "1002")
    transfer = Transfer(bob, "sip:799@10.0.0.1")
    sim.until(lambda: transfer.over and bob.idle)
    assert transfer.status == 200
    sim.advance(4)
    carol.invites("799")
    sim.until(lambda: carol.talking)
    sim.advance(16)
    assert sim.talk(alice, carol)
    talk_ends(sim, carol, alice)


@flow("1001", "1002", "1002", plan=plan)
def test_2_16_call_pickup(sim, alice, bob, bill):
    alice.invites("1002")
    sim.until(lambda: bob.ringing and bill.ringing)
    sim.advance(2)
    bill.call = None
    picks_up(bill, bob.call)
    sim.until(lambda: bill.talking and alice.talking and bob.idle)
    sim.advance(8)
    assert sim.talk(alice, bill)
    talk_ends(sim, alice, bill)


@over_udp("1001", "1002", "1003", plan=plan)
def test_2_17_automatic_redial(sim, alice, bob, carol):
    talk_begins(sim, bob, carol, "1003")
    key = LampKey(alice, "1002")
    sim.until(lambda: key.state == "busy")
    talk_ends(sim, carol, bob)
    sim.until(lambda: key.state == "idle")
    talk_begins(sim, alice, bob, "1002")
    key.watch.ends()
    talk_ends(sim, alice, bob)
