"""E-mails: each message is sent to its mailbox's address, too; what the relay refuses is tried again for a day.

Whether a message's e-mail is sent is written with the message, so that a restart forgets none.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from pbx.features.voicemail.boxes import Voicemail
from pbx.features.voicemail.mailbox import FAILED, SENT, WAITING, Message
from pbx.sip.timers import Clock, Timer

SOON = 2.0  # seconds after a message was left: until then its file may still be moved to its place
FIRST, LONGEST = 60.0, 3600.0  # seconds until the next try, each time twice as long
PATIENCE = 24 * 3600.0  # seconds after which it is given up


class Relay(Protocol):
    """What sends e-mails."""

    def send(self, message: Message, address: str, sound: Path) -> Deferred[None]:
        """Send one; fires when the relay has taken it, fails when it has not."""


class Emails:
    """All e-mails that are still to be sent, one at a time."""

    def __init__(self, voicemail: Voicemail, clock: Clock, relay: Relay) -> None:
        self._voicemail = voicemail
        self._clock = clock
        self._relay = relay
        self._due: deque[str] = deque()  # ids
        self._sending: Deferred[None] | None = None
        self._pauses: dict[str, Timer] = {}  # of those that were refused
        self._tries: dict[str, int] = {}
        self._fails = False
        self._stopped = False
        self._log = Logger()
        voicemail.arrivals.append(self._arrived)

    def __len__(self) -> int:
        """How many are still to be sent."""
        return len(self._due) + len(self._pauses) + (self._sending is not None)

    def start(self) -> None:
        """Take up what the last run has left."""
        for message in self._voicemail.all():
            if message.email == WAITING:
                self._due.append(message.id)
        self._next()

    def stop(self) -> None:
        """Send no more; what waits is sent after the next start."""
        self._stopped = True
        for pause in self._pauses.values():
            pause.cancel()
        self._pauses.clear()
        if self._sending is not None:
            self._sending.cancel()

    def _arrived(self, message: Message) -> None:
        if message.email == WAITING:
            self._wait(message.id, SOON)

    def _wait(self, id: str, seconds: float) -> None:
        self._pauses[id] = self._clock.callLater(seconds, self._again, id)

    def _next(self) -> None:
        while self._due and self._sending is None and not self._stopped:
            id = self._due.popleft()
            message = self._voicemail.message(id)
            mailbox = self._voicemail.find(message.mailbox) if message is not None else None
            if message is None or message.email != WAITING:
                self._tries.pop(id, None)
            elif mailbox is None or not mailbox.email:
                self._conclude(message, "")
            else:
                sound = self._voicemail.files.sound_of(message)
                self._sending = self._relay.send(message, mailbox.email, sound)
                self._sending.addCallbacks(self._sent, self._refused, callbackArgs=(message,), errbackArgs=(message,))

    def _sent(self, result: None, message: Message) -> None:
        self._sending = None
        if self._fails:
            self._fails = False
            self._log.info("e-mails can be sent again")
        self._conclude(message, SENT)
        self._next()

    def _refused(self, failure: Failure, message: Message) -> None:
        self._sending = None
        if self._stopped:
            return
        why = failure.getErrorMessage().replace("\n", " ")
        tries = self._tries[message.id] = self._tries.get(message.id, 0) + 1
        if not self._fails:
            self._fails = True
            self._log.warn("e-mails cannot be sent ({why}): they are tried again for a day", why=why)
        if self._clock.wall() - message.left_at >= PATIENCE:
            self._log.error(
                "the e-mail about message {id} in mailbox {mailbox} is given up: {why}; the message itself is there",
                id=message.id,
                mailbox=message.mailbox,
                why=why,
            )
            self._conclude(message, FAILED)
        else:
            self._wait(message.id, min(LONGEST, FIRST * 2 ** min(tries - 1, 10)))
        self._next()

    def _again(self, id: str) -> None:
        del self._pauses[id]
        self._due.append(id)
        self._next()

    def _conclude(self, message: Message, email: str) -> None:
        self._tries.pop(message.id, None)
        self._voicemail.change(message, email=email)
