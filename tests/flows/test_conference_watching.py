"""Conferences for those who watch: the focus (RFC 4579) and the event package (RFC 4575)."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from pbx.exchange.accounts import Accounts
from pbx.sip.message import Request, Response
from pbx.sip.parser import parse
from pbx.testing.exchange import SimulatedExchange, is_sip
from pbx.testing.phone import Phone
from pbx.testing.watch import Watch
from tests.flows.conferences import ACCOUNTS, conference, enter, enters, nothing_ended, parties, sim

__all__ = ["nothing_ended", "sim"]

XML = "{urn:ietf:params:xml:ns:conference-info}"


def told(sim: SimulatedExchange, phone: Phone) -> list[Request | Response]:
    """All that a phone was sent by SIP."""
    packets = [each.packet for each in sim.network.sent if each.target[0] == phone.host and is_sip(each.packet)]
    return [message for message in map(parse, packets) if message is not None]


def told_contacts(sim: SimulatedExchange, phone: Phone) -> list[str | None]:
    """The Contacts of the UPDATEs that it was sent."""
    updates = [message for message in told(sim, phone) if isinstance(message, Request) and message.method == "UPDATE"]
    return [update.first("contact") for update in updates]


def state_of(watch: Watch) -> ElementTree.Element:
    return ElementTree.fromstring(watch.states[-1])


def users(watch: Watch) -> list[str]:
    return [user.get("entity", "") for user in state_of(watch).iter(f"{XML}user")]


def media(watch: Watch) -> list[str | None]:
    return [status.text for one in state_of(watch).iter(f"{XML}media") for status in one.iter(f"{XML}status")]


def is_locked(watch: Watch) -> str | None:
    return next(state_of(watch).iter(f"{XML}locked")).text


def test_contact_says_that_we_are_the_focus(sim: SimulatedExchange) -> None:
    """RFC 4579 3.1."""
    (alice,) = enter(sim, "1001")
    assert alice.call is not None
    contact = next(value for key, _, value in alice.call.fields if key == "contact")
    assert contact == "<sip:sales@10.0.0.1:5060>;isfocus"
    alice.hangs_up()
    sim.advance(1)
    alice.invites("1002")
    sim.advance(1)
    assert not any("isfocus" in value for _, _, value in alice.call.fields)


def test_who_was_answered_before_is_told_at_once_that_we_are_the_focus_and_that_we_are_no_longer(
    sim: SimulatedExchange,
) -> None:
    """RFC 4579 3.1: by UPDATE, where the phone knows it, and in every later message."""
    alice = enters(sim, "1001", "803")
    sim.until(lambda: len(told_contacts(sim, alice)) == 1)
    sim.advance(1)
    alice.holds()
    sim.advance(1)
    conference(sim).end()
    sim.until(lambda: len(told_contacts(sim, alice)) == 2)
    focus = "<sip:sales@10.0.0.1:5060>;isfocus"
    assert told_contacts(sim, alice) == [focus, "<sip:10.0.0.1:5060>"]
    held = [
        message for message in told(sim, alice) if isinstance(message, Response) and message.cseq_method == "INVITE"
    ]
    assert held[-1].first("contact") == focus


@pytest.mark.parametrize("address", ["sales", "800"])
def test_party_watches_who_joins_leaves_is_muted_and_locks(sim: SimulatedExchange, address: str) -> None:
    """RFC 4575."""
    (alice,) = enter(sim, "1001")
    watch = Watch(alice, "conference", address)
    sim.until(lambda: watch.states)
    assert users(watch) == ["sip:1001@pbx"]
    assert state_of(watch).get("entity") == "sip:sales@pbx"
    bob = enters(sim, "1002")
    sim.until(lambda: len(users(watch)) == 2, within=6)
    bob.presses("*1")
    sim.until(lambda: media(watch) == ["sendrecv", "recvonly"], within=6)
    alice.presses("*4")
    sim.until(lambda: is_locked(watch) == "true", within=6)
    bob.hangs_up()
    sim.until(lambda: users(watch) == ["sip:1001@pbx"], within=6)
    versions = [ElementTree.fromstring(state).get("version") for state in watch.states]
    assert versions == [str(number) for number in range(1, len(versions) + 1)]
    alice.hangs_up()
    sim.until(lambda: watch.over)
    assert watch.over == "noresource"


def test_who_leaves_watches_no_longer(sim: SimulatedExchange) -> None:
    alice, bob = enter(sim, "1001", "1002")
    watch = Watch(bob, "conference", "sales")
    sim.until(lambda: watch.states)
    alice.presses("*7")
    sim.until(lambda: watch.over)
    assert watch.over == "rejected"


@pytest.mark.parametrize("address", ["sales", "nowhere"])
def test_nobody_else_may_watch_or_learn_that_there_is_a_conference(sim: SimulatedExchange, address: str) -> None:
    enter(sim, "1001")
    watch = Watch(sim.phone("1003"), "conference", address)
    sim.until(lambda: watch.over)
    assert watch.status == 403


def test_class_of_service_lets_an_extension_watch_any_conference_and_learn_that_there_is_none(
    sim: SimulatedExchange,
) -> None:
    directory = sim.exchange.directory
    extensions = [extension for number in ACCOUNTS if (extension := directory.find(number)) is not None]
    supervisor = replace(extensions[2], class_of_service=frozenset({"conferences"}))
    sim.exchange.replace_accounts(Accounts([*extensions[:2], supervisor, *extensions[3:]]))
    enter(sim, "1001")
    carol = sim.phone("1003")
    watch = Watch(carol, "conference", "sales")
    sim.until(lambda: watch.states)
    assert users(watch) == ["sip:1001@pbx"]
    watch.ends()
    nothing = Watch(carol, "conference", "nowhere")
    sim.until(lambda: nothing.over)
    assert nothing.status == 404


def test_who_withholds_its_number_is_watched_without_it(sim: SimulatedExchange) -> None:
    """RFC 4575 5.6.1."""
    (alice,) = enter(sim, "1001")
    bob = sim.phone("1002")
    bob.withheld = True
    bob.invites("800", more=(("p-preferred-identity", "P-Preferred-Identity", "<sip:1002@10.0.0.1>"),))
    sim.until(lambda: parties(sim) == 2)
    watch = Watch(alice, "conference", "sales")
    sim.until(lambda: watch.states)
    assert users(watch) == ["sip:1001@pbx", "sip:anonymous2@anonymous.invalid"]
    assert b"1002" not in watch.states[-1]


def test_address_that_was_dialled_is_watched_only_while_somebody_is_there_by_it(sim: SimulatedExchange) -> None:
    alice = enters(sim, "1001", "804")
    bob = sim.phone("1002")
    bob.invites("801")
    sim.advance(1)
    bob.presses("4711#")
    sim.until(lambda: parties(sim) == 2)
    watch = Watch(bob, "conference", "804")
    sim.until(lambda: watch.states)
    alice.hangs_up()
    sim.until(lambda: watch.over)
    assert watch.over == "noresource" and parties(sim) == 1
