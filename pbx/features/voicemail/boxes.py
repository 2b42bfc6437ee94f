"""All mailboxes and all messages of an exchange, in memory. Calls, lamps and commands look here and never into the
database; the store hears of every change afterwards.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, ParamSpec, Protocol, TypeVar

from twisted.internet.defer import Deferred

from pbx.exchange.caller import Caller
from pbx.exchange.directory import Directory
from pbx.features.voicemail import pin
from pbx.features.voicemail.mailbox import NEW, WAITING, Limits, Mailbox, Message, can_be_name
from pbx.features.voicemail.pin import Guesses
from pbx.sip.identifiers import Identifiers
from pbx.sip.timers import Clock

P = ParamSpec("P")
T = TypeVar("T")


class Files(Protocol):
    """Where the sound of messages is."""

    def sound_of(self, message: Message) -> Path:
        """The sound of a message."""

    def greeting(self, mailbox: str, kind: str) -> Path:
        """A greeting; there may be none."""

    def begin(self, message: Message) -> Path:
        """Where a message is to be recorded.

        :raises OSError: it cannot be.
        """

    def discard(self, message: Message) -> None:
        """Remove what was begun."""


class MessageStore(Protocol):
    """Where messages outlive the process. Never waited for."""

    @property
    def files(self) -> Files: ...

    def keep(self, message: Message) -> None:
        """Write a new message, or one that has changed."""

    def remove(self, message: Message) -> None:
        """Remove a message and its sound."""

    def change_pin(self, mailbox: str, pin: str) -> None:
        """Write the hash of a mailbox's new PIN."""


