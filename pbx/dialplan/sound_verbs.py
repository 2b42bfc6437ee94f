"""The verbs of a call that need sound: to play, to say, to ask, to record, to hear.

Each of them answers the caller first, unless it is told to be early. Whatever ends the wait, a hang-up too, ends the
sound.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Protocol

from twisted.internet.defer import Deferred

from pbx.dialplan.checks import check_count, check_seconds
from pbx.exchange.caller import Caller
from pbx.media.beat import Beat
from pbx.media.collector import Collector
from pbx.media.g711 import ULAW
from pbx.media.hearing import Hearing
from pbx.media.library import Library, NoSound
from pbx.media.port import Tap
from pbx.media.recorder import Recorder
from pbx.media.sounds import Playable, Recording, clips
from pbx.media.sources import Live, Loop, Sequel
from pbx.media.take import Take
from pbx.media.voice import Voice
from pbx.sip.timers import Clock

QUESTION_LIMIT = 32  # keys that `ask` collects at most


class Speaking(Protocol):
    """Our own end of the caller's sound."""

    @property
    def identity(self) -> Caller:
        """Who hears it."""

    @property
    def library(self) -> Library: ...
    @property
    def beat(self) -> Beat: ...

    def answer(self) -> Deferred[None]:
        """Answer the caller; fires when that is done. Without effect on a call that is answered."""

    def echo(self) -> Deferred[None]:
        """Answer and send the caller's own voice back; fires when that ends."""

    def voice(self, early: bool) -> Deferred[Voice | None]:
        """Answer, or describe early media, and speak; fires with None where the caller has no early media."""

    def listen_in(self, tap: Tap | None) -> None:
        """Let somebody listen in on what the caller says and hears; None ends that."""

    def act_as_focus(self, conference: str) -> None:
        """Tell the caller's phone that we are the focus of a conference; "" for none any more."""


class SoundingCall(Protocol):
    """The exchange's side of a call, as far as it sounds."""

    @property
    def id(self) -> str: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def speaking(self) -> Speaking: ...
    def enter(self, place: str) -> None:
        """The caller is let into a place of ours, in words."""


