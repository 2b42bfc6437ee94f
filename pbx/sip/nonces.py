"""Nonces of digest authentication (RFC 7616 section 5.4): one costs nothing until it was used with right credentials.

A nonce is the time of its issue, signed together with the address it was issued to. From its first valid use on, its
highest nonce count is kept, in a table that has a bound. What falls out of the table is old, never fresh again.
"""

from __future__ import annotations

import hmac
from hashlib import blake2b
from heapq import heappop, heappush

from pbx.sip.timers import Clock

_STAMP = 14  # hexadecimal digits: microseconds since 1970
_SIGNATURE = 16  # bytes


class Nonces:
    """Issues nonces and judges those that come back.

    :param clock: the time.
    :param secret: the key of the signatures; of 64 bytes at most.
    :param lifetime: seconds for which a nonce is good.
    :param bound: how many used nonces are remembered.
    """

    __slots__ = ("_ages", "_bound", "_clock", "_counts", "_forgotten", "_last", "_lifetime", "_secret")

    def __init__(self, clock: Clock, secret: bytes, lifetime: float = 300, bound: int = 100_000) -> None:
        self._clock = clock
        self._secret = secret
        self._lifetime = int(lifetime * 1e6)
        self._bound = bound
        # Up to this stamp nobody knows how often a nonce was used: it fell out of the table, or we were not there yet.
        self._forgotten = self._last = self._now()
        self._counts: dict[int, int] = {}
        # The stamps of those in the table as a heap: the one issued first is also the first that expires.
        self._ages: list[int] = []

    def __len__(self) -> int:
        """How many used nonces are remembered."""
        return len(self._counts)

    def issue(self, host: str) -> str:
        """Make a nonce that is good for requests from this address, and keep nothing of it."""
        # No two have the same stamp, else two phones behind one address would count on the same nonce.
        stamp = self._last = max(self._last + 1, self._now())
        digits = f"{stamp:0{_STAMP}x}"
        return digits + self._signature(digits, host)

    def is_fresh(self, nonce: str, host: str) -> bool:
        """Whether it was issued to this address a while ago at most: whoever has it has received what we sent there."""
        digits = nonce[:_STAMP]
        if not hmac.compare_digest(self._signature(digits, host).encode(), nonce[_STAMP:].encode(errors="replace")):
            return False
        return int(digits, 16) > self._now() - self._lifetime

    def use(self, nonce: str, host: str, count: int) -> bool:
        """Use a nonce once; to be called only when the credentials that came with it are right.

        :param host: the address from which they came.
        :param count: their nonce count (RFC 7616 3.4): each must be higher than all before.
        :returns: False when it is old: expired, issued by somebody else, to another address, or used with this count.
        """
        digits = nonce[:_STAMP]
        if not hmac.compare_digest(self._signature(digits, host).encode(), nonce[_STAMP:].encode(errors="replace")):
            return False
        stamp, expired = int(digits, 16), self._now() - self._lifetime
        highest = self._counts.get(stamp, 0)
        if stamp <= expired or count <= highest:
            return False
        if not highest:
            if stamp <= self._forgotten:
                return False
            heappush(self._ages, stamp)
        self._counts[stamp] = count
        while self._ages[0] <= expired or len(self._ages) > self._bound:
            self._forgotten = heappop(self._ages)
            del self._counts[self._forgotten]
        return True

    def _now(self) -> int:
        return int(self._clock.seconds() * 1e6)

    def _signature(self, digits: str, host: str) -> str:
        # BLAKE2 takes a key by itself; HMAC would hash twice, and take three times as long.
        signed = f"{digits} {host}".encode(errors="replace")
        return blake2b(signed, key=self._secret, digest_size=_SIGNATURE).hexdigest()
