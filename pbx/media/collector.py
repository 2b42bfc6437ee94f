"""A collector: asks for keys. The first key interrupts the question (barge-in); it waits for the others, too."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred

from pbx.media.clip import Clip
from pbx.media.sources import Sequel
from pbx.media.voice import Voice
from pbx.sip.timers import Clock, Timer

END = "#"  # ends what is shorter than it may be


class Collector:
    """One question.

    :param voice: our end of the phone's sound.
    :param clock: the time.
    :param clips: the question.
    :param most: how many keys are wanted.
    :param timeout: seconds to wait for the first key once the question is over, and for each one after it.
    :ivar keys: fires with the keys, "" when none was pressed in time. `#` is not among them, unless one key is all.
    """

    __slots__ = ("_asking", "_clock", "_most", "_pressed", "_timeout", "_timer", "_voice", "keys")

    def __init__(self, voice: Voice, clock: Clock, clips: Sequence[Clip], most: int, timeout: float) -> None:
        self.keys: Deferred[str] = Deferred()
        self._voice = voice
        self._clock = clock
        self._most = most
        self._timeout = timeout
        self._timer: Timer | None = None
        self._pressed = ""
        self._asking = True
        voice.play(Sequel(clips)).addCallback(self._asked)
        voice.want_keys(self._key_pressed)

    def stop(self) -> None:
        """Ask no more. Again does no harm."""
        if self._asking:
            self._asking = False
            self._cancel()
            self._voice.want_keys(None)
            self._voice.stop()

    def _asked(self, _: None) -> None:
        if self._asking and not self._pressed:
            self._wait()

    def _key_pressed(self, key: str) -> None:
        if key == END and self._most > 1:
            self._finish()
            return
        self._pressed += key
        if len(self._pressed) == self._most:
            self._finish()
            return
        self._voice.stop()
        self._wait()

    def _wait(self) -> None:
        self._cancel()
        self._timer = self._clock.callLater(self._timeout, self._timed_out)

    def _timed_out(self) -> None:
        self._timer = None
        self._finish()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _finish(self) -> None:
        self.stop()
        self.keys.callback(self._pressed)
