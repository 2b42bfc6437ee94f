"""A recorder: writes what a phone says, or what it says and hears, into a WAV file (mu-law; the phone left).

Sound stands where its RTP timestamp says: what was lost or never sent is silence, what comes late still finds its
place while that is not written. The file on disk is never more than two seconds behind, and readable at any time.

Time is the exchange's, which is the machine's: when that is set, forward or back, a recording goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from twisted.logger import Logger

from pbx.media import rtp
from pbx.media.g711 import RATE, ULAW, Law
from pbx.media.track import Track
from pbx.media.wav import Writer
from pbx.sip.timers import Clock, Timer

WRITE = 1.0  # seconds between two writes
LATE = 0.5  # seconds by which sound may be late
LONGEST = 0.1  # seconds of sound in one packet, as a rule
LEAP = 10.0  # seconds after which the last look cannot be that long ago: the clock was set, or we were stopped
SPEECH = 250.0  # mean amplitude of what is not silence (-42 dBm0)


class Recorder:
    """Records what it is told of, from now on: as the ear of a voice (`pbx.media.voice.Ear`), or by listening in on a
    port (`pbx.media.port.Tap`).

    :param clock: the time.
    :param path: the file; there must be none yet.
    :param both: whether what the phone hears is recorded, too, on the right.
    :raises OSError: when the file cannot be made.
    :ivar fault: why nothing more can be written, in words; "" while all is well.
    :ivar spoke_at: when the phone last said something that is not silence, in seconds since the beginning.
    """

    __slots__ = ("_clock", "_elapsed", "_looked_at", "_timer", "_tracks", "_writer", "fault", "spoke_at")

    log = Logger()

    def __init__(self, clock: Clock, path: Path, both: bool = False) -> None:
        self._writer = Writer(path, channels=2 if both else 1)
        self._tracks = [Track(LATE - LONGEST) for _ in range(2 if both else 1)]
        self._clock = clock
        self._looked_at = clock.seconds()
        self._elapsed = 0.0
        self._timer: Timer | None = clock.callLater(WRITE, self._write_regularly)
        self.fault = ""
        self.spoke_at = 0.0

    def __repr__(self) -> str:
        return f"<recorder of {self.path}, {self.seconds:.1f} s>"

    @property
    def path(self) -> Path:
        """The file."""
        return self._writer.path

    @property
    def seconds(self) -> float:
        """How much is in the file."""
        return self._writer.seconds

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        now = self._clock.seconds()
        if 0 <= now - self._looked_at < LEAP:
            self._elapsed += now - self._looked_at
        self._looked_at = now
        return self._elapsed

    @property
    def recording(self) -> bool:
        """Whether it still records."""
        return self._timer is not None

    def heard(self, law: Law, sound: bytes, header: rtp.Header) -> None:
        """The phone says something."""
        self._add(self._tracks[0], law, sound, header)
        if law.loudness(sound) >= SPEECH:
            self.spoke_at = self.elapsed

    def said(self, law: Law, sound: bytes, header: rtp.Header) -> None:
        """The phone hears something."""
        if len(self._tracks) == 2:
            self._add(self._tracks[1], law, sound, header)

    def stop(self, at: float | None = None) -> None:
        """Finish the file. Again does no harm.

        :param at: drop what comes after so many seconds.
        """
        if not self.recording:
            return
        self._write(round(self.elapsed * RATE))
        if at is not None and not self.fault:
            self._guarded(lambda: self._writer.cut(at))
        self._end()

    def _add(self, track: Track, law: Law, sound: bytes, header: rtp.Header) -> None:
        if self.recording:
            track.add(header, law.translate(sound, ULAW), round(self.elapsed * RATE))

    def _write_regularly(self) -> None:
        self._timer = self._clock.callLater(WRITE, self._write_regularly)
        self._write(round((self.elapsed - LATE) * RATE))

    def _write(self, end: int) -> None:
        sounds = [track.take(end) for track in self._tracks]
        if len(sounds) == 2:
            both = bytearray(2 * len(sounds[0]))
            both[::2], both[1::2] = sounds
            sounds = [bytes(both)]
        self._guarded(lambda: self._writer.append(sounds[0]))

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except OSError as error:
            self.fault = error.strerror or str(error)
            self.log.error("recording {path} ends here: {why}", path=str(self.path), why=self.fault)
            self._end()

    def _end(self) -> None:
        """Write no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._writer.close()
