"""PINs of mailboxes in virtual time: whom they let in, who is locked out, and how they are changed."""

from __future__ import annotations

from pbx.testing.exchange import SimulatedExchange
from tests.flows.voicemail import calls, forget, hears, leaves, sim

__all__ = ["sim"]


def test_pin_is_asked_for_and_lets_in(sim: SimulatedExchange) -> None:
    alice = sim.phone("1001")
    leaves(sim, alice, "sales", 2.0, 600)
    bob = calls(sim, "1002", "*98")
    assert bob.hears("enter-pin")
    bob.presses("1357#")
    assert bob.hears("wrong-pin")
    bob.presses("2468#")
    assert hears(bob, "new-message", "main")
    bob.hangs_up()
    sim.advance(1)


def test_mailbox_without_a_pin_is_closed_to_others(sim: SimulatedExchange) -> None:
    """Also one that does not exist: nobody learns which ones do."""
    mallory = calls(sim, "1003", "21002")
    assert mallory.hears("not-available")
    mallory.presses("*")
    assert mallory.hears("enter-pin")
    mallory.presses("0000#")
    assert mallory.hears("wrong-pin")
    mallory.hangs_up()
    sim.advance(1)


def test_who_guesses_is_locked_out_and_not_the_owner(sim: SimulatedExchange) -> None:
    mallory = calls(sim, "1003", "*98")
    for _ in range(3):
        forget(mallory)
        assert mallory.hears("enter-pin")
        mallory.presses("1111#")
        assert mallory.hears("wrong-pin")
    sim.until(lambda: mallory.idle)
    mallory.invites("*98")
    assert hears(mallory, "locked")
    sim.until(lambda: mallory.idle)
    bob = calls(sim, "1002", "*98")
    assert bob.hears("enter-pin")
    bob.presses("2468#")
    assert hears(bob, "main")
    bob.hangs_up()
    sim.advance(60)
    mallory.invites("*98")
    assert mallory.hears("enter-pin")
    mallory.presses("1111#")
    assert hears(mallory, "locked")
    mallory.hangs_up()
    sim.advance(1)


def test_pin_is_changed_by_phone(sim: SimulatedExchange) -> None:
    bob = calls(sim, "1002")
    assert hears(bob, "main")
    bob.presses("0")
    for first, second, said in (("1111", "", "no-pin"), ("1234", "4321", "other-pin"), ("1234", "1234", "pin-changed")):
        forget(bob)
        bob.presses("5")
        assert hears(bob, "new-pin")
        bob.presses(f"{first}#")
        if second:
            assert hears(bob, "again-pin")
            bob.presses(f"{second}#")
        assert hears(bob, said)
    bob.hangs_up()
    sim.advance(1)
    bob.invites("*97")
    assert bob.hears("enter-pin")
    bob.presses("1234#")
    assert hears(bob, "main")
    bob.hangs_up()
    sim.advance(1)


def test_guesses_of_many_calls_at_once_are_counted_together(sim: SimulatedExchange) -> None:
    """Who was asked for the PIN before the mailbox was closed does not get in afterwards, not even by the right one."""
    guessers = [sim.phone(number) for number in ("1001", "1003", "1004")]
    late = sim.phone("1004")
    for phone in [*guessers, late]:
        phone.invites("*98")
    assert late.hears("enter-pin")
    for phone in guessers:
        phone.presses("1111#")
    late.presses("2468#")
    assert hears(late, "!wrong-pin", "locked")
    for phone in [*guessers, late]:
        sim.until(lambda phone=phone: phone.idle, within=30)  # type: ignore[misc]
    voicemail = sim.exchange.voicemail
    assert voicemail.is_closed("sales", owner=False) and not voicemail.is_closed("sales", owner=True)
