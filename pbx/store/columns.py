"""What a column may hold when a command or a file writes it: text comes in, a value or a `Fault` out.

SQL may write anything that the table's own conditions let pass; here a slip is said in words.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from pbx.exchange.settings import DIALLED, LONGEST_RING
from pbx.faults import Fault

# What can stand in the user part of a URI, in a file name and on a keypad, unescaped.
_NUMBER = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_WORD = re.compile("[a-z0-9][a-z0-9-]{0,31}")
_HASH = {"ha1_md5": re.compile("[0-9a-f]{32}"), "ha1_sha256": re.compile("[0-9a-f]{64}")}
_YES = frozenset(("yes", "true", "1", "on"))
_NO = frozenset(("no", "false", "0", "off"))
_LONGEST = 10_000  # letters of all words

Value = str | int | bool | None


def number(text: str) -> str:
    """Return an extension's number.

    :raises Fault: none can be so.
    """
    if not _NUMBER.fullmatch(text):
        what = f"{_shown(text)} cannot be an extension number"
        raise Fault("", 0, what, "use up to 64 letters, digits, dots, hyphens and underscores")
    return text


def name_to_dial(what: str, text: str) -> str:
    """Return a number or a name as somebody may dial it.

    :param what: what it is to be, for the sentence.
    :raises Fault: nobody could dial it.
    """
    if not DIALLED.fullmatch(text):  # an extension's number, and what else people dial: +14155550100, *60
        remedy = "use up to 64 letters, digits, dots, hyphens, underscores, * and #, and + in front"
        raise Fault("", 0, f"{_shown(text)} cannot be {what}", remedy)
    return text


def password(text: str) -> str:
    """Return a password that a phone can be given.

    :raises Fault: it cannot be used.
    """
    if not (text and text.isprintable()):
        raise Fault("", 0, "the password is empty or has control characters", "give another")
    return text


def _display_name(column: str, text: str) -> str:
    if not (text.isprintable() and len(text) <= 128):
        raise Fault("", 0, "the name has control characters or more than 128 letters", "give a shorter, plain one")
    return text


def _words(column: str, text: str) -> str:
    words = text[:_LONGEST].split()
    for word in words:
        if not _WORD.fullmatch(word):
            what = f"{_shown(word)} is no word of a class of service"
            raise Fault("", 0, what, "write such as: international transfer-out")
    return " ".join(dict.fromkeys(words))


def _word(column: str, text: str) -> str:
    words = text[:_LONGEST].split()
    if len(words) > 1 or (words and not _WORD.fullmatch(words[0])):
        raise Fault("", 0, f"{_shown(text)} is no name of a group", "write one word, such as: sales")
    return words[0] if words else ""


def dialled(column: str, text: str) -> str:
    """Return a number that somebody may dial, or "".

    :raises Fault: nobody could dial it.
    """
    return name_to_dial(f"what {column} holds", text) if text else ""


def switch(default: bool, column: str, text: str) -> bool:
    """Return yes or no.

    :raises Fault: the text is neither.
    """
    word = text.strip().lower()
    if word and word not in _YES | _NO:
        raise Fault("", 0, f"{column} is {_shown(text)}", "write yes or no")
    return word in _YES if word else default


def whole(lowest: int, highest: int, default: int | None, column: str, text: str) -> int | None:
    """Return a whole number.

    :raises Fault: the text is none, or not one of these.
    """
    digits = text.strip()
    if not digits:
        return default
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 6 and lowest <= int(digits) <= highest):
        remedy = f"write a whole number from {lowest} to {highest}, or nothing"
        raise Fault("", 0, f"{column} is {_shown(text)}", remedy)
    return int(digits)


def _hexadecimal(column: str, text: str) -> str:
    digits = text.strip().lower()
    if digits and not _HASH[column].fullmatch(digits):
        raise Fault("", 0, f"{column} is no hash", "write its hexadecimal digits, 32 of MD5 and 64 of SHA-256")
    return digits


_Reader = Callable[[str, str], Value]

# All that can be set but the number and the password, in the table's order. "" means the column's default.
SETTINGS: dict[str, _Reader] = {
    "name": _display_name,
    "enabled": partial(switch, True),
    "class_of_service": _words,
    "caller_id": dialled,
    "max_contacts": partial(whole, 1, 1000, None),
    "max_calls": partial(whole, 1, 1000, None),
    "tls_only": partial(switch, False),
    "do_not_disturb": partial(switch, False),
    "voicemail": partial(switch, True),
    "forward_always": dialled,
    "forward_busy": dialled,
    "forward_no_answer": dialled,
    "forward_no_answer_after": partial(whole, 1, LONGEST_RING, 20),
    "forward_unreachable": dialled,
    "call_waiting": partial(switch, True),
    "pickup_group": _word,
}

# What a file may hold beside them instead of a password.
HASHES: dict[str, _Reader] = dict.fromkeys(_HASH, _hexadecimal)


def read(column: str, text: str) -> Value:
    """Return what a column of `SETTINGS` or `HASHES` is to hold.

    :raises Fault: the text is nothing for it.
    """
    return (SETTINGS.get(column) or HASHES[column])(column, text)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")
