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

    __slots__ = ("_clock", "_flow", "_lost", "_packet", "_timer", "cseq")

    def __init__(self, cseq: int, packet: bytes, flow: Flow, clock: Clock, lost: Callable[[], None]) -> None:
        self.cseq = cseq
        self._packet = packet
        self._flow = flow
        self._clock = clock
        self._lost = lost
        # Over reliable transports too: a proxy on the way may have lost it on an unreliable one.
        self._timer: Timer = clock.callLater(T1, self._retransmit, T1, 63 * T1)

    def acknowledged(self) -> None:
        """The ACK came, or nobody waits for it any more. Once, and not after `lost` was called."""
        self._timer.cancel()

    def _retransmit(self, interval: float, left: float) -> None:
        """The interval, in seconds, is over, and so many are left until it is given up."""
        if not left:
            self._lost()
            return
        interval = min(2 * interval, T2, left)
        self._timer = self._clock.callLater(interval, self._retransmit, interval, left - interval)
        self._flow.send(self._packet)
