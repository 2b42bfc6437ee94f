"""A party: somebody in a conference, and his sound both ways.

What is quiet for a while is not mixed: the noise of thirty lines together would be heard. Nor is what a phone sends
that holds: its music would be.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from twisted.internet.defer import Deferred

from pbx.exchange.caller import Caller
from pbx.media.clip import Clip
from pbx.media.g711 import ULAW, Law
from pbx.media.playout import Playout
from pbx.media.recorder import SPEECH
from pbx.media.sources import Sequel
from pbx.media.voice import Voice

AUDIBLE = 60.0  # mean amplitude of what is mixed (-54 dBm0); what is quieter is a line's noise
LINGER = 25  # frames that are mixed after the last audible one: the ends of words are quiet
PAUSE = 50  # frames without speech after which one does not talk any more


class Present(Protocol):
    """Who is at the other end of a voice."""

    @property
    def identity(self) -> Caller:
        """Who it is: not always the same, where one transfers another into its place."""


class Party:
    """One of them.

    :param id: its number in the conference.
    :param present: says who it is.
    :param number: what it has dialled.
    :param voice: our end of its sound.
    :param joined_at: when, in seconds since 1970.
    :param leads: whether it may do with keys what only leaders may.
    :ivar muted: whether nobody hears it.
    :ivar left: fires with how it ended, when it did not leave by itself.
    """

    __slots__ = (
        "_heard", "_lingers", "_pause", "_playout", "_present", "_told", "id", "joined_at", "leads", "left", "muted",
        "number", "voice",
    )  # fmt: skip

    def __init__(self, id: int, present: Present, number: str, voice: Voice, joined_at: float, leads: bool) -> None:
        self.id = id
        self._present = present
        self.number = number
        self.voice = voice
        self.joined_at = joined_at
        self.leads = leads
        self.muted = False
        self.left: Deferred[str] = Deferred()
        self._playout = Playout()
        self._heard = b""
        self._told: Sequel | None = None
        self._lingers = 0
        self._pause = PAUSE

    def __repr__(self) -> str:
        return f"<party {self.id}: {self.caller.number}>"

    @property
    def caller(self) -> Caller:
        """Who it is."""
        return self._present.identity

    @property
    def talks(self) -> bool:
        """Whether it is talking now, and may be heard."""
        return self._pause < PAUSE and not self.muted

    def enter(self) -> None:
        """Hear and be heard."""
        self.voice.listen(self._playout)
        self.voice.play(self)

    def leave(self, how: str) -> None:
        """Hear and be heard no more.

        :param how: why it has to; "" when it leaves by itself.
        """
        self.voice.ignore(self._playout)
        if self.voice.source is self:
            self.voice.stop()
        if how:
            self.left.callback(how)

    def tell(self, clips: Sequence[Clip]) -> None:
        """Let it alone hear something now, in place of the others."""
        self._told = Sequel(clips)

    def say(self, skipped: int) -> bytes:
        """What it says in the next 20 ms, in mu-law; b"" for silence.

        :param skipped: how many times 20 ms were left out just before.
        """
        for _ in range(skipped):
            self._playout.next()
        frame = self._playout.next()
        loudness = ULAW.loudness(frame) if frame != ULAW.nothing and self.voice.port.hears else 0.0
        self._lingers = LINGER if loudness >= AUDIBLE else max(0, self._lingers - 1)
        self._pause = 0 if loudness >= SPEECH else self._pause + 1
        return frame if self._lingers and self.voice.port.hears and not self.muted else b""

    def hear(self, sound: bytes) -> None:
        """What it hears in the next 20 ms, in mu-law; b"" for silence."""
        self._heard = sound

    def frame(self, law: Law) -> bytes:
        """What is sent to it now (`pbx.media.sources.Source`)."""
        heard, self._heard = self._heard, b""
        if self._told is not None:
            told = self._told.frame(law)
            if told is not None:
                return told
            self._told = None
        return ULAW.translate(heard, law)
