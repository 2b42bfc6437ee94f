"""E-mails in virtual time: tried again, given up after a day, forgotten by no restart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred

from pbx.exchange.caller import Caller, Source
from pbx.features.voicemail.emails import FIRST, LONGEST, PATIENCE, SOON, Emails
from pbx.features.voicemail.mailbox import Mailbox, Message
from pbx.media.g711 import ULAW
from pbx.media.wav import Writer
from pbx.testing.exchange import SimulatedExchange
from tests.flows.office import ACCOUNTS, plan

ALICE = Caller("1001", "Alice", Source.INTERNAL)


class Relay:
    """Takes what it is given when the test says so."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.pending: Deferred[None] = Deferred()

    def send(self, message: Message, address: str, sound: Path) -> Deferred[None]:
        self.asked.append((message.id, address))
        self.pending = Deferred()
        return self.pending

    def refuses(self) -> None:
        self.pending.errback(OSError("relaying denied"))


class Office:
    def __init__(self) -> None:
        self.sim = SimulatedExchange(plan, ACCOUNTS)
        self.voicemail = self.sim.exchange.voicemail
        self.voicemail._mails = True
        self.voicemail.replace([Mailbox("1002", email="bob@example.com")])
        self.relay = Relay()
        self.emails = Emails(self.voicemail, self.sim.clock, self.relay)

    def message(self) -> Message:
        mailbox = self.voicemail.find("1002")
        assert mailbox is not None
        draft = self.voicemail.draft(mailbox, ALICE)
        writer = Writer(self.voicemail.files.begin(draft))
        writer.append(ULAW.nothing * 100)
        writer.close()
        self.voicemail.deliver(replace(draft, seconds=2.0))
        return draft

    def state(self, message: Message) -> str:
        found = self.voicemail.message(message.id)
        assert found is not None
        return found.email


@pytest.fixture
def office() -> Office:
    return Office()


def test_message_is_sent_once(office: Office) -> None:
    message = office.message()
    office.sim.advance(SOON)
    assert office.relay.asked == [(message.id, "bob@example.com")]
    office.relay.pending.callback(None)
    office.sim.advance(2 * PATIENCE)
    assert (len(office.relay.asked), len(office.emails), office.state(message)) == (1, 0, "sent")


def test_one_at_a_time(office: Office) -> None:
    one, other = office.message(), office.message()
    office.sim.advance(SOON)
    assert [id for id, _ in office.relay.asked] == [one.id]
    office.relay.pending.callback(None)
    assert [id for id, _ in office.relay.asked] == [one.id, other.id]


def test_relay_that_refuses_is_asked_ever_less_often_and_given_up_after_a_day(office: Office, logged_errors) -> None:
    message = office.message()
    office.sim.advance(SOON)
    pause = FIRST
    while office.state(message) == "waiting":
        tries = len(office.relay.asked)
        office.relay.refuses()
        if office.state(message) != "waiting":
            break
        office.sim.advance(pause - 1)
        assert len(office.relay.asked) == tries
        office.sim.advance(1)
        assert len(office.relay.asked) == tries + 1
        pause = min(LONGEST, 2 * pause)
    assert 25 <= len(office.relay.asked) <= 35
    assert office.state(message) == "failed"
    assert len(office.voicemail.messages("1002")) == 1
    [event] = logged_errors()
    assert event["why"] == "relaying denied" and event["mailbox"] == "1002"


def test_restart_takes_up_what_was_left(office: Office) -> None:
    message = office.message()
    office.sim.advance(SOON)
    office.relay.refuses()
    office.emails.stop()
    office.sim.advance(PATIENCE)
    assert len(office.relay.asked) == 1
    emails = Emails(office.voicemail, office.sim.clock, office.relay)
    emails.start()
    assert office.relay.asked[1:] == [(message.id, "bob@example.com")]
    office.relay.pending.callback(None)
    assert office.state(message) == "sent"


def test_message_that_is_deleted_meanwhile_is_not_sent(office: Office) -> None:
    message = office.message()
    office.voicemail.remove(message)
    office.sim.advance(SOON)
    assert (office.relay.asked, len(office.emails)) == ([], 0)


def test_mailbox_without_an_address_sends_nothing(office: Office) -> None:
    office.voicemail.replace([])
    message = office.message()
    office.sim.advance(SOON)
    assert (office.relay.asked, office.state(message)) == ([], "")