class Aside(Protocol):
    """Where a computation is done that takes too long for the reactor's thread."""

    def __call__(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Do it there and give its result here."""


class Summary(NamedTuple):
    """How many messages there are (RFC 3842 section 5.2)."""

    new: int
    old: int
    urgent_new: int
    urgent_old: int


class Voicemail:
    """The mailboxes of one exchange.

    :param store: told of every change.
    :param limits: of mailboxes without their own.
    :param aside: does what takes long.
    :param mails: whether messages are sent by e-mail, too.
    :ivar watchers: each is called with a mailbox's name when its messages have changed.
    :ivar arrivals: each is called with a message that was left.
    """

    def __init__(
        self,
        directory: Directory,
        store: MessageStore,
        clock: Clock,
        identifiers: Identifiers,
        limits: Limits,
        aside: Aside,
        mails: bool = False,
    ) -> None:
        self.watchers: list[Callable[[str], None]] = []
        self.arrivals: list[Callable[[Message], None]] = []
        self.directory = directory
        self.limits = limits
        self._store = store
        self._clock = clock
        self._identifiers = identifiers
        self._aside = aside
        self._mails = mails
        self._mailboxes: dict[str, Mailbox] = {}
        self._shared: dict[str, list[str]] = {}  # by extension, the mailboxes with other names that belong to it
        self._messages: dict[str, dict[str, Message]] = {}  # by mailbox and id
        self._drafts: Counter[str] = Counter()  # by mailbox: messages that are just being recorded
        self._guesses: dict[tuple[str, bool], Guesses] = {}

    @property
    def files(self) -> Files:
        """Where the sound is."""
        return self._store.files

    # Mailboxes

    def replace(self, mailboxes: Iterable[Mailbox]) -> None:
        """These are the mailboxes that the table names."""
        before = self._mailboxes
        self._mailboxes = {mailbox.name: mailbox for mailbox in mailboxes}
        self._shared = {}
        for mailbox in self._mailboxes.values():
            if mailbox.extension and mailbox.extension != mailbox.name:
                self._shared.setdefault(mailbox.extension, []).append(mailbox.name)
        for name in before.keys() | self._mailboxes.keys():
            if before.get(name) != self._mailboxes.get(name) and self._messages.get(name):
                self._tell(name)

    def find(self, name: str) -> Mailbox | None:
        """Return a mailbox: one that the table names, or that of an extension; None when there is none."""
        # What the table names comes before an alias of the same name.
        number = name if name in self._mailboxes else self.directory.number_of(name)
        extension = self.directory.find(number)
        if extension is None:
            return self._mailboxes.get(name)
        if not (extension.enabled and extension.voicemail and can_be_name(number)):
            return None
        mailbox = self._mailboxes.get(number) or Mailbox(number)
        return mailbox if mailbox.extension else replace(mailbox, extension=number)

    def has(self, name: str) -> bool:
        """Whether there is a mailbox of a name."""
        return self.find(name) is not None

    def of_extension(self, number: str) -> list[str]:
        """The names of the mailboxes that an extension's phones show, its own first."""
        return [number, *self._shared.get(number, ())]

    def most_of(self, mailbox: Mailbox) -> int:
        """How many messages a mailbox may hold."""
        return mailbox.max_messages or self.limits.max_messages

    def is_full(self, mailbox: Mailbox) -> bool:
        """Whether no other message has room, those that are just being recorded included."""
        name = mailbox.name
        return len(self._messages.get(name, ())) + self._drafts[name] >= self.most_of(mailbox)

    # Messages

    def restore(self, messages: Iterable[Message]) -> None:
        """Take over what the store has kept."""
        for message in messages:
            self._messages.setdefault(message.mailbox, {})[message.id] = message

    def messages(self, name: str, folder: str | None = None) -> list[Message]:
        """The messages of a mailbox, or those in one folder: urgent ones first, then in the order of their time."""
        found = [one for one in self._messages.get(name, {}).values() if folder in (None, one.folder)]
        return sorted(found, key=lambda one: (not one.urgent, one.left_at))

    def all(self) -> list[Message]:
        """All messages in all mailboxes."""
        return [message for known in self._messages.values() for message in known.values()]

    def message(self, id: str) -> Message | None:
        """A message; None when there is none."""
        return next((known[id] for known in self._messages.values() if id in known), None)

    def has_messages(self, names: Iterable[str]) -> bool:
        """Whether there is any message in some mailboxes."""
        return any(name in self._messages for name in names)

    def summary(self, names: Iterable[str]) -> Summary:
        """How many messages there are in some mailboxes together."""
        counts = Counter(
            (one.folder == NEW, one.urgent) for name in names for one in self._messages.get(name, {}).values()
        )
        urgent_new, urgent_old = counts[True, True], counts[False, True]
        return Summary(counts[True, False] + urgent_new, counts[False, False] + urgent_old, urgent_new, urgent_old)

    def draft(self, mailbox: Mailbox, caller: Caller, forwarded_by: str = "") -> Message:
        """Make a message that is to be recorded; `deliver` or `drop` ends that."""
        self._drafts[mailbox.name] += 1
        number, name = ("", "") if caller.is_private else (caller.number, caller.name)
        return Message(
            self._identifiers.token(),
            mailbox.name,
            number,
            name,
            self._clock.wall(),
            forwarded_by=forwarded_by,
            email=WAITING if self._mails and mailbox.email else "",
        )

    def drop(self, draft: Message) -> None:
        """It does not become a message."""
        self._drafts[draft.mailbox] -= 1
        self.files.discard(draft)

    def deliver(self, draft: Message) -> None:
        """It is a message now."""
        self._drafts[draft.mailbox] -= 1
        self._messages.setdefault(draft.mailbox, {})[draft.id] = draft
        self._store.keep(draft)
        self._tell(draft.mailbox)
        for arrival in self.arrivals:
            arrival(draft)

    def change(self, message: Message, **changes: str | bool) -> None:
        """Change something about a message, such as its folder; without effect on one that is gone."""
        known = self._messages.get(message.mailbox, {})
        if message.id not in known:
            return
        changed = replace(known[message.id], **changes)  # type: ignore[arg-type]
        if changed == known[message.id]:
            return
        told = (changed.folder, changed.urgent) != (known[message.id].folder, known[message.id].urgent)
        known[message.id] = changed
        self._store.keep(changed)
        if told:
            self._tell(message.mailbox)

    def remove(self, message: Message) -> None:
        """Delete a message; without effect on one that is gone."""
        known = self._messages.get(message.mailbox, {})
        if known.pop(message.id, None) is not None:
            if not known:
                del self._messages[message.mailbox]
            self._store.remove(message)
            self._tell(message.mailbox)

    # PINs

    def is_closed(self, mailbox: str, owner: bool) -> bool:
        """Whether too many wrong PINs were tried, by its own phones or by others."""
        guesses = self._guesses.get((mailbox, owner))
        return guesses is not None and guesses.is_closed(self._clock.seconds())

    def open(self, name: str, owner: bool, tried: str) -> Deferred[bool]:
        """Try a PIN. Fires with whether it is right; counts when it is not. While too many were wrong none is right:
        neither from calls that were asked for it before that.

        :param name: a mailbox's, or one that is none, which no PIN opens.
        :param owner: whether a phone tries it that the mailbox belongs to.
        """
        mailbox = self.find(name)
        known = mailbox.pin if mailbox is not None else ""
        place = (name, owner)

        def checked(right: bool) -> bool:
            if self.is_closed(name, owner):
                return False
            if right:
                self._guesses.pop(place, None)
            elif mailbox is not None:
                self._guesses.setdefault(place, Guesses()).wrong(self._clock.seconds())
            return right

        return self._aside(pin.matches, tried, known).addCallback(checked)

    async def change_pin(self, mailbox: Mailbox, new: str) -> None:
        """Give a mailbox another PIN; it is in force on return."""
        hashed = await self._aside(pin.hashed, new)
        self._mailboxes[mailbox.name] = replace(self._mailboxes.get(mailbox.name, Mailbox(mailbox.name)), pin=hashed)
        self._store.change_pin(mailbox.name, hashed)

    def _tell(self, name: str) -> None:
        for watcher in self.watchers:
            watcher(name)