class SoundVerbs:
    """The verbs of sound; `Call` has them."""

    __slots__ = ("_live", "_sounding")

    _sounding: SoundingCall  # the exchange's side of the call
    _live: Live | None  # what `send` fills, once there is any

    async def _begin(self, verb: str) -> None:
        raise NotImplementedError

    async def echo(self) -> None:
        """Answer, and let the caller hear what it says, until it hangs up."""
        await self._begin("echo")
        self._sounding.enter("the echo")
        await self._sounding.speaking.echo()

    async def play(self, *sounds: Playable, early: bool = False) -> None:
        """Play sounds one after the other; return when they have been heard.

        :param sounds: `prompt("welcome")`, `tone("busy")`, `number(3)`, a `Recording`, ...
        :param early: do not answer for that: the caller hears it before (183), and pays nothing. A caller that cannot
            hear anything before the answer hears nothing.
        :raises NoSound: when there is no such prompt.
        """
        await self._begin("play")
        sequel = Sequel(await clips(self._sounding.speaking.library, sounds))
        voice = await self._sounding.speaking.voice(early)
        if voice is not None:
            try:
                await voice.play(sequel)
            finally:
                voice.stop()

    async def say(self, text: str, early: bool = False) -> None:
        """Say some text, in the voice of espeak-ng.

        :param text: up to 1000 characters.
        :param early: as for `play`.
        :raises NoSound: when espeak-ng is not installed, or cannot say it.
        """
        if not isinstance(text, str):
            raise TypeError(f"say() takes text, not {text!r}")
        await self._begin("say")
        clip = await self._sounding.speaking.library.say(text)
        voice = await self._sounding.speaking.voice(early)
        if voice is not None:
            try:
                await voice.play(Sequel([clip]))
            finally:
                voice.stop()

    async def ask(self, *sounds: Playable, digits: int = 1, timeout: float = 5, tries: int = 1) -> str | None:
        """Play sounds and wait for keys. The first key ends the sounds; keys pressed before count, too.

        :param sounds: the question, as for `play`.
        :param digits: how many keys; `#` ends fewer than that.
        :param timeout: seconds to wait for the first key, once the question is over, and for each key after it.
        :param tries: how often to ask.
        :returns: the keys, or None when none was pressed.
        :raises NoSound: when there is no such prompt.
        """
        check_count("ask", "digits", digits, QUESTION_LIMIT)
        check_count("ask", "tries", tries, 100)
        check_seconds("ask", "timeout", timeout)
        await self._begin("ask")
        question = await clips(self._sounding.speaking.library, sounds)
        voice = await self._voice()
        for _ in range(tries):
            collector = Collector(voice, self._sounding.clock, question, digits, timeout)
            try:
                keys = await collector.keys
            finally:
                collector.stop()
            if keys:
                return keys
        return None

    async def record(
        self, max: float = 300, silence: float = 5, beep: bool = True, path: Path | None = None
    ) -> Recording:
        """Record what the caller says, until it falls silent or presses a key.

        The file stays when the caller hangs up meanwhile: `[media] recordings` is its folder.

        :param max: seconds after which it ends.
        :param silence: seconds without a word after which it ends.
        :param beep: whether a beep says when to speak.
        :param path: the file to make; None for a new one in that folder.
        :raises NoSound: when the file cannot be made.
        """
        check_seconds("record", "max", max)
        check_seconds("record", "silence", silence)
        await self._begin("record")
        speaking = self._sounding.speaking
        voice = await self._voice()
        if beep:
            try:
                await voice.play(Sequel([speaking.library.tone("beep")]))
            finally:
                voice.stop()
        if path is None:
            path = speaking.library.new_recording(self._sounding.id, self._sounding.clock.wall())
        with _blaming(path):
            take = Take(voice, self._sounding.clock, path, max, silence)
        recording = Recording(take.recorder)
        try:
            recording.ended_by = await take.over
            recording.key = take.key
        finally:
            take.stop()
        return recording

    @asynccontextmanager
    async def recorded(self) -> AsyncIterator[Recording]:
        """Record all that the caller says (left) and hears (right) meanwhile:

            async with call.recorded() as recording:
                await call.dial(ext("1001"))

        A call that is recorded agrees upon G.711, where it can.

        :raises NoSound: when the file cannot be made.
        """
        await self._begin("recorded")
        speaking = self._sounding.speaking
        path = speaking.library.new_recording(self._sounding.id, self._sounding.clock.wall())
        with _blaming(path):
            recorder = Recorder(self._sounding.clock, path, both=True)
        speaking.listen_in(recorder)
        try:
            yield Recording(recorder)
        finally:
            speaking.listen_in(None)
            recorder.stop()

    @asynccontextmanager
    async def on_hold(self, music: str = "hold") -> AsyncIterator[None]:
        """Let the caller hear music meanwhile.

        :param music: the name of a file in the prompts' folder `music`.
        :raises NoSound: when there is no such music.
        """
        await self._begin("on_hold")
        clip = self._sounding.speaking.library.prompt(f"music/{music}")
        voice = await self._voice()
        voice.play(Loop(clip))
        try:
            yield
        finally:
            voice.stop()

    def audio(self) -> AsyncIterator[bytes]:
        """What the caller says from now on, frame by frame, for voice agents:

            async for frame in call.audio():
                ...

        A frame is 20 ms of PCM: 16 bits a sample in this machine's byte order, 8000 a second, 320 bytes. One comes
        every 20 ms; what was lost is silence. Whoever fetches them too slowly misses what is older than a second.
        """
        return self._frames()

    async def send(self, pcm: bytes) -> None:
        """Say PCM, as `audio` gives it, in pieces of any length. Returns when it is time for the next piece.

        At most 200 ms wait to be said, so that whoever is interrupted need not say more than that.
        """
        if not isinstance(pcm, bytes | bytearray | memoryview) or len(pcm) % 2:
            raise TypeError("send() takes bytes of PCM, two a sample")
        await self._begin("send")
        voice = await self._voice()
        if self._live is None or voice.source is not self._live:
            self._live = Live(ULAW)
            voice.play(self._live)
        await self._live.add(ULAW.encode(bytes(pcm)))

    async def _frames(self) -> AsyncIterator[bytes]:
        await self._begin("audio")
        voice = await self._voice()
        hearing = Hearing(voice, self._sounding.speaking.beat)
        try:
            while frame := await hearing.next():
                yield ULAW.decode(frame)
        finally:
            hearing.close()

    async def _voice(self) -> Voice:
        voice = await self._sounding.speaking.voice(False)
        assert voice is not None  # only an early one may be missing
        return voice


@contextmanager
def _blaming(path: Path) -> Iterator[None]:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise NoSound(f"{path} cannot be made: {error.strerror}", "see [media] recordings") from None
