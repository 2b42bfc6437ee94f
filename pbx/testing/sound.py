"""The sound of a simulated phone: it says tones in G.711 over RTP and presses keys, and knows what it heard."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Sequence
from functools import cache

from twisted.internet.defer import Deferred, succeed

from pbx.media import rtp, telephone_event
from pbx.media.clip import Clip
from pbx.media.g711 import ALAW, RATE, ULAW, Law
from pbx.media.recorder import SPEECH
from pbx.media.sdes import SUITES, Crypto
from pbx.media.srtp import Seal
from pbx.testing.clock import VirtualClock
from pbx.testing.network import Address, Network

FRAME = 160  # samples: 20 ms
LONGEST_HEARD = 1500  # frames kept: 30 s
LAST = 500  # of these, that are looked at for a tone
LAWS = {0: ULAW, 8: ALAW}
PAYLOAD_TYPES = {law: payload_type for payload_type, law in LAWS.items()}
EVENTS = 101
AMPLITUDE = 9000  # of a tone, unless it is said otherwise
_ENOUGH = 0.8  # share of the power that a tone must have


class Sound:
    """One RTP stream, both ways, and the RTCP port beside it.

    :param bound: the even port to bind.
    :param port: the same as the phone knows it; another one behind a NAT.
    :ivar payloads: what came, one entry a packet of mu-law, the latest last.
    :ivar came: how many came.
    :ivar keys: the keys that came with it (RFC 4733).
    :ivar law: in which it speaks: as the other side does.
    :ivar seal: its SRTP; None for none.
    :ivar unopened: packets that came and were nothing to its SRTP.
    """

    def __init__(self, network: Network, clock: VirtualClock, host: str, bound: int, port: int, ssrc: int) -> None:
        self.port = port
        self.payloads: list[bytes] = []
        self.came = 0
        self.keys = ""
        self._events = telephone_event.Events()
        self.law: Law = ULAW
        self.target: Address | None = None
        self.seal: Seal | None = None
        self.unopened = 0
        self._clock = clock
        self._socket = network.bind(host, bound)
        self._control = network.bind(host, bound + 1)
        self._socket.receiver = self._received
        self._ssrc = ssrc
        self._random = random.Random(ssrc)
        self._sequence = 0
        self._timestamp = 0
        self._open = True
        self._wanted: dict[tuple[Clip, Law], bytes] = {}  # clips that were asked for, as they sound here

    def says(self, frequency: float, seconds: float, amplitude: int = AMPLITUDE) -> None:
        """Say a tone from now on.

        :param frequency: Hz.
        :param seconds: how long, in steps of 20 ms.
        :param amplitude: of its samples, up to 32767.
        """
        self.says_all([_frame(frequency, number % 50, amplitude) for number in range(round(seconds * 50))])

    def says_all(self, frames: Sequence[bytes]) -> None:
        """Say something from now on.

        :param frames: mu-law, 20 ms each.
        """
        for number, frame in enumerate(frames):
            self._clock.callLater(number * 0.02, self._say, frame)

    def says_later(self, payload: bytes, place: int, late: float = 0.0) -> None:
        """Say one frame of something that begins now.

        :param payload: mu-law, 20 ms.
        :param place: its number, which is also its sequence number's and its timestamp's.
        :param late: seconds by which the network delays it.
        """
        packet = rtp.build(payload, PAYLOAD_TYPES[ULAW], place, place * FRAME, self._ssrc)
        self._clock.callLater(place * 0.02 + late, self._send_packet, packet)

    def presses(self, key: str) -> None:
        """Press a key from now on, for 100 ms (RFC 4733)."""
        self._timestamp += RATE
        for packet in range(7):
            event = telephone_event.payload(key, min(packet + 1, 5) * FRAME, is_end=packet >= 4)
            self._clock.callLater(packet * 0.02, self._send, event, EVENTS, self._timestamp, packet == 0)

    def contains(self, clip: Clip) -> bool:
        """Whether a clip was heard, whole and without a gap."""
        wanted = self._wanted.get((clip, self.law))
        if wanted is None:
            frames = [self.law.translate(frame, ULAW) for frame in clip.frames(self.law)]
            wanted = self._wanted[clip, self.law] = b"".join(frames)
        return wanted in b"".join(self.payloads)

    def hears(self, frequency: float) -> bool:
        """Whether what came last (at most 10 s) is that tone, for the most part."""
        return self.share_of(frequency) >= _ENOUGH

    def share_of(self, frequency: float) -> float:
        """The share that a tone has of the power of what came last (at most 10 s), 0.0 to 1.0."""
        return share(ULAW.decode(b"".join(self.payloads[-LAST:])), frequency)

    def is_quiet_since(self, came: int) -> bool:
        """Whether nobody was heard to say anything since so many packets had come."""
        return all(
            ULAW.loudness(frame) < SPEECH for frame in self.payloads[max(0, len(self.payloads) - self.came + came) :]
        )

    def forgets(self) -> None:
        """Forget what was heard."""
        self.payloads.clear()
        self.keys = ""

    def new_key(self, suite: str) -> bytes:
        """Another key for a suite of SRTP."""
        return self._random.randbytes(SUITES[suite])

    def seal_by(self, ours: Crypto | None, theirs: Crypto | None) -> None:
        """Seal packets from now on, or leave them as they are."""
        if ours is None or theirs is None:
            self.seal = None
        elif self.seal is None:
            self.seal = Seal(ours, theirs)
        else:
            self.seal.rekey(ours, theirs)

    def close(self) -> None:
        """Give the ports back."""
        self._open = False
        self._socket.close()
        self._control.close()

    def _say(self, payload: bytes) -> None:
        self._timestamp += FRAME
        self._send(ULAW.translate(payload, self.law), PAYLOAD_TYPES[self.law], self._timestamp)

    def _send(self, payload: bytes, payload_type: int, timestamp: int, marker: bool = False) -> None:
        self._sequence += 1
        self._send_packet(rtp.build(payload, payload_type, self._sequence, timestamp, self._ssrc, marker))

    def _send_packet(self, packet: bytes) -> None:
        if self._open and self.target is not None:
            sealed = packet if self.seal is None else self.seal.seal_rtp(packet)
            assert sealed is not None
            self._socket.sendto(sealed, self.target)

    def _received(self, packet: bytes, source: Address) -> None:
        opened = packet if self.seal is None else self.seal.open_rtp(packet)
        if opened is None:
            self.unopened += 1
            return
        packet = opened
        head = rtp.header(packet)
        law = LAWS.get(head.payload_type) if head is not None else None
        if law is not None:
            sound = law.translate(packet[rtp.SMALLEST_RTP :], ULAW)
            self.payloads.append(sound.ljust(FRAME, b"\xff")[:FRAME])
            self.came += 1
            del self.payloads[:-LONGEST_HEARD]
        elif head is not None and head.payload_type == EVENTS:
            event, now = packet[head.start : head.end], self._clock.seconds()
            key = self._events.heard(event, head.timestamp, head.marker, now)
            self.keys += telephone_event.NAMES[key] if key != telephone_event.NONE else ""


class Reciter:
    """Says any text in place of espeak-ng (`pbx.media.library.Synthesiser`): as noise, another one for each text."""

    def synthesise(self, text: str) -> Deferred[bytes]:
        """Fires at once."""
        return succeed(recited(text).sound)


def recited(text: str) -> Clip:
    """What a text sounds like in a simulation: 60 ms a character."""
    return Clip(random.Random(text).randbytes(3 * FRAME * len(text)))


@cache
def _frame(frequency: float, number: int, amplitude: int) -> bytes:
    first = number * FRAME
    wave = [round(amplitude * math.sin(2 * math.pi * frequency * at / RATE)) for at in range(first, first + FRAME)]
    return ULAW.encode(struct.pack(f"<{FRAME}h", *wave))


def share(pcm: bytes, frequency: float) -> float:
    """The share of the power that one frequency has (Goertzel's algorithm), 0.0 to 1.0.

    :param pcm: 8000 samples a second.
    """
    samples = memoryview(pcm).cast("h")
    factor = 2 * math.cos(2 * math.pi * frequency / RATE)
    before, last = 0.0, 0.0
    for sample in samples:
        before, last = last, sample + factor * last - before
    power = sum(sample * sample for sample in samples)
    return 2 * (last * last + before * before - factor * last * before) / (len(samples) * power) if power else 0.0
