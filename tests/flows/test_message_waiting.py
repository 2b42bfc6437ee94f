"""Lamps that tell of voice messages (RFC 3842): asked for and unasked, on a network with faults."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pbx.exchange.caller import Caller, Source
from pbx.features.voicemail.mailbox import Mailbox, Message
from pbx.media.g711 import ULAW
from pbx.media.wav import Writer
from pbx.sip.headers import ACCEPT, EVENT
from pbx.testing.exchange import SimulatedExchange
from pbx.testing.watch import Watch
from tests.flows.office import flow, office

PACKAGE = "message-summary"
CALLER = Caller("1003", "Carol", Source.INTERNAL)


def leave(sim: SimulatedExchange, name: str = "1001", urgent: bool = False) -> Message:
    """Leave a message without a call."""
    voicemail = sim.exchange.voicemail
    mailbox = voicemail.find(name)
    assert mailbox is not None
    draft = replace(voicemail.draft(mailbox, CALLER), seconds=1.0, urgent=urgent)
    writer = Writer(voicemail.files.begin(draft))
    writer.append(ULAW.nothing * 50)
    writer.close()
    voicemail.deliver(draft)
    return draft


def summary(new: int, old: int, urgent: int = 0, urgent_old: int = 0) -> bytes:
    waiting = "yes" if new else "no"
    return (
        f"Messages-Waiting: {waiting}\r\nMessage-Account: sip:*97@pbx\r\n"
        f"Voice-Message: {new}/{old} ({urgent}/{urgent_old})\r\n"
    ).encode()


@flow("1001")
def test_phone_that_subscribes_sees_every_change(sim, alice):
    voicemail = sim.exchange.voicemail
    watch = Watch(alice, PACKAGE, "1001")
    sim.until(lambda: watch.states)
    assert watch.states == [summary(0, 0)]
    one = leave(sim, urgent=True)
    sim.until(lambda: watch.states[-1] == summary(1, 0, 1))
    other = leave(sim)
    sim.until(lambda: watch.states[-1] == summary(2, 0, 1))
    voicemail.change(one, folder="old")
    sim.until(lambda: watch.states[-1] == summary(1, 1, 0, 1))
    voicemail.remove(one)
    voicemail.remove(other)
    sim.until(lambda: watch.states[-1] == summary(0, 0))
    assert not alice.notified  # it has asked: it is not told twice
    watch.ends()
    sim.until(lambda: sim.exchange.figures()["subscriptions"] == 0)


@flow("1001")
def test_phone_that_does_not_subscribe_is_told(sim, alice):
    message = leave(sim)
    sim.until(lambda: alice.lamp("mwi"))
    sim.exchange.voicemail.remove(message)
    sim.until(lambda: alice.lamp("mwi") is False)
    assert alice.notified[-1] == summary(0, 0)


@flow("1001")
def test_changes_that_come_fast_leave_the_lamp_right(sim, alice):
    """A NOTIFY that is lost comes again: it must not come after a newer one."""
    for _ in range(4):
        sim.exchange.voicemail.remove(leave(sim))
    leave(sim)
    sim.until(lambda: alice.notified and alice.notified[-1] == summary(1, 0))
    sim.advance(40)
    assert alice.notified[-1] == summary(1, 0)


@flow("1001")
def test_phone_is_told_again_at_every_registration(sim, alice):
    leave(sim)
    sim.until(lambda: alice.lamp("mwi"))
    for _ in range(2):
        alice.notified.clear()  # it was switched off
        alice.registers()
        sim.until(lambda: alice.lamp("mwi"))


def test_phone_for_which_there_never_was_a_message_is_told_nothing():
    sim, (alice,) = office("1001")
    alice.registers()
    sim.advance(5)
    assert alice.notified == [] and not [one for one in sim.network.sent if "NOTIFY" in one.kind]
    sim.assert_idle()


def test_phone_that_was_away_hears_that_the_lamp_is_to_go_out():
    sim, (alice,) = office("1001")
    message = leave(sim)
    sim.until(lambda: alice.lamp("mwi"))
    sim.network.loses("NOTIFY", target=alice.host, times=20)
    sim.exchange.voicemail.remove(message)
    sim.advance(40)
    assert alice.lamp("mwi") is True
    alice.registers()
    sim.until(lambda: alice.lamp("mwi") is False)
    sim.assert_idle()


def test_phone_that_knows_no_lamp_is_left_alone():
    sim, (alice,) = office("1001")
    alice.has_lamp = False
    leave(sim)
    sim.advance(1)
    told = len([one for one in sim.network.sent if one.kind.startswith("NOTIFY")])
    assert told == 1
    leave(sim)
    sim.advance(1)
    assert len([one for one in sim.network.sent if one.kind.startswith("NOTIFY")]) == told
    sim.assert_idle()


@pytest.mark.parametrize("resource", ["1002", "sales", "1999", "nobody"])
def test_nobody_sees_anothers(resource):
    """What does not exist is refused the same way."""
    sim, (alice,) = office("1001")
    sim.exchange.voicemail.replace([Mailbox("sales", extension="1002")])
    watch = Watch(alice, PACKAGE, resource)
    sim.until(lambda: watch.over)
    assert (watch.status, watch.states) == (403, [])
    sim.assert_idle()


def test_stranger_sees_nothing():
    sim, _ = office("1001")
    stranger = sim.phone("mallory", register=False)
    watch = Watch(stranger, PACKAGE, "1001")
    sim.until(lambda: watch.over)
    assert watch.status in (401, 403) and watch.states == []
    sim.assert_idle()


def test_lamp_counts_all_mailboxes_of_an_extension():
    sim, (bob,) = office("1002")
    sim.exchange.voicemail.replace([Mailbox("sales", extension="1002")])
    watch, sales = Watch(bob, PACKAGE, "1002"), Watch(bob, PACKAGE, "sales")
    sim.until(lambda: watch.states and sales.states)
    leave(sim, "sales")
    sim.until(lambda: watch.states[-1] == summary(1, 0) == sales.states[-1])
    leave(sim, "1002")
    sim.until(lambda: watch.states[-1] == summary(2, 0))
    assert sales.states[-1] == summary(1, 0)
    for one in (watch, sales):
        one.ends()
    sim.advance(1)
    sim.assert_idle()


def test_phone_that_understands_something_else_is_refused():
    sim, (alice,) = office("1001")

    reply = alice.asks("SUBSCRIBE", "1001", (EVENT.field(PACKAGE), ACCEPT.field("application/pidf+xml")))
    sim.until(lambda: reply.status)
    assert reply.status == 406
    sim.assert_idle()
