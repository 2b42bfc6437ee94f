"""What the record of a call tells of those who come to it and leave it on other ways than by dialling and answering."""

from __future__ import annotations

from pbx.testing.watch import Transfer
from tests.flows.office import office
from tests.flows.openings import connect, consult, picks_up, refer


def told(record) -> tuple[str, str, str, str]:
    return record.cause, record.caller, record.reached, record.sentence


def tried(record) -> list[tuple[str, str, int, str]]:
    return [(attempt.target, attempt.address, attempt.code, attempt.text) for attempt in record.attempts]


def test_who_has_picked_up_is_reached() -> None:
    sim, (alice, bob, desk) = office("1001", "1002", "1002")
    alice.invites("1002")
    sim.until(lambda: bob.ringing and desk.ringing)
    sim.advance(2)
    desk.call = None
    picks_up(desk, bob.call)
    sim.until(lambda: desk.talking and alice.talking and bob.idle)
    sim.advance(8)
    desk.hangs_up()
    sim.assert_idle()
    (record,) = sim.records.rows
    assert told(record) == ("callee-hung-up", "1001", "1002", "1001 and 1002 talked for 8 s; 1002 hung up")
    assert tried(record)[-1] == ("1002", f"{desk.host}:5060", 200, "joined without being rung")
    assert record.attempts[-1].ended_at == record.ended_at


def test_who_is_transferred_calls_in_the_name_of_the_transferor() -> None:
    sim, (alice, bob, carol) = office("1001", "1002", "1003")
    connect(sim, alice, bob)
    transfer = Transfer(bob, "sip:1003@10.0.0.1")
    sim.until(lambda: carol.ringing)
    carol.answers()
    sim.until(lambda: transfer.over and alice.talking and carol.talking)
    sim.advance(8)
    alice.hangs_up()
    sim.assert_idle()
    record = sim.records.rows[-1]
    sentence = "1001 and 1003 talked for 8 s; 1001 hung up; transferred by 1002"
    assert told(record) == ("caller-hung-up", "1002", "1003", sentence)
    assert record.transferred == "1001" and sim.records.rows[0].transferred == ""


def test_transferor_has_the_call_back() -> None:
    sim, (alice, bob, carol) = office("1001", "1002", "1003")
    carol.busy = True
    connect(sim, alice, bob)
    transfer = Transfer(bob, "sip:1003@10.0.0.1")
    sim.until(lambda: transfer.over)
    back_at = sim.clock.seconds()
    sim.advance(16)
    bob.hangs_up()
    sim.assert_idle()
    record = sim.records.rows[-1]
    sentence = "1001 and 1002 talked for 16 s; 1002 hung up; transferred by 1002"
    assert told(record) == ("callee-hung-up", "1002", "1002", sentence)
    assert abs(record.answered_at - back_at) < 0.25
    assert [attempt.code for attempt in record.attempts] == [486, 200]


def test_transferor_who_has_left_is_rung_and_has_the_call_back() -> None:
    sim, (alice, bob, carol) = office("1001", "1002", "1003")
    connect(sim, alice, bob)
    Transfer(bob, "sip:1003@10.0.0.1")
    sim.until(lambda: carol.ringing)
    bob.hangs_up()
    sim.advance(1)
    carol.declines()
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: alice.talking and bob.talking)
    back_at = sim.clock.seconds()
    sim.advance(8)
    alice.hangs_up()
    sim.assert_idle()
    record = sim.records.rows[-1]
    assert (record.cause, record.reached, record.transferred) == ("caller-hung-up", "1002", "1001")
    assert abs(record.answered_at - back_at) < 0.25


def test_caller_leaves_its_call_to_the_two_others() -> None:
    sim, (alice, bob, carol) = office("1001", "1002", "1003")
    connect(sim, alice, bob)
    first, second = consult(sim, alice, carol)
    transfer = refer(alice, first, second)
    sim.until(lambda: transfer.over and first.state == second.state == "over")
    sim.advance(16)
    bob.hangs_up()
    sim.assert_idle()
    record = sim.records.rows[-1]
    assert (record.cause, record.caller, record.ended_by) == ("caller-hung-up", "1001", "caller")
    assert {record.transferred, record.reached} == {"1002", "1003"} and record.transferred == "1002"
    assert record.sentence.endswith("; 1002 hung up; transferred by 1001")


def test_seconds_on_hold_are_counted_for_each_end() -> None:
    sim, (alice, bob) = office("1001", "1002")
    connect(sim, alice, bob)
    for phone, seconds in ((alice, 8), (bob, 16)):
        sim.until(lambda: alice.may_offer and bob.may_offer)
        phone.holds()
        sim.until(lambda: alice.may_offer and bob.may_offer)
        sim.advance(seconds)
        phone.resumes()
        sim.advance(1)
    alice.hangs_up()
    sim.assert_idle()
    (record,) = sim.records.rows
    assert abs(record.caller_held - 8) < 0.5 and abs(record.callee_held - 16) < 0.5
    assert "on hold" not in record.sentence


def test_who_hangs_up_on_hold_has_been_on_hold_to_the_end() -> None:
    sim, (alice, bob) = office("1001", "1002")
    connect(sim, alice, bob)
    sim.until(lambda: bob.may_offer)
    bob.holds()
    sim.until(lambda: alice.call.held)
    sim.advance(32)
    alice.hangs_up()
    sim.assert_idle()
    (record,) = sim.records.rows
    assert record.sentence.endswith("; 1001 hung up; 1002 had the other one on hold")
    assert abs(record.callee_held - 32) < 0.5 and record.caller_held == 0


def test_phone_that_is_not_registered_is_an_attempt_beside_one_that_answers() -> None:
    sim, (alice, bob) = office("1001", "1002")
    alice.invites("601")
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: alice.talking)
    alice.hangs_up()
    sim.assert_idle()
    (record,) = sim.records.rows
    assert tried(record) == [("1002", f"{bob.host}:5060", 200, "OK"), ("1003", "", 480, "not registered")]
    assert record.attempts[1].began_at == record.attempts[1].ended_at
    assert [attempt.place for attempt in record.attempts] == [1, 2]


def test_extension_that_is_not_registered_is_an_attempt() -> None:
    sim, (alice,) = office("1001")
    alice.invites("1002")
    sim.until(lambda: alice.idle)
    sim.assert_idle()
    (record,) = sim.records.rows
    assert record.cause == "not-registered" and tried(record) == [("1002", "", 480, "not registered")]
