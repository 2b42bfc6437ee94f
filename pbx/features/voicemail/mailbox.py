"""A mailbox and its messages, as values: rows of the tables `mailboxes` and `messages`."""

from __future__ import annotations

import re
from dataclasses import dataclass

NEW, OLD, SAVED = FOLDERS = ("new", "old", "saved")
"""Where a message is: nobody has heard it, somebody has, or somebody wants to keep it."""

WAITING, SENT, FAILED = "waiting", "sent", "failed"
"""What becomes of the e-mail about a message."""

SHORTEST = 1.0  # seconds; what is shorter is no message

UNAVAILABLE, BUSY, TEMPORARY, NAME = GREETINGS = ("unavailable", "busy", "temporary", "name")
"""What a mailbox can say of itself: the first two as a dialplan asks for them, the third in place of both."""

# Also the name of its folder: what administrators may write into the table by SQL, and what may not lead elsewhere.
_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a mailbox may hold, where its own row does not say it.

    :param max_messages: how many.
    :param max_seconds: how long each.
    :param silence: seconds without a word that end a message.
    """

    max_messages: int = 100
    max_seconds: int = 180
    silence: int = 5


LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One mailbox.

    :param name: a word, or the number of an extension.
    :param extension: whose phones it belongs to: their lamps show it, and they need no number to hear it; "" for none.
    :param pin: the hash of its PIN; "" for none: then only its own extension's phones can hear it.
    :param email: where each message is sent, too; "" for nowhere.
    :param max_messages: how many it may hold; None: as many as the configuration allows.
    :param max_seconds: how long a message may be; None: as long as the configuration allows.
    """

    name: str
    extension: str = ""
    pin: str = ""
    email: str = ""
    max_messages: int | None = None
    max_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    :param id: unique; also the name of its file.
    :param mailbox: in which it is.
    :param caller: the number of who left it; "" when withheld.
    :param caller_name: the name of who left it.
    :param left_at: when, in seconds since 1970.
    :param seconds: how long it is.
    :param folder: one of `FOLDERS`.
    :param urgent: whether it comes first.
    :param forwarded_by: the mailbox from which it came; "" for none.
    :param email: `WAITING`, `SENT` or `FAILED`; "" when none is to be sent.
    """

    id: str
    mailbox: str
    caller: str
    caller_name: str
    left_at: float
    seconds: float = 0.0
    folder: str = NEW
    urgent: bool = False
    forwarded_by: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class MailboxTarget:
    """A mailbox as a dialplan names it.

    :param name: a mailbox's, or the number or an alias of an extension that has one.
    """

    name: str

    def __str__(self) -> str:
        return self.name


def mailbox(name: str) -> MailboxTarget:
    """Name a mailbox: `mailbox("sales")`.

    :raises TypeError: when the name is not text.
    :raises ValueError: when no mailbox can have such a name.
    """
    if not isinstance(name, str):
        raise TypeError(f'mailbox() takes the name as text: mailbox("{name}")')
    if not name or not name.isprintable() or " " in name:
        raise ValueError(f"mailbox() takes a name without spaces, not {name!r}")
    return MailboxTarget(name)


def can_be_name(name: str) -> bool:
    """Whether a mailbox can have such a name."""
    return _NAME.fullmatch(name) is not None
