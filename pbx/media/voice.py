"""A voice: our own end of a phone's sound. Where no other phone is, we speak and listen, and see what it presses.

It is the sink of the port that faces the phone, until the port is connected to something else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from twisted.internet.defer import Deferred

from pbx.media import rtp
from pbx.media.beat import Beat
from pbx.media.g711 import Law
from pbx.media.keys import Keys
from pbx.media.player import Player
from pbx.media.port import Port
from pbx.media.rtp import Packet
from pbx.media.sources import Source

MOST_KEYS = 64  # that are kept until somebody asks


class Ear(Protocol):
    """Somebody who hears what the phone says."""

    def heard(self, law: Law, sound: bytes, header: rtp.Header) -> None:
        """A packet of sound came.

        :param sound: G.711 of this law.
        """


class Voice:
    """Our end of one stream. It listens from now on.

    :param port: the port that faces the phone; its stream is agreed upon, with G.711.
    :param beat: when it speaks.
    :param ssrc: 32 random bits.
    :param keys: those of the phone.
    :ivar pressed: the keys that nobody has asked for yet, in order.
    """

    __slots__ = ("_ears", "_key_wanted", "_keys", "_player", "closed", "port", "pressed")

    def __init__(self, port: Port, beat: Beat, ssrc: int, keys: Keys) -> None:
        self.port = port
        self.pressed: deque[str] = deque(maxlen=MOST_KEYS)
        self._keys = keys
        self.closed = False
        self._player = Player(port, beat, ssrc)
        self._ears: list[Ear] = []
        self._key_wanted: Callable[[str], None] | None = None
        port.sink = self

    def __repr__(self) -> str:
        return f"<voice at {self.port}{', closed' if self.closed else ''}>"

    @property
    def source(self) -> Source | None:
        """What is said; None for nothing."""
        return self._player.source

    def play(self, source: Source) -> Deferred[None]:
        """Say something in place of what is said now. Fires when it is over or was stopped; never once closed."""
        return Deferred() if self.closed else self._player.play(source)

    def stop(self) -> None:
        """Say no more of it."""
        self._player.stop()

    def want_keys(self, wanted: Callable[[str], None] | None) -> None:
        """Tell somebody of each key, those first that nobody has asked for; None keeps them until somebody asks."""
        self._key_wanted = wanted
        while self.pressed and self._key_wanted is not None:
            self._key_wanted(self.pressed.popleft())

    def press(self, keys: str) -> None:
        """The phone told of keys, in RTP or by INFO."""
        for key in keys:
            if self._key_wanted is not None:
                self._key_wanted(key)
            else:
                self.pressed.append(key)

    def listen(self, ear: Ear) -> None:
        """Let somebody hear what the phone says."""
        self._ears.append(ear)

    def ignore(self, ear: Ear) -> None:
        """It hears no more. No harm if it did not."""
        if ear in self._ears:
            self._ears.remove(ear)

    def leave(self) -> None:
        """Its phone goes, and it stays: it says and hears nothing until it comes to another port."""
        if self.port.sink is self:
            self.port.sink = None

    def move(self, port: Port, keys: Keys) -> None:
        """Be our end of another phone's sound from now on, in the middle of what it says.

        :param keys: those of that phone.
        """
        self.leave()
        self.port, self._keys = port, keys
        self._player.move(port)
        port.sink = self

    def close(self) -> None:
        """The port is connected to something else, or gone."""
        self.closed = True
        self._player.close()
        self._ears.clear()
        self._key_wanted = None
        if self.port.sink is self:
            self.port.sink = None

    # What the port tells (pbx.media.port.Sink)

    def send_rtp(self, packet: Packet) -> None:
        """The phone says something."""
        speech = self.port.speech
        if speech is None or not (self._ears or not speech.has_events):
            return
        header = rtp.header(packet)
        law = speech.laws.get(header.payload_type) if header is not None else None
        if header is None or law is None:
            return
        sound = bytes(packet[header.start : header.end])
        for ear in tuple(self._ears):
            ear.heard(law, sound, header)
        if not speech.has_events:
            self.press(self._keys.heard(law.decode(sound)))

    def send_rtcp(self, packet: Packet) -> None:
        """Its reports are about our own packets."""
