"""Keys between phones that tell of them in different ways: each arrives once, in the way that its receiver knows."""

from __future__ import annotations

import pytest

from pbx.dialplan import Call, Plan, ext
from pbx.testing.exchange import SimulatedExchange
from pbx.testing.phone_call import PhoneCall
from pbx.testing.watch import Transfer
from tests.flows.office import ACCOUNTS, flow, office
from tests.flows.office import plan as office_plan


def talks(sim, alice, bob, number="1002"):
    alice.invites(number)
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: alice.talking and bob.talking)
    sim.advance(0.5)  # the ACK may come late


def ends(sim, alice, bob):
    alice.hangs_up()
    sim.until(lambda: bob.idle)


def relayed(keys):
    return [("INFO", f"Signal={key}\r\nDuration=100\r\n".encode()) for key in keys]


@flow("1001", "1002")
def test_info_is_heard_as_telephone_event(sim, alice, bob):
    alice.has_events = False
    talks(sim, alice, bob)
    for key in "15*":
        reply = alice.informs(f"Signal={key}\r\nDuration=100\r\n".encode(), "application/dtmf-relay")
        sim.until(lambda reply=reply: reply.status)
    sim.advance(1)
    assert (bob.call.sound.keys, bob.told) == ("15*", [])
    ends(sim, alice, bob)


@flow("1001", "1002")
def test_telephone_event_is_told_by_info(sim, alice, bob):
    bob.has_events = False
    talks(sim, alice, bob)
    alice.presses("15*")
    sim.until(lambda: len(bob.told) >= 3)
    sim.advance(0.5)
    assert bob.told == relayed("15*")  # in order, whatever is lost
    assert bob.call.sound.keys == ""
    ends(sim, alice, bob)


def test_both_ways_and_the_callee_presses_first():
    sim, (alice, bob) = office("1001", "1002")
    alice.has_events = False
    talks(sim, alice, bob)
    assert sim.talk(alice, bob)
    bob.presses("0#")
    alice.presses("D9", "INFO")
    sim.advance(0.5)
    assert (alice.told, bob.call.sound.keys) == (relayed("0#"), "D9")
    assert sim.talk(alice, bob)
    ends(sim, alice, bob)
    sim.assert_idle()


@pytest.mark.parametrize("number", ["1002", "91002"])
def test_after_hold_and_resume_keys_arrive_as_before(number):
    sim, (alice, bob) = office("1001", "1002")
    bob.has_events = False
    talks(sim, alice, bob, number)
    sim.advance(1)
    for phone in (alice, bob):
        phone.holds()
        sim.advance(1)
        phone.resumes()
        sim.advance(1)
    alice.presses("12")
    bob.presses("34", "INFO")
    sim.advance(0.5)
    assert (bob.told, alice.call.sound.keys) == (relayed("12"), "34")
    ends(sim, alice, bob)
    sim.assert_idle()


def test_a_phone_that_does_not_know_dtmf_relay_is_told_in_the_other_dialect():
    sim, (alice, bob) = office("1001", "1002")
    bob.has_events = False
    bob.takes = 415
    talks(sim, alice, bob)
    alice.presses("42")
    sim.advance(1)
    assert bob.told == [*relayed("4"), ("INFO", b"4"), ("INFO", b"2")]
    ends(sim, alice, bob)
    sim.assert_idle()


def test_a_phone_that_answers_no_info_is_not_told_the_rest():
    sim, (alice, bob) = office("1001", "1002")
    bob.has_events = False
    talks(sim, alice, bob)
    bob.vanishes()
    alice.presses("4242")
    sim.advance(40)
    alice.hangs_up()
    sim.advance(40)
    infos = {one.packet for one in sim.network.sent if one.kind == "INFO" and one.target[0] == bob.host}
    assert len(infos) == 1


@pytest.mark.parametrize("has_events", [True, False])
@pytest.mark.parametrize("order", [("events", "INFO"), ("INFO", "events")])
def test_a_phone_that_tells_in_both_ways_presses_each_key_once(order, has_events):
    sim, (alice, bob) = office("1001", "1002")
    bob.has_events = has_events
    talks(sim, alice, bob)
    for key in "1337":
        for form in order:
            if form == "events":
                alice.call.sound.presses(key)
            else:
                alice.informs(f"Signal={key}\r\nDuration=160\r\n".encode(), "application/dtmf-relay")
            sim.advance(0.02)
        sim.advance(0.48)
    told = [body.split(b"\r\n")[0] for _, body in bob.told]
    expected = [f"Signal={key}".encode() for key in "1337"]
    assert (bob.call.sound.keys, told) == (("1337", []) if has_events else ("", expected))
    ends(sim, alice, bob)
    sim.assert_idle()


