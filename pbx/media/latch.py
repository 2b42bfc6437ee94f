"""The latch of symmetric RTP: whom a stream comes from, learned from packets, and by whom that may be changed.

1. The first valid packet decides. For a short window after it a better source may still take over: best the address
   that signalling named, then any port of a host that signalling knows, then anyone else.
2. After that, only signalling opens it again, by naming another address.
3. Or silence: when its source is silent, another port of a known host may follow it (a NAT forgot its mapping).
   A stranger that merely sends never gets in, however long it sends.
"""

from __future__ import annotations

from pbx.media.rtp import Address
from pbx.sip.timers import Clock

WINDOW = 2.0  # seconds in which a better source may take over
SILENCE = 2.0  # seconds without a packet of the source after which another port of its host may follow it


class Latch:
    """One stream's latch. Its owner compares `source` with each packet's and asks `admits` only when they differ.

    :param clock: the time.
    :param signalling_host: the host from which this phone's SIP comes, "" when not known.
    :ivar signalled: the address that signalling named, None when it named none.
    :ivar source: the address that it latched to, None while it is open.
    :ivar since: when it latched, in the clock's seconds.
    """

    __slots__ = ("_clock", "_former", "_heard", "_signalling_host", "_silent_since", "signalled", "since", "source")

    def __init__(self, clock: Clock, signalling_host: str) -> None:
        self._clock = clock
        self._signalling_host = signalling_host
        self.signalled: Address | None = None
        self.source: Address | None = None
        self.since = 0.0
        self._former: Address | None = None
        self._heard = -1
        self._silent_since = 0.0

    @property
    def target(self) -> Address | None:
        """Where packets for this phone go: where its own come from, until then where signalling says."""
        return self.source or self.signalled

    def signal(self, address: Address) -> None:
        """Signalling names the phone's address. Another one than before opens the latch."""
        if address != self.signalled:
            self.signalled = address
            self._former, self.source = self.source or self._former, None

    def admits(self, source: Address, heard: int) -> bool:
        """Whether a valid packet from another address than `source` may latch; if so, it has.

        :param heard: how many packets of the present source have come so far.
        """
        now = self._clock.seconds()
        if self.source is None or (now < self.since + WINDOW and self._rank(source) > self._rank(self.source)):
            self._latch(source, now)
            return True
        if heard != self._heard:
            # It still sends, or did until now: from here on its silence counts.
            self._heard, self._silent_since = heard, now
        elif now >= self._silent_since + SILENCE and (source[0] == self.source[0] or self._is_known(source[0])):
            self._latch(source, now)
            return True
        return False

    def _latch(self, source: Address, now: float) -> None:
        self.source, self.since = source, now
        self._heard = -1

    def _rank(self, source: Address) -> int:
        if self.signalled is not None and source[:2] == self.signalled[:2]:
            return 3
        if source == self._former:
            return 0  # what is still on its way from the address that signalling has just given up
        return 2 if self._is_known(source[0]) else 1

    def _is_known(self, host: str) -> bool:
        return host == self._signalling_host or (self.signalled is not None and host == self.signalled[0])
