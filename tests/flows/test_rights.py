"""What a caller may do: classes of service, limits of an account, TLS only; and strangers, who may call and no more."""

from __future__ import annotations

import pytest

from pbx.exchange.thresholds import Thresholds
from tests.flows.doors import final, permit, plan
from tests.flows.office import office
from tests.flows.raw import Raw


@pytest.mark.parametrize("method", ["MESSAGE", "PUBLISH", "REFER", "SUBSCRIBE"])
def test_stranger_asks_for_nothing_but_calls(method):
    sim, _ = office("1002", plan=plan)
    zoe = Raw(sim)
    for n, number in enumerate(("1002", "9999", "welcome")):
        zoe.sends(method, f"sip:{number}@10.0.0.1", branch=f"z9hG4bK{n}", call_id=f"{n}", fields=("Event: presence",))
    sim.advance(1)
    assert zoe.statuses == [403, 403, 403]
    zoe.close()
    sim.assert_idle()


def test_outbound_call_needs_the_word_of_its_route():
    sim, (alice, _) = office("1001", "1002", plan=plan)
    assert final(sim, alice, "0123")[0] == 403
    permit(sim, "1001", class_of_service=frozenset(("national",)))
    assert final(sim, alice, "0123") == (200, "")
    assert final(sim, alice, "00441234")[0] == 403
    assert sim.exchange.doors.log.counts == {"class-of-service": 2}
    sim.assert_idle()


def test_extension_that_has_its_calls_gets_403_and_the_reason():
    sim, (alice, _, carol, _) = office("1001", "1002", "1003", "1004", plan=plan)
    permit(sim, "1001", max_calls=1)
    first = alice.invites("1002")
    sim.until(lambda: 180 in first.progress)
    again = sim.phone("1001", host="10.0.8.8")
    assert final(sim, again, "1003") == (403, "Too many calls at once")
    assert sim.exchange.doors.log.counts == {"calls-at-once": 1}
    assert final(sim, carol, "1004") == (200, "")
    alice.call = first
    alice.hangs_up()
    sim.advance(1)
    assert final(sim, again, "1003") == (200, "")
    sim.assert_idle()


@pytest.mark.parametrize(
    ("thresholds", "event", "reason"),
    [
        (Thresholds(calls_per_hour=2), "calls-per-hour", "Too many calls this hour"),
        (Thresholds(destinations_per_hour=2), "destinations-per-hour", "Too many numbers called this hour"),
    ],
)
def test_extension_that_has_called_enough_gets_403_until_later(thresholds, event, reason):
    sim, (alice, _, _, _) = office("1001", "1002", "1003", "1004", plan=plan, thresholds=thresholds)
    assert final(sim, alice, "1002") == (200, "")
    assert final(sim, alice, "1003") == (200, "")
    assert final(sim, alice, "1004") == (403, reason)
    assert sim.exchange.doors.log.counts == {event: 1}
    sim.advance(3000)
    alice.registers()
    sim.phones[3].registers()
    sim.advance(700)
    assert final(sim, alice, "1004") == (200, "")
    sim.assert_idle()


def test_account_that_asks_too_much_gets_503_and_the_others_do_not():
    sim, (bob,) = office("1002", plan=plan, thresholds=Thresholds(account_requests_per_second=1))
    alice = sim.phone("1001")
    for _ in range(70):
        alice.registers()
        sim.advance(0.125)
    assert alice.register_status == 503
    bob.registers()
    sim.advance(1)
    assert bob.register_status == 200
    assert sim.exchange.doors.log.counts["requests-exceeded"] > 0
    sim.assert_idle()


def test_tls_only_extension_gets_403_elsewhere_once_it_has_proven_who_it_is():
    sim, _ = office("1002", plan=plan)
    permit(sim, "1001", tls_only=True)
    over_udp = sim.phone("1001")
    assert (over_udp.registered, over_udp.register_status) == (False, 403)
    assert final(sim, over_udp, "1002") == (403, "TLS only")
    guessing = sim.phone("1001", password="guess")
    assert guessing.register_status == 401
    over_tls = sim.phone("1001", transport="TLS")
    assert over_tls.registered
    assert final(sim, over_tls, "1002") == (200, "")
    assert sim.exchange.doors.log.counts["tls-missing"] == 2
    sim.assert_idle()


def test_phone_that_has_registered_before_tls_was_wanted_is_rung_over_tls_or_not_at_all():
    sim, (alice, bob) = office("1001", "1002", plan=plan)
    assert final(sim, alice, "1002") == (200, "")
    permit(sim, "1002", tls_only=True)
    assert final(sim, alice, "1002")[0] == 480
    over_tls = sim.phone("1002", transport="TLS")
    call = alice.invites("1002")
    sim.until(lambda: over_tls.ringing)
    sim.advance(1)
    assert bob.idle
    over_tls.answers()
    sim.until(lambda: alice.talking)
    assert call.status == 200
    alice.hangs_up()
    sim.until(lambda: over_tls.idle)
    sim.assert_idle()
