"""The latch of symmetric RTP: whom a stream comes from, learned from packets, and by whom that may be changed.

1. The first valid packet from a host that signalling knows decides. A stranger's does only when it has been sending for
   a while and nothing better has come; and never where the phone is not to send at all: it could not throw it out.
2. For a short window after that a better source may still take over: best the address that signalling named, then any
   port of a host that signalling knows, then a stranger.
3. Then only signalling opens the latch again, by naming another address. A stranger, though, gives way to a host that
   signalling knows at any time: who sprayed all ports while the phone was silent does not keep it out.
4. Or silence: when its source is silent, another port of a known host may follow it (a NAT forgot its mapping). A
   stranger that merely sends never gets in, however long it sends.
"""

from __future__ import annotations

from pbx.media.rtp import Address
from pbx.sip.timers import Clock

WINDOW = 2.0  # seconds in which a better source may take over
PATIENCE = 0.5  # seconds that a source must keep sending, while nothing better sends, where it may not latch at once


class Latch:
    """One stream's latch. Its owner compares `source` with each packet's and asks `admits` only when they differ.

    :param clock: the time.
    :param signalling_host: the host from which this phone's SIP comes, "" when not known.
    :ivar signalled: the address that signalling named, None when it named none.
    :ivar source: the address that it latched to, None while it is open.
    :ivar since: when it latched, in the clock's seconds.
    :ivar former: the address that it was latched to before signalling opened it; None when there is none.
    :ivar heard: how many packets had been admitted when another source knocked; -1 when none has.
    :ivar knocked: when that was.
    """

    __slots__ = ("_clock", "former", "heard", "knocked", "signalled", "signalling_host", "since", "source")

    def __init__(self, clock: Clock, signalling_host: str) -> None:
        self._clock = clock
        self.signalling_host = signalling_host
        self.signalled: Address | None = None
        self.source: Address | None = None
        self.since = 0.0
        self.former: Address | None = None
        self.heard = -1
        self.knocked = 0.0

    @property
    def target(self) -> Address | None:
        """Where packets for this phone go: where its own come from, until then where signalling says."""
        return self.source or self.signalled

    def signal(self, address: Address) -> None:
        """Signalling names the phone's address. Another one than before opens the latch."""
        if address != self.signalled:
            self.signalled = address
            self.former, self.source = self.source or self.former, None
            self.heard = -1

    def forget(self) -> None:
        """Believe nothing of what is known, until signalling says more."""
        self.source = self.signalled = self.former = None
        self.heard = -1

    def admits(self, source: Address, heard: int, expected: bool = True) -> bool:
        """Whether a valid packet from another address than `source` may latch; if so, it has.

        :param heard: how many packets have been admitted so far.
        :param expected: whether the phone is to send.
        """
        now = self._clock.seconds()
        if self.source is None:
            at_once = self._rank(source) != _STRANGER
        else:
            new, old = self._rank(source), self._rank(self.source)
            at_once = new > old and (now < self.since + WINDOW or old <= _STRANGER < new)
        if not at_once:
            if self.source is None and not expected:
                return False
            if heard != self.heard:
                # The present source has sent since the last knock, or this is the first: patience starts here.
                self.heard, self.knocked = heard, now
                return False
            if now < self.knocked + PATIENCE:
                return False
            if self.source is not None and source[0] != self.source[0] and not self._is_known(source[0]):
                return False
        self.source, self.since = source, now
        self.heard = -1
        return True

    def _rank(self, source: Address) -> int:
        if self.signalled is not None and source[:2] == self.signalled[:2]:
            return _SIGNALLED
        if source == self.former:
            return _FORMER
        return _KNOWN if self._is_known(source[0]) else _STRANGER

    def _is_known(self, host: str) -> bool:
        return host == self.signalling_host or (self.signalled is not None and host == self.signalled[0])


# Ranks of sources. What still comes from the address that signalling has just given up is the phone's, but the last
# of it, and so gives way to anything.
_FORMER, _STRANGER, _KNOWN, _SIGNALLED = range(4)
