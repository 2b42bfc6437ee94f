"""Hearing: what a phone says, as even frames of 20 ms, one at each beat, for whoever works on sound as it comes.

What is missing is silence.
"""

from __future__ import annotations

from collections import deque

from twisted.internet.defer import Deferred, succeed

from pbx.media.beat import Beat
from pbx.media.playout import Playout
from pbx.media.voice import Voice

MOST = 50  # frames that are kept for one who does not fetch them: a second


class Hearing:
    """What one phone says, from now on until it is closed.

    :param voice: our end of its sound.
    :param beat: when a frame is made.
    """

    __slots__ = ("_beat", "_frames", "_playout", "_voice", "_waiting")

    def __init__(self, voice: Voice, beat: Beat) -> None:
        self._voice = voice
        self._beat = beat
        self._playout = Playout()
        self._frames: deque[bytes] = deque(maxlen=MOST)
        self._waiting: Deferred[bytes] | None = None
        voice.listen(self._playout)
        beat.join(self)

    def next(self) -> Deferred[bytes]:
        """The next frame of mu-law; fires with b"" once there is nothing to hear any more."""
        if self._frames:
            return succeed(self._frames.popleft())
        if self._voice.closed:
            return succeed(b"")
        waiting = self._waiting = Deferred()
        return waiting

    def close(self) -> None:
        """Hear no more."""
        self._voice.ignore(self._playout)
        self._beat.leave(self)

    def beat(self, skipped: int) -> None:
        """The next 20 ms."""
        if self._voice.closed:
            self.close()
            self._deliver(b"")
            return
        for _ in range(min(skipped, MOST) + 1):
            self._deliver(self._playout.next())

    def _deliver(self, frame: bytes) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(frame)
        elif frame:
            self._frames.append(frame)
