"""A take: records what a phone says until it falls silent, a key is pressed, or it is long enough."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.defer import Deferred

from pbx.media.recorder import Recorder
from pbx.media.voice import Voice
from pbx.sip.timers import Clock, Timer

SILENCE, KEY, LIMIT, FAULT = "silence", "key", "limit", "fault"
_TAIL = 0.5  # seconds of silence that are kept


class Take:
    """One recording of one phone, from now on.

    :param voice: our end of its sound.
    :param clock: the time.
    :param path: the file; there must be none yet.
    :param most: seconds after which it ends.
    :param silence: seconds without a word after which it ends.
    :raises OSError: when the file cannot be made.
    :ivar recorder: it has the file.
    :ivar over: fires with what ended it: `SILENCE`, `KEY`, `LIMIT`, or `FAULT` when the disk is full, for example.
    :ivar key: the key that ended it; "" for none.
    """

    __slots__ = ("_clock", "_most", "_silence", "_timer", "_voice", "key", "over", "recorder")

    def __init__(self, voice: Voice, clock: Clock, path: Path, most: float, silence: float) -> None:
        self.recorder = Recorder(clock, path)
        self.over: Deferred[str] = Deferred()
        self.key = ""
        self._voice = voice
        self._clock = clock
        self._most = most
        self._silence = silence
        self._timer: Timer | None = None
        voice.listen(self.recorder)
        self._wait()
        voice.want_keys(self._key_pressed)

    def stop(self) -> None:
        """Record no more. Again does no harm."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._voice.want_keys(None)
        self._voice.ignore(self.recorder)
        self.recorder.stop()

    def _key_pressed(self, key: str) -> None:
        self.key = key
        self._finish(KEY)

    def _wait(self) -> None:
        recorder = self.recorder
        left = min(self._most, recorder.spoke_at + self._silence) - recorder.elapsed
        self._timer = self._clock.callLater(max(0.0, left), self._look)

    def _look(self) -> None:
        self._timer = None
        recorder = self.recorder
        if not recorder.recording:
            self._finish(FAULT)
        elif recorder.elapsed >= self._most:
            self._finish(LIMIT)
        elif recorder.elapsed >= recorder.spoke_at + self._silence:
            recorder.stop(at=recorder.spoke_at + _TAIL if recorder.spoke_at else None)
            self._finish(SILENCE)
        else:
            self._wait()

    def _finish(self, how: str) -> None:
        self.stop()
        self.over.callback(how)
