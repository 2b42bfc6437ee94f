"""What is lost by name, once or for ever, and when it is given up: 64*T1 after it was needed (RFC 3261 13.3.1.4,
15.1.1, 17.1). That every single loss is survived is shown by each flow; here are the times, and the losses without end.
"""

from __future__ import annotations

import pytest

from pbx.sip.timers import T1
from tests.counts import count
from tests.flows import test_calls, test_forks, test_renegotiation
from tests.flows.office import office, run_anyhow

GIVEN_UP = 64 * T1  # seconds
DELAY = 1 / 128  # seconds that a datagram takes


@pytest.mark.parametrize(("number", "seconds", "status"), [("1002", 20, 480), ("81002", GIVEN_UP, 408)])
def test_callee_that_has_vanished_is_given_up(number, seconds, status):
    sim, (alice, bob) = office("1001", "1002")
    bob.vanishes()
    alice.invites(number)
    begun_at = sim.clock.seconds()
    sim.until(lambda: alice.idle)
    assert sim.clock.seconds() - begun_at == pytest.approx(seconds + 2 * DELAY)
    assert alice.call.status == status
    sim.assert_idle()


def test_lost_200_comes_again():
    sim, alice, bob = ringing()
    sim.network.loses("200 INVITE", source=bob.host, times=3)
    bob.answers()
    sim.until(lambda: alice.talking, within=4)
    assert sim.talk(alice, bob)
    alice.hangs_up()
    sim.until(lambda: bob.idle)
    sim.assert_idle()


@pytest.mark.parametrize("target", ["alice", "exchange"])
def test_200_that_never_arrives_ends_the_call(target):
    sim, alice, bob = ringing()
    sim.network.loses("200 INVITE", target=alice.host if target == "alice" else sim.host, times=None)
    bob.answers()
    sim.until(lambda: bob.idle and alice.idle, within=64)
    # Had it been for the caller to be told, it heard nothing but ringing; the dialplan's patience was over after 20 s.
    assert alice.call.status == (480 if target == "exchange" else 0)
    sim.assert_idle()


def test_lost_ack_is_sent_again_for_the_200_that_comes_again():
    sim, alice, bob = ringing()
    sim.network.loses("ACK", times=4)
    bob.answers()
    sim.until(lambda: alice.talking)
    sim.advance(16)
    assert sim.talk(alice, bob)
    assert acks_to(sim, bob) == 3
    bob.hangs_up()
    sim.until(lambda: alice.idle)
    sim.assert_idle()


def test_caller_that_never_acknowledges_is_hung_up():
    sim, alice, bob = ringing()
    sim.network.loses("ACK", source=alice.host, times=None)
    bob.answers()
    sim.until(lambda: alice.talking)
    answered_at = sim.clock.seconds() - DELAY
    sim.until(lambda: alice.idle and bob.idle)
    assert sim.clock.seconds() == pytest.approx(answered_at + GIVEN_UP + DELAY)
    assert (alice.call.ended_by, bob.call.ended_by) == ("them", "them")
    sim.assert_idle()


def test_callee_that_hears_no_acknowledgement_hangs_up():
    sim, alice, bob = ringing()
    sim.network.loses("ACK", target=bob.host, times=None)
    bob.answers()
    sim.until(lambda: alice.idle and bob.idle)
    assert alice.call.ended_by == "them"
    sim.assert_idle()


@pytest.mark.parametrize("times", [5, None])
def test_bye_that_is_lost_ends_the_call_all_the_same(times):
    sim, alice, bob = talking()
    sim.network.loses("BYE", target=bob.host, times=times)
    alice.hangs_up()
    sim.advance(DELAY)
    assert sim.exchange.figures()["calls"] == 0
    sim.advance(GIVEN_UP)
    assert bob.idle is (times is not None)
    if not bob.idle:
        bob.hangs_up()
    sim.assert_idle()


def test_bye_without_an_answer_is_given_up():
    sim, alice, bob = talking()
    sim.network.loses("200 BYE", times=None)
    alice.hangs_up()
    sim.until(lambda: bob.idle)
    sim.assert_idle()


def test_callee_that_is_gone_when_hung_up():
    sim, alice, bob = talking()
    bob.vanishes()
    alice.hangs_up()
    sim.advance(GIVEN_UP + 1)
    assert sim.exchange.figures()["sessions"] == 0
    bob.hangs_up()
    sim.assert_idle()


def test_cancelled_callee_that_never_ends_its_invite_is_given_up():
    sim, alice, bob = ringing()
    sim.network.loses("487 INVITE", source=bob.host, times=None)
    alice.hangs_up()
    sim.advance(GIVEN_UP + 1)
    assert sim.exchange.figures()["sessions"] == 0
    sim.assert_idle()


def test_caller_that_vanishes_while_it_rings_costs_the_callee_20_s():
    sim, alice, bob = ringing()
    alice.vanishes()
    sim.until(lambda: bob.idle, within=20)
    alice.hangs_up()
    sim.assert_idle()


def test_caller_that_vanishes_as_the_callee_answers():
    sim, alice, bob = ringing()
    alice.vanishes()
    bob.answers()
    sim.until(lambda: bob.idle)
    alice.hangs_up()
    sim.assert_idle()


def test_renegotiation_that_never_ends_does_not_outlive_its_call():
    sim, alice, bob = talking()
    sim.network.loses("200 INVITE", source=bob.host, times=None)
    alice.holds()
    sim.advance(4)
    bob.vanishes()
    alice.hangs_up()
    bob.hangs_up()
    sim.assert_idle()


FLOWS = [
    (test_calls.test_callee_hangs_up, ("1001", "1002")),
    (test_forks.test_two_answers_cross, ("1001", "1002", "1002")),
    (test_renegotiation.test_caller_goes_from_one_callee_to_the_next, ("1001", "1002", "1003")),
    (test_renegotiation.test_attended_call_is_answered_at_once, ("1001", "1002")),
]


@pytest.mark.parametrize(("flow", "numbers"), FLOWS, ids=lambda value: getattr(value, "__name__", ""))
def test_network_that_loses_two_of_five_leaves_nothing_behind(flow, numbers):
    for seed in range(count(10, 500)):
        run_anyhow(flow.flow, numbers, loss=0.4, seed=seed)


def ringing():
    sim, (alice, bob) = office("1001", "1002")
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    sim.advance(1)
    return sim, alice, bob


def talking():
    sim, alice, bob = ringing()
    bob.answers()
    sim.until(lambda: bob.may_offer)
    sim.advance(1)
    return sim, alice, bob


def acks_to(sim, phone):
    return sum(datagram.kind == "ACK" and datagram.target[0] == phone.host for datagram in sim.network.sent)
