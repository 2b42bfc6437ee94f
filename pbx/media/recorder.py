"""A recorder: writes what a phone says, or what it says and hears, into a WAV file (mu-law; the phone left).

Sound stands where its RTP timestamp says: what was lost or never sent is silence, what comes late still finds its
place while that is not written. The file on disk is never more than two seconds behind, and readable at any time.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from twisted.logger import Logger

from pbx.media import rtp
from pbx.media.g711 import LAWS, RATE, ULAW, Law
from pbx.media.port import Port
from pbx.media.rtp import Packet
from pbx.media.track import Track
from pbx.media.wav import Writer
from pbx.sip.timers import Clock, Timer

WRITE = 1.0  # seconds between two writes
LATE = 0.5  # seconds by which sound may be late
LONGEST = 0.1  # seconds of sound in one packet, as a rule
SPEECH = 250.0  # mean amplitude of what is not silence (-42 dBm0)
_STATIC = {0: LAWS["pcmu"], 8: LAWS["pcma"]}


class Recorder:
    """Records one port, from now on.

    :param port: the port that faces the phone. One recorder at a time may listen in on it.
    :param clock: the time.
    :param path: the file; there must be none yet.
    :param both: whether what the phone hears is recorded, too, on the right.
    :raises OSError: when the file cannot be made.
    :ivar fault: why nothing more can be written, in words; "" while all is well.
    :ivar spoke_at: when the phone last said something that is not silence, in seconds since the beginning.
    """

    __slots__ = ("_clock", "_port", "_started_at", "_timer", "_tracks", "_writer", "fault", "spoke_at")

    log = Logger()

    def __init__(self, port: Port, clock: Clock, path: Path, both: bool = False) -> None:
        self._writer = Writer(path, channels=2 if both else 1)
        self._tracks = [Track(LATE - LONGEST) for _ in range(2 if both else 1)]
        self._clock = clock
        self._port: Port | None = port
        self._started_at = clock.seconds()
        self._timer: Timer | None = clock.callLater(WRITE, self._write_regularly)
        self.fault = ""
        self.spoke_at = 0.0
        port.tap = self

    def __repr__(self) -> str:
        return f"<recorder of {self._port}, {self.seconds:.1f} s>"

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
        return self._clock.seconds() - self._started_at

    @property
    def recording(self) -> bool:
        """Whether it still records."""
        return self._port is not None

    def heard(self, packet: Packet) -> None:
        """The phone says something."""
        sound = self._take(packet, self._tracks[0])
        if ULAW.loudness(sound) >= SPEECH:
            self.spoke_at = self.elapsed

    def said(self, packet: Packet) -> None:
        """The phone hears something."""
        if len(self._tracks) == 2:
            self._take(packet, self._tracks[1])

    def stop(self, at: float | None = None) -> None:
        """Finish the file. Again does no harm.

        :param at: drop what comes after so many seconds.
        """
        if self._port is None:
            return
        self._write(round(self.elapsed * RATE))
        if at is not None and not self.fault:
            self._guarded(lambda: self._writer.cut(at))
        self._end()

    def _take(self, packet: Packet, track: Track) -> bytes:
        header = rtp.header(packet)
        law = self._law_of(header.payload_type) if header is not None else None
        if header is None or law is None:
            return b""
        sound = law.translate(bytes(packet[header.start : header.end]), ULAW)
        track.add(header, sound, round(self.elapsed * RATE))
        return sound

    def _law_of(self, payload_type: int) -> Law | None:
        speech = self._port.speech if self._port is not None else None
        return (speech.laws if speech is not None else _STATIC).get(payload_type)

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
        """Listen no more."""
        port, self._port = self._port, None
        if port is not None and port.tap is self:
            port.tap = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._writer.close()
