"""An echo: what a phone says goes back to it.

The synchronisation source is changed: a phone that finds its own in what it receives takes that for a loop and drops it
(RFC 3550 section 8.2). Its RTCP speaks of the source that this is no longer, so it ends here.
"""

from __future__ import annotations

from pbx.media.port import Port
from pbx.media.rtp import Packet


class Echo:
    """A sink that sends a phone its own RTP back.

    :param port: the port that faces the phone.
    """

    __slots__ = ("_port",)

    def __init__(self, port: Port) -> None:
        self._port = port

    def send_rtp(self, packet: Packet) -> None:
        """Send it back."""
        self._port.send_rtp(bytes(packet[:8]) + bytes([octet ^ 0xFF for octet in packet[8:12]]) + packet[12:])

    def send_rtcp(self, packet: Packet) -> None:
        """It ends here."""
