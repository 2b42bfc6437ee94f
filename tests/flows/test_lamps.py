"""Lamps beside the keys of phones (RFC 4235), through the whole exchange, on a network with faults."""

from __future__ import annotations

import pytest

from pbx.dialplan.switches import Switches
from pbx.exchange.accounts import Accounts
from pbx.exchange.switch import Switch
from pbx.sip.headers import EVENT
from pbx.testing.lamp_key import LampKey
from tests.flows.office import flow, office


def over(sim, *keys):
    """Nobody looks any more."""
    for key in keys:
        key.watch.ends()
    sim.until(lambda: sim.exchange.figures()["subscriptions"] == 0)


@flow("1001", "1002")
def test_lamp_tells_an_extension_without_a_phone_from_one_that_is_idle(sim, alice, bob):
    key = LampKey(alice, "1002")
    sim.until(lambda: key.state == "idle")
    bob.registers(0)
    sim.until(lambda: key.state == "unregistered")
    bob.registers()
    sim.until(lambda: key.state == "idle")
    over(sim, key)


def test_registration_that_expires_puts_out_the_lamp_and_a_second_phone_changes_nothing():
    sim, (alice, bob) = office("1001", "1002")
    key = LampKey(alice, "1002")
    sim.until(lambda: key.state == "idle")
    sim.phone("1002")
    bob.registers(0)
    sim.advance(5)
    assert len(key.watch.states) == 1
    sim.advance(3600)
    sim.until(lambda: key.state == "unregistered", within=5)
    over(sim, key)
    sim.assert_idle()


@flow("1001")
def test_switch_has_a_lamp_by_its_code(sim, alice):
    switches = Switches([Switch("night", code="*60")])
    sim.exchange.show_switches(switches)
    key = LampKey(alice, "*60")
    sim.until(lambda: key.state == "idle")
    switches.turn("night", True)
    sim.until(lambda: key.state == "busy")
    switches.replace([Switch("night", False, "*60")])  # by SQL, or by the `pbx` command ...
    switches.kept(Switch("night", True, "*60"))
    switches.replace([Switch("night", False, "*60")])  # ... once what the phone did is written
    sim.until(lambda: key.state == "idle")
    over(sim, key)


def test_switch_that_is_removed_or_has_another_code_ends_what_watches_it():
    sim, (alice,) = office("1001")
    switches = Switches([Switch("night", code="*60"), Switch("day", code="*61")])
    sim.exchange.show_switches(switches)
    keys = [LampKey(alice, code) for code in ("*60", "*61")]
    sim.until(lambda: all(key.state for key in keys))
    switches.replace([Switch("night", code="*62")])
    sim.until(lambda: all(key.watch.over for key in keys))
    assert [key.watch.over for key in keys] == ["noresource", "noresource"]
    over(sim, *keys)
    sim.assert_idle()


def test_extension_that_is_removed_ends_what_watches_it():
    sim, (alice, bob) = office("1001", "1002")
    key = LampKey(alice, "1002")
    sim.until(lambda: key.state)
    alone = sim.exchange.directory.find("1001")
    sim.exchange.replace_accounts(Accounts([alone]))
    sim.until(lambda: key.watch.over == "noresource")
    over(sim, key)
    sim.assert_idle()


@pytest.mark.parametrize("number", ["1999", "*60", "600", ""])
def test_where_there_is_nothing_there_is_no_lamp(number):
    sim, (alice,) = office("1001")
    key = LampKey(alice, number)
    sim.until(lambda: key.watch.over)
    assert (key.watch.status, key.state) == (404, "")
    sim.assert_idle()


def test_phone_that_subscribes_a_thousand_times_gets_so_many_lamps_and_the_others_theirs():
    sim, (alice, bob) = office("1001", "1002")
    keys = []
    for _ in range(20):
        keys += [LampKey(alice, "1002") for _ in range(50)]
        sim.advance(1)
    assert sim.exchange.figures()["subscriptions"] == 500
    assert {key.watch.status for key in keys[500:]} <= {403, 503}  # too many; or too many at a time
    other = LampKey(bob, "1001")
    sim.until(lambda: other.state == "idle")
    over(sim, other, *keys[:500])
    sim.assert_idle()


def test_dialog_is_among_what_can_be_watched():
    sim, (alice,) = office("1001")
    reply = alice.asks("SUBSCRIBE", "1002", (EVENT.field("dialog;sla"), EVENT.field("nonsense")))
    sim.until(lambda: reply.status)
    assert reply.status in (400, 489)
    reply = alice.asks("SUBSCRIBE", "1002", (EVENT.field("nonsense"),))
    sim.until(lambda: reply.status)
    assert (reply.status, "dialog" in reply.field("allow-events").split(", ")) == (489, True)
    sim.assert_idle()
