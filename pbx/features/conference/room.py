"""A room, as a dialplan names it: `room("sales", pin="4711")`. A conference takes place in it."""

from __future__ import annotations

import re
from dataclasses import dataclass

MOST = 32  # parties of one conference
LONGEST_PIN = 32  # digits

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_PIN = re.compile(f"[0-9]{{1,{LONGEST_PIN}}}")


@dataclass(frozen=True, slots=True)
class Room:
    """A room.

    :param name: one word; the user part of the conference's address, too.
    :param pin: the digits that let one in; "" where none are asked for.
    :param recording: whether what is said in it is recorded.
    :param max: parties for which there is room.
    """

    name: str
    pin: str = ""
    recording: bool = False
    max: int = MOST


def room(name: str, pin: str | None = None, recording: bool = False, max: int = MOST) -> Room:
    """A conference room: `room("sales", pin="4711")`.

    Of several with one name, that counts through which somebody came first; but for each the PIN is its own.

    :param name: letters, digits, `_`, `-` and `.`.
    :param pin: digits; None asks for none.
    :param recording: whether what is said is recorded, from the first to the last.
    :param max: parties for which there is room, up to 32.
    :raises ValueError: when one of them is wrong.
    """
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise ValueError(f'room() takes a name of letters, digits, "_", "-" and ".", for example "sales", not {name!r}')
    if isinstance(max, bool) or not isinstance(max, int) or not 1 <= max <= MOST:
        raise ValueError(f"room(): max is 1 to {MOST}, not {max!r}")
    return Room(name, checked_pin("room", pin) or "", bool(recording), max)


def checked_pin(verb: str, pin: object) -> str | None:
    """A PIN as a dialplan gives it: digits, "" for none, None for nothing said about it."""
    if pin is None or pin == "" or (isinstance(pin, str) and _PIN.fullmatch(pin)):
        return pin
    raise ValueError(f'{verb}(): pin is up to {LONGEST_PIN} digits as text, for example "4711"')
