"""Lamps beside the keys of phones (RFC 4235), through the whole exchange, on a network with faults."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from pbx.dialplan.switches import Switches
from pbx.exchange.accounts import Accounts
from pbx.exchange.switch import Switch
from pbx.sip.headers import EVENT, REPLACES
from pbx.testing.lamp_key import LampKey
from pbx.testing.watch import Transfer
from tests.flows.office import ACCOUNTS, flow, office
from tests.flows.openings import connect, consult, refer


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


@flow("1001", "1002", "1003")
def test_lamp_blinks_while_a_phone_rings_and_is_on_while_it_talks(sim, alice, bob, carol):
    """RFC 4235 3.7.1."""
    keys = [LampKey(carol, number) for number in ("1001", "1002")]
    sim.until(lambda: [key.state for key in keys] == ["idle", "idle"])
    alice.invites("1002")
    sim.until(lambda: [key.state for key in keys] == ["busy", "ringing"])
    bob.answers()
    sim.until(lambda: [key.state for key in keys] == ["busy", "busy"])
    bob.hangs_up()
    sim.until(lambda: [key.state for key in keys] == ["idle", "idle"])
    over(sim, *keys)


@flow("1001", "1002", "1003")
def test_lamp_is_that_of_whoever_still_rings(sim, alice, bob, carol):
    """Two rung at once: the one that answers is in a call, and the other idle."""
    keys = [LampKey(alice, number) for number in ("1002", "1003")]
    sim.until(lambda: [key.state for key in keys] == ["idle", "idle"])
    alice.invites("601")
    sim.until(lambda: [key.state for key in keys] == ["ringing", "ringing"])
    carol.answers()
    sim.until(lambda: [key.state for key in keys] == ["idle", "busy"])
    alice.hangs_up()
    sim.until(lambda: [key.state for key in keys] == ["idle", "idle"])
    over(sim, *keys)


@flow("1001", "1002", "1003")
def test_lamp_of_a_caller_who_gives_up(sim, alice, bob, carol):
    key = LampKey(carol, "1002")
    sim.until(lambda: key.state == "idle")
    alice.invites("1002")
    sim.until(lambda: key.state == "ringing")
    alice.hangs_up()
    sim.until(lambda: key.state == "idle")
    over(sim, key)


@flow("1001", "1002", "1003")
def test_lamp_tells_who_has_put_the_other_on_hold(sim, alice, bob, carol):
    """RFC 4235 5.2."""
    keys = [LampKey(carol, number) for number in ("1001", "1002")]
    sim.until(lambda: all(key.state == "idle" for key in keys))
    connect(sim, alice, bob)
    sim.until(lambda: alice.may_offer and all(key.state == "busy" for key in keys))
    alice.holds()
    sim.until(lambda: [key.state for key in keys] == ["on hold", "busy"])
    sim.until(lambda: alice.may_offer)
    alice.resumes()
    sim.until(lambda: all(key.state == "busy" for key in keys))
    sim.advance(16)
    bob.hangs_up()
    sim.until(lambda: all(key.state == "idle" for key in keys))
    over(sim, *keys)


@flow("1001", "1002", "1002", "1003")
def test_lamp_of_who_has_picked_up_the_call_stays_on(sim, alice, bob, desk, carol):
    """With what the lamp itself tells: the dialog that rings (RFC 3891)."""
    key, own = LampKey(carol, "1002"), LampKey(desk, "1002")
    sim.until(lambda: key.state == own.state == "idle")
    alice.invites("1002")
    sim.until(lambda: bob.ringing and desk.ringing and key.state == own.state == "ringing")
    sim.advance(2)
    desk.call = None
    dialogs = ElementTree.fromstring(own.watch.states[-1])
    theirs = next(one for one in dialogs if one.get("local-tag") == bob.call.session.dialog.local_tag)
    replaces = f"{theirs.get('call-id')};to-tag={theirs.get('remote-tag')};from-tag={theirs.get('local-tag')}"
    desk.invites("1002", more=(REPLACES.field(replaces),))
    sim.until(lambda: desk.talking and alice.talking and bob.idle)
    sim.advance(2)
    sim.until(lambda: key.state == "busy")
    desk.hangs_up()
    sim.until(lambda: alice.idle and key.state == own.state == "idle")
    over(sim, key, own)


@flow("1001", "1002", "1003")
def test_who_has_transferred_a_call_is_idle_and_who_talks_is_not(sim, alice, bob, carol):
    keys = [LampKey(carol, number) for number in ("1001", "1002", "1003")]
    sim.until(lambda: all(key.state == "idle" for key in keys))
    connect(sim, alice, bob)
    first, second = consult(sim, bob, carol)
    sim.until(lambda: all(key.state == "busy" for key in keys))
    refer(bob, first, second)
    sim.until(lambda: [key.state for key in keys] == ["busy", "idle", "busy"])
    sim.advance(16)
    alice.hangs_up()
    sim.until(lambda: all(key.state == "idle" for key in keys))
    over(sim, *keys)


def test_lamp_is_for_all_and_who_calls_is_not():
    sim, (alice, bob, carol) = office("1001", "1002", "1003")
    key = LampKey(carol, "1002")
    sim.until(lambda: key.state)
    alice.invites("1002")
    sim.until(lambda: key.state == "ringing", within=2)
    dialog = bob.call.session.dialog
    for secret in ("1001", *dialog.key):
        assert secret.encode() not in key.watch.states[-1]
    alice.hangs_up()
    sim.until(lambda: bob.idle)
    over(sim, key)
    sim.assert_idle()


def test_secretary_sees_who_calls_the_manager():
    sim, (alice, bob, carol) = office("1001", "1002", "1003")
    accounts = [extension for number in ACCOUNTS if (extension := sim.exchange.directory.find(number))]
    sim.exchange.replace_accounts(Accounts(accounts, permissions=frozenset([("1003", "1002")])))
    key = LampKey(carol, "1002")
    sim.until(lambda: key.state)
    alice.invites("1002")
    sim.until(lambda: key.state == "ringing", within=2)
    (element,) = ElementTree.fromstring(key.watch.states[-1])
    assert b'<identity display="Phone 1001">sip:1001@pbx</identity>' in key.watch.states[-1]
    assert tuple(element.get(name) for name in ("call-id", "local-tag", "remote-tag")) == bob.call.session.dialog.key
    bob.answers()
    sim.until(lambda: key.state == "busy", within=2)
    assert b"sip:1001@pbx" in key.watch.states[-1]
    bob.hangs_up()
    sim.until(lambda: key.state == "idle", within=2)
    over(sim, key)
    sim.assert_idle()


@pytest.mark.parametrize("number", ["600", "606", "690"])
def test_who_talks_to_the_exchange_itself_is_in_a_call(number):
    sim, (alice, bob) = office("1001", "1002")
    key = LampKey(bob, "1001")
    sim.until(lambda: key.state == "idle")
    alice.invites(number)
    sim.until(lambda: key.state == "busy", within=2)
    sim.until(lambda: alice.talking)
    alice.hangs_up()
    sim.until(lambda: key.state == "idle", within=2)
    over(sim, key)
    sim.assert_idle()


def test_change_costs_as_many_notifies_as_there_are_who_watch():
    sim, (alice, bob, carol, dave) = office("1001", "1002", "1003", "1004")
    keys = [LampKey(phone, "1002") for phone in (carol, dave)] + [LampKey(dave, "1003")]
    sim.until(lambda: all(key.state for key in keys))
    sim.advance(2)
    before = [len(key.watch.states) for key in keys]
    for _ in range(2):
        alice.invites("1002")
        sim.until(lambda: bob.ringing)
        sim.advance(2)
        bob.answers()
        sim.advance(2)
        bob.hangs_up()
        sim.advance(2)
    assert [len(key.watch.states) - seen for key, seen in zip(keys, before, strict=True)] == [6, 6, 0]
    for key in keys:
        versions = [ElementTree.fromstring(state).get("version") for state in key.watch.states]
        assert versions == [str(number) for number in range(len(versions))]
    over(sim, *keys)
    sim.assert_idle()


def test_lamp_is_told_at_most_once_a_second_and_then_what_counts():
    sim, (alice, bob, carol) = office("1001", "1002", "1003")
    key = LampKey(carol, "1002")
    sim.until(lambda: key.state)
    sim.advance(2)
    seen = len(key.watch.states)
    for _ in range(8):
        alice.invites("1002")
        sim.until(lambda: bob.ringing)
        alice.hangs_up()
        sim.until(lambda: bob.idle and alice.idle)
    sim.advance(2)
    assert len(key.watch.states) - seen <= 3
    assert key.state == "idle"
    over(sim, key)
    sim.assert_idle()


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
    sim, (alice, _) = office("1001", "1002")
    key = LampKey(alice, "1002")
    sim.until(lambda: key.state)
    alone = sim.exchange.directory.find("1001")
    sim.exchange.replace_accounts(Accounts([alone]))
    sim.until(lambda: key.watch.over == "noresource")
    over(sim, key)
    sim.assert_idle()


@pytest.mark.parametrize("number", ["2999", "*60", "1003", ""])
def test_where_there_is_nothing_there_is_no_lamp(number):
    sim, (alice,) = office("1001")
    extensions = [extension for number in ACCOUNTS if (extension := sim.exchange.directory.find(number))]
    sim.exchange.replace_accounts(Accounts([replace(one, enabled=one.number != "1003") for one in extensions]))
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


@flow("1001", "1002", "1003", "1004")
def test_lamps_of_a_blind_transfer_are_those_of_the_two_who_talk(sim, alice, bob, carol, dave):
    keys = [LampKey(dave, number) for number in ("1001", "1002", "1003")]
    sim.until(lambda: [key.state for key in keys] == ["idle", "idle", "idle"])
    connect(sim, alice, bob)
    sim.until(lambda: bob.may_offer)
    transfer = Transfer(bob, "sip:1003@10.0.0.1")
    sim.until(lambda: carol.ringing)
    carol.answers()
    sim.until(lambda: transfer.over and [key.state for key in keys] == ["busy", "idle", "busy"])
    sim.advance(16)
    alice.hangs_up()
    sim.until(lambda: [key.state for key in keys] == ["idle", "idle", "idle"])
    over(sim, *keys)


def test_lamp_of_a_transferor_who_has_the_call_back():
    sim, (alice, bob, carol, dave) = office("1001", "1002", "1003", "1004")
    key = LampKey(dave, "1002")
    carol.busy = True
    connect(sim, alice, bob)
    transfer = Transfer(bob, "sip:1003@10.0.0.1")
    sim.until(lambda: transfer.over and alice.talking and bob.talking)
    sim.advance(8)
    assert key.state == "busy"
    bob.hangs_up()
    sim.until(lambda: key.state == "idle")
    over(sim, key)
    sim.assert_idle()
