"""The shutters: bans as the kernel keeps them for our UDP sockets, so that a banned flood costs us nothing at all.

Only a source at which nobody is registered is given to the kernel: of the others it cannot tell who passes. What the
kernel does not take is dropped by the transports, as without it.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence

from twisted.logger import Logger

from pbx.exchange.bans import Bans
from pbx.sip import packet_filter
from pbx.sip.timers import Clock, Timer

PAUSE = 0.0625
"""Seconds after a change before the kernel hears of it: forged addresses may bring many at once."""

_log = Logger()


class Shutters:
    """Those of all UDP sockets.

    :param sockets: bound ones.
    """

    def __init__(self, bans: Bans, sockets: Sequence[socket.socket], clock: Clock) -> None:
        self._bans = bans
        self._sockets = [one for one in sockets if one.type == socket.SOCK_DGRAM]
        self._clock = clock
        self._timer: Timer | None = None
        self._until = 0.0
        bans.changed = self.changed
        if bans.listed():
            self.changed()

    def changed(self) -> None:
        """There is another ban, or one less."""
        self._come_back(PAUSE)

    def stop(self) -> None:
        """Let go of the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def counts(self) -> dict[str, int]:
        """What the kernel has dropped for our sockets, by kind: of banned sources, or for want of room."""
        dropped = sum([packet_filter.drops(one) for one in self._sockets])
        return {"by the kernel": dropped} if dropped else {}

    def _come_back(self, seconds: float) -> None:
        at = self._clock.seconds() + seconds
        if self._timer is not None:
            if self._until <= at:
                return
            self._timer.cancel()
        self._until = at
        self._timer = self._clock.callLater(seconds, self._close)

    def _close(self) -> None:
        self._timer = None
        bans = self._bans.unused(packet_filter.MOST)
        try:
            for one in self._sockets:
                packet_filter.shut_out(one, [ban.address for ban in bans])
        except (OSError, ValueError) as error:
            _log.warn("the kernel takes no bans ({error}): the server drops what it would", error=str(error))
            self._bans.changed = lambda: None
            return
        if bans:
            self._come_back(max(bans[-1].until - self._clock.seconds(), PAUSE))
