"""The letterbox: texts for extensions that are away, kept until they register (RFC 3428 section 7).

All are in memory; the store hears of every change afterwards. There is room for so much and no more, and what nobody
has fetched within a week is thrown away.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from email.utils import formatdate
from typing import Protocol

from pbx.exchange.directory import Directory
from pbx.exchange.text import KeptText, Text
from pbx.sip.headers import DATE
from pbx.sip.timers import Clock, drift

MOST_OF_ONE, MOST = 100, 10_000
"""Texts that are kept for one extension, and in all."""

LONGEST = 16 * 1024
"""Bytes of one that is kept."""

WEEK = 7 * 24 * 3600.0
"""Seconds after which nobody waits for it any more; its sender may have said less (Expires, RFC 3428 section 4)."""

_SWEEP = 3600.0  # seconds; what nobody asks for is not looked for more often


class TextStore(Protocol):
    """Where texts outlive the process. Never waited for."""

    def keep_text(self, kept: KeptText) -> None:
        """A text is kept from now on."""

    def forget_text(self, kept: KeptText) -> None:
        """It is not kept any more."""


class InMemory:
    """The store where there is none: texts end with the process."""

    def keep_text(self, kept: KeptText) -> None:
        """It is in memory."""

    def forget_text(self, kept: KeptText) -> None:
        """It was in memory only."""


IN_MEMORY = InMemory()


class Letterbox:
    """The texts that are kept for all extensions.

    :param store: told of every change.
    """

    __slots__ = ("_clock", "_directory", "_kept", "_last", "_store", "_swept_at")

    def __init__(self, directory: Directory, clock: Clock, store: TextStore) -> None:
        self._directory = directory
        self._clock = clock
        self._store = store
        self._kept: dict[str, dict[int, KeptText]] = {}  # by extension and number
        self._last = 0
        self._swept_at = 0.0

    def __len__(self) -> int:
        """How many there are."""
        return sum([len(here) for here in self._kept.values()])

    def __contains__(self, number: str) -> bool:
        """Whether there is any for an extension."""
        return number in self._kept

    def waiting(self, number: str) -> list[KeptText]:
        """Those of an extension, in their order."""
        now = self._clock.seconds()
        for kept in [kept for kept in self._kept.get(number, {}).values() if kept.expires_at <= now]:
            self.remove(kept)
        return list(self._kept.get(number, {}).values())

    def keep(self, number: str, text: Text, expires: int | None) -> KeptText | None:
        """Keep a text for an extension.

        :param expires: the seconds after which it is of no use; None where its sender has not said.
        :returns: None where it cannot be kept: there is no room, or nobody may fetch it.
        """
        extension = self._directory.find(number)
        now = self._clock.seconds()
        self._sweep(now)
        if extension is None or not extension.enabled or expires == 0 or len(text.body) > LONGEST:
            return None
        if len(self.waiting(number)) >= MOST_OF_ONE or len(self) >= MOST:
            return None
        if all(field[0] != "date" for field in text.fields):
            # The receiver is to know when it was written (RFC 3428 section 4).
            text = Text(
                text.sender,
                (*text.fields, DATE.field(formatdate(self._clock.wall(), usegmt=True))),
                text.kind,
                text.body,
            )
        self._last += 1
        lasting = WEEK if expires is None else min(WEEK, expires)
        kept = KeptText(self._last, number, text, now, now + lasting)
        self._kept.setdefault(number, {})[kept.n] = kept
        moved = drift(self._clock)
        self._store.keep_text(replace(kept, kept_at=now + moved, expires_at=kept.expires_at + moved) if moved else kept)
        return kept

    def remove(self, kept: KeptText) -> None:
        """One has arrived, or is of no use any more; without effect on one that is gone."""
        here = self._kept.get(kept.number, {})
        if here.pop(kept.n, None) is not None:
            if not here:
                del self._kept[kept.number]
            self._store.forget_text(kept)

    def expel(self, number: str) -> None:
        """An extension was removed: who gets its number next gets no texts that were for another."""
        if self._directory.find(number) is None:
            for kept in list(self._kept.get(number, {}).values()):
                self.remove(kept)

    def restore(self, texts: Iterable[KeptText]) -> None:
        """Take over what the store has kept of the last run, in their order."""
        for kept in texts:
            self._kept.setdefault(kept.number, {})[kept.n] = kept
            self._last = max(self._last, kept.n)
        for number in list(self._kept):
            self.expel(number)

    def _sweep(self, now: float) -> None:
        """Throw away what is too old, of extensions that nobody writes to and that never come back."""
        if now - self._swept_at >= _SWEEP:
            self._swept_at = now
            for number in list(self._kept):
                self.waiting(number)
