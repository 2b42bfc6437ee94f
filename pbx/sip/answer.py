"""A 2xx to INVITE, sent again until its ACK comes (RFC 3261 13.3.1.4): its transaction does not do it."""

from __future__ import annotations

from collections.abc import Callable

from pbx.sip.flow import Flow
from pbx.sip.timers import T1, T2, Clock, Timer


class Answer:
    """One 2xx that waits for its ACK.

    :param cseq: the number of its INVITE, which its ACK carries too.
    :param packet: the 2xx; it has been sent once.
    :param lost: called once no ACK came within 64*T1.
    """

    __slots__ = ("_clock", "_expiry", "_flow", "_lost", "_packet", "_resend", "cseq")

    def __init__(self, cseq: int, packet: bytes, flow: Flow, clock: Clock, lost: Callable[[], None]) -> None:
        self.cseq = cseq
        self._packet = packet
        self._flow = flow
        self._clock = clock
        self._lost = lost
        self._expiry = clock.callLater(64 * T1, self._expired)
        # Over reliable transports too: a proxy on the way may have lost it on an unreliable one.
        self._resend: Timer = clock.callLater(T1, self._retransmit, 2 * T1)

    def acknowledged(self) -> None:
        """The ACK came, or nobody waits for it any more. Once, and not after `lost` was called."""
        self._expiry.cancel()
        self._resend.cancel()

    def _expired(self) -> None:
        self._resend.cancel()
        self._lost()

    def _retransmit(self, interval: float) -> None:
        interval = min(interval, T2)
        self._resend = self._clock.callLater(interval, self._retransmit, 2 * interval)
        self._flow.send(self._packet)
