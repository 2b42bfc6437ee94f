"""A phone to which we speak ourselves, and what it hears."""

from __future__ import annotations

from pbx.media import rtp
from pbx.media.clip import FRAME
from pbx.media.g711 import LAWS
from pbx.media.telephone_event import payload
from pbx.media.voice import Voice
from tests.media.network import Exchange, Phone, port, result

KEYS = "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"


class Speaking:
    """One phone, answered by us.

    :param lines: its m-line and what is under it.
    :param beside: another one on the same exchange; None for an exchange of its own.
    :ivar voice: our end of its sound.
    """

    def __init__(self, lines: str = "m=audio {} RTP/AVP 0 101\r\n" + KEYS, beside: Speaking | None = None) -> None:
        self.exchange = Exchange() if beside is None else beside.exchange
        self.clock = self.exchange.clock
        port_of_its_own = 4000 if beside is None else beside.phone.rtp[1] + 2
        self.phone: Phone = self.exchange.phone("198.51.100.1", port_of_its_own)
        self.side = self.exchange.side()
        result(self.exchange.relay.end(self.side, self.phone.describes(lines)))
        voice = self.exchange.relay.voice(self.side)
        assert voice is not None
        self.voice: Voice = voice
        self.port = port(self.side)

    @property
    def packets(self) -> list[tuple[rtp.Header, bytes]]:
        """What the phone heard: header and payload of each packet."""
        found = []
        for packet in self.phone.heard:
            header = rtp.header(packet)
            assert header is not None
            found.append((header, packet[header.start : header.end]))
        return found

    @property
    def sound(self) -> bytes:
        """What it heard, without the signs of life, as mu-law."""
        heard = b""
        for header, sound in self.packets:
            law = LAWS["pcmu" if header.payload_type == 0 else "pcma"]
            if sound != law.nothing:
                heard += law.translate(sound, LAWS["pcmu"])
        return heard

    def says(self, sound: bytes, sequence: int, timestamp: int, payload_type: int = 0, ssrc: int = 77) -> None:
        """The phone sends one packet."""
        packet = rtp.build(sound, payload_type, sequence, timestamp, ssrc)
        self.exchange.network.deliver(packet, self.phone.rtp, ("192.0.2.1", self.port.number))

    def talks(self, sound: bytes, first: int = 1) -> None:
        """The phone says something in frames of 20 ms, as time goes by."""
        for number, place in enumerate(range(0, len(sound), FRAME), first):
            self.says(sound[place : place + FRAME], number, number * FRAME)
            self.clock.advance(0.02)

    def presses(self, keys: str, timestamp: int = 1000) -> None:
        """The phone tells of keys in RTP, as phones do: several packets for each, the last one three times."""
        for number, key in enumerate(keys):
            for duration, is_end in ((160, False), (320, False), (480, True), (480, True), (480, True)):
                packet = rtp.build(
                    payload(key, duration, is_end), 101, 9, timestamp + 1600 * number, 77, duration == 160
                )
                self.exchange.network.deliver(packet, self.phone.rtp, ("192.0.2.1", self.port.number))
