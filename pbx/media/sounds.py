"""What a dialplan can play: prompts and tones by name, numbers and times as words, what was recorded, any WAV file.

These are values; what they sound like is looked up when they are played. Prompts that a plan names are checked when it
is loaded.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pbx.media.clip import Clip
from pbx.media.library import Library
from pbx.media.recorder import Recorder
from pbx.media.tones import TONES


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt of the library.

    :param name: the file's, without `.wav`.
    """

    name: str


@dataclass(frozen=True, slots=True)
class Tone:
    """One round of a tone of the country.

    :param name: one of `pbx.media.tones.TONES`.
    """

    name: str


@dataclass(frozen=True, slots=True)
class Phrase:
    """Prompts one after the other.

    :param names: theirs.
    """

    names: tuple[str, ...]


class Recording:
    """What was recorded. It can be played.

    :param recorder: has the file.
    :ivar ended_by: "silence", "key", "limit" or "fault"; "" while it goes on, and when a hang-up ended it.
    :ivar key: the key that ended it; "" for none.
    """

    __slots__ = ("_recorder", "ended_by", "key")

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self.ended_by = ""
        self.key = ""

    @property
    def path(self) -> Path:
        """The WAV file."""
        return self._recorder.path

    @property
    def seconds(self) -> float:
        """How much is in it."""
        return self._recorder.seconds

    @property
    def is_silent(self) -> bool:
        """Whether nobody said anything."""
        return self._recorder.spoke_at == 0

    @property
    def fault(self) -> str:
        """Why not all of it could be written, in words; "" when it was."""
        return self._recorder.fault

    def __repr__(self) -> str:
        return f"<Recording {self.path}, {self.seconds:.1f} s>"


@dataclass(frozen=True, slots=True)
class File:
    """A WAV file, read when it is played.

    :param path: where it is.
    """

    path: Path


Playable = Prompt | Tone | Phrase | Recording | File


def prompt(name: str) -> Prompt:
    """A prompt: `prompt("welcome")`.

    :raises TypeError: when the name is not text.
    """
    if not isinstance(name, str):
        raise TypeError(f"prompt() takes the name of a sound as text, not {name!r}")
    return Prompt(name)


def tone(name: str) -> Tone:
    """A tone of the country, once: `tone("beep")`.

    :raises ValueError: when there is no such tone.
    """
    if name not in TONES:
        raise ValueError(f"tone() knows {', '.join(TONES)}, and not {name!r}")
    return Tone(name)


_SIGNS = {"*": "star", "#": "hash", "+": "plus"}


def digits(text: str) -> Phrase:
    """A number as its digits, one after the other: `digits("1001")`. Spaces and hyphens are not spoken.

    :raises ValueError: when there is something else in it than digits, `*`, `#` and a `+`.
    """
    if not isinstance(text, str):
        raise TypeError(f'digits() takes a number as text: digits("{text}")')
    names = []
    for character in text.replace(" ", "").replace("-", ""):
        if not (character.isascii() and (character.isdigit() or character in _SIGNS)):
            raise ValueError(f"digits() speaks digits, *, # and +, not {character!r}")
        names.append(f"digits/{_SIGNS.get(character, character)}")
    return Phrase(tuple(names))


_SCALES = ((1_000_000_000, "billion"), (1_000_000, "million"), (1000, "thousand"), (100, "hundred"))


def number(value: int) -> Phrase:
    """A whole number in words: `number(42)`.

    :raises ValueError: when it has more than twelve digits.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"number() takes a whole number, not {value!r}")
    if abs(value) >= 10**12:
        raise ValueError(f"number() speaks numbers of up to twelve digits, not {value}")
    minus = ("numbers/minus",) if value < 0 else ()
    return Phrase(minus + tuple(f"numbers/{word}" for word in _words(abs(value))))


def _words(value: int) -> list[str]:
    for scale, word in _SCALES:
        if value >= scale:
            rest = _words(value % scale) if value % scale else []
            return [*_words(value // scale), word, *rest]
    if value <= 20:
        return [str(value)]
    return [str(value // 10 * 10), *([str(value % 10)] if value % 10 else [])]


def clock_time(when: datetime) -> Phrase:
    """The time of day, in words: half past nine in the evening is "nine thirty p.m."."""
    hour = number(when.hour % 12 or 12).names
    if when.minute == 0:
        minutes: tuple[str, ...] = ("times/oclock",)
    elif when.minute < 10:
        minutes = ("times/oh", *number(when.minute).names)
    else:
        minutes = number(when.minute).names
    return Phrase((*hour, *minutes, "times/pm" if when.hour >= 12 else "times/am"))


_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip


def date(when: datetime, now: datetime) -> Phrase:
    """The day, in words, as one would say it now: "today", "yesterday", else "Tuesday, March the tenth".

    :param now: `call.now`.
    """
    days = (now.date() - when.date()).days
    if 0 <= days <= 1:
        return Phrase(("times/yesterday" if days else "times/today",))
    day = f"ordinals/{when.day}"
    return Phrase((f"times/{_WEEKDAYS[when.weekday()]}", f"times/{_MONTHS[when.month - 1]}", day))


async def clips(library: Library, sounds: Iterable[Playable]) -> list[Clip]:
    """What they sound like. Files are read aside, and prompts once.

    :raises NoSound: when one is not there.
    :raises TypeError: when one is nothing that can be played.
    """
    found: list[Clip] = []
    for sound in sounds:
        match sound:
            case Prompt(name):
                found.append(await library.read(name))
            case Tone(name):
                found.append(library.tone(name))
            case Phrase(names):
                found.extend([await library.read(name) for name in names])
            case Recording() | File():
                found.append(await library.read_file(sound.path))
            case _:
                raise TypeError(f'only prompt("..."), tone("...") and the like can be played, not {sound!r}')
    return found