@pytest.mark.parametrize("kind", ["application/dtmf-relay", "application/dtmf"])
def test_two_phones_that_both_tell_by_info_get_it_as_it_is(kind):
    sim, (alice, bob) = office("1001", "1002")
    alice.has_events = bob.has_events = False
    body = b"Signal=5\r\nDuration=160\r\n" if kind.endswith("relay") else b"5"
    talks(sim, alice, bob)
    reply = alice.informs(body, kind)
    sim.advance(0.5)
    assert (reply.status, bob.told) == (200, [("INFO", body)])
    ends(sim, alice, bob)
    sim.assert_idle()


def test_either_dialect_of_info_is_heard_between_phones_that_both_have_telephone_event():
    sim, (alice, bob) = office("1001", "1002")
    talks(sim, alice, bob)
    bodies = {"application/dtmf-relay": b"Signal=10\r\nDuration=160\r\n", "application/dtmf": b"5"}
    replies = [alice.informs(body, kind) for kind, body in bodies.items()]
    sim.advance(1)
    assert [reply.status for reply in replies] == [200, 200]
    assert (bob.call.sound.keys, bob.told) == ("*5", [])
    ends(sim, alice, bob)
    sim.assert_idle()


def test_who_is_on_hold_gets_the_key_by_info():
    sim, (alice, bob) = office("1001", "1002")
    talks(sim, alice, bob)
    bob.holds()
    sim.advance(1)
    alice.presses("5", "INFO")
    assert (bob.call.sound.keys, bob.told) == ("", relayed("5"))
    ends(sim, alice, bob)
    sim.assert_idle()


def test_keys_end_with_the_call():
    sim, (alice, bob) = office("1001", "1002")
    talks(sim, alice, bob)
    for _ in range(20):
        alice.informs(b"5", "application/dtmf")
    sim.advance(0.25)
    bob.hangs_up()
    sim.until(lambda: alice.idle)
    sim.assert_idle()


def test_keys_of_the_plan_count_whatever_the_other_phone_takes():
    plan = Plan()
    begun = []

    @plan.internal("<number:1XXX>")
    async def extension(call: Call, number: str) -> None:
        await call.dial(ext(number), timeout=20)

    @plan.in_call("*1")
    async def star(call: Call) -> None:
        begun.append(call.caller.number)

    for form in ("events", "INFO"):
        sim, (alice, bob) = office("1001", "1002", plan=plan)
        bob.has_events = False
        talks(sim, alice, bob)
        alice.presses("*1", form)
        sim.advance(1)
        assert begun == ["1001"]
        begun.clear()
        assert sim.talk(alice, bob)
        ends(sim, alice, bob)
        sim.assert_idle()


def test_a_transferred_call_is_converted_for_whom_it_reaches():
    sim, (alice, bob, carol) = office("1001", "1002", "1003")
    carol.has_events = False
    talks(sim, alice, bob)
    alice.presses("1")
    assert bob.call.sound.keys == "1"
    sim.until(lambda: bob.may_offer)
    transfer = Transfer(bob, "sip:1003@10.0.0.1")
    sim.until(lambda: carol.ringing)
    carol.answers()
    sim.until(lambda: transfer.over and bob.idle)
    sim.advance(16)
    alice.presses("2")
    carol.presses("3", "INFO")
    sim.advance(0.5)
    assert (carol.told, alice.call.sound.keys) == (relayed("2"), "3")
    ends(sim, alice, carol)


@pytest.mark.parametrize("mode", ["accept", "offer", "pass"])
def test_keys_in_srtp_are_converted_unless_it_passes_sealed(mode):
    sim = SimulatedExchange(office_plan, ACCOUNTS, srtp=mode)
    alice = sim.phone("1001", transport="TLS", srtp="required", has_events=False)
    bob = sim.phone("1002", transport="TLS", srtp="required")
    talks(sim, alice, bob)
    alice.presses("15", "INFO")
    bob.presses("7")
    sim.advance(0.5)
    if mode == "pass":  # nobody in between can put anything into it
        assert (bob.call.sound.keys, bob.told, alice.told) == ("", relayed("15"), [])
    else:
        assert (bob.call.sound.keys, bob.told, alice.told) == ("15", [], relayed("7"))
    assert sim.talk(alice, bob) and alice.call.sound.seal is not None
    ends(sim, alice, bob)
    sim.assert_idle()


def test_a_phone_that_writes_an_impossible_rate_presses_keys_and_is_heard(monkeypatch):
    """No duration of an event can be as long as its rate says (RFC 4733 2.3.5)."""
    sim, (alice, bob) = office("1001", "1002")
    alice.has_events = False
    describe = PhoneCall.describe
    monkeypatch.setattr(
        PhoneCall,
        "describe",
        lambda *said: describe(*said).replace(b"\r\na=send", b"\r\na=rtpmap:0 PCMU/999999999\r\na=send"),
    )
    talks(sim, alice, bob)
    assert sim.talk(alice, bob)
    alice.presses("12", "INFO")
    sim.advance(1)
    assert bob.call.sound.keys == "12"
    assert sim.talk(alice, bob)
    ends(sim, alice, bob)
    sim.assert_idle()
