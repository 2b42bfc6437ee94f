"""Accounts whose password many sources guess: their owners go on, and each source has one guess."""

from __future__ import annotations

from pbx.sip.digest import Challenge
from pbx.testing.exchange import SimulatedExchange
from tests.flows.doors import final, guesses, plan
from tests.flows.office import ACCOUNTS, office
from tests.flows.raw import Raw


def guarded(sim: SimulatedExchange) -> None:
    """Have 31 sources try a wrong password each, so that 1001 is guarded."""
    for n in range(31):
        guesses(sim, 1, host=f"10.0.7.{n + 1}")
    assert sim.exchange.doors.log.counts["account-guarded"] == 1
    assert sim.exchange.doors.bans.listed() == []


def test_owner_of_a_guarded_account_registers_from_anywhere():
    sim, (alice,) = office("1001", plan=plan)
    guarded(sim)
    traveller = sim.phone("1001", host="10.0.8.8")
    assert traveller.registered
    alice.registers()
    sim.advance(1)
    assert alice.register_status == 200
    sim.assert_idle()


def test_guarded_account_is_guessed_once_by_each_source():
    sim, _ = office("1001", plan=plan)
    guarded(sim)
    mallory = guesses(sim, 1)
    assert [ban.address for ban in sim.exchange.doors.bans.listed()] == [mallory.address[0]]
    assert mallory.register_status == 403
    mallory.password = ACCOUNTS["1001"]
    mallory.registers()
    sim.advance(1)
    assert not mallory.registered
    sim.advance(120)
    sim.assert_idle()


def test_registered_phone_with_a_wrong_password_for_a_guarded_account_goes_on():
    sim, (bob,) = office("1002", plan=plan)
    alice = sim.phone("1003")
    guarded(sim)
    alice.number, alice.password = "1001", "guess"
    alice.registers()
    sim.advance(1)
    assert alice.register_status == 401
    alice.number, alice.password = "1003", ACCOUNTS["1003"]
    assert final(sim, alice, "1002") == (200, "")
    assert bob.call is not None
    sim.assert_idle()


def test_forged_datagrams_do_not_guard_an_account():
    sim, _ = office("1001", plan=plan)
    for n in range(60):
        invented = Challenge("pbx", "0" * 46).answer("1001", "guess", "REGISTER", "sip:10.0.0.1")
        Raw(sim, f"10.0.7.{n + 1}").sends(
            "REGISTER",
            "sip:10.0.0.1",
            sender="<sip:1001@10.0.0.1>;tag=1",
            branch=f"z9hG4bK{n}",
            cseq=n + 1,
            fields=(f"Authorization: {invented}",),
        )
        sim.advance(0.125)
    assert sim.exchange.doors.log.counts["authentication-failed"] == 60
    assert sim.exchange.doors.log.counts["account-guarded"] == 0
