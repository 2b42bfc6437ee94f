"""Bans: which sources are dropped unread, and for how long (the gate of `pbx.sip.gate`).

A source is an IPv4 address or an IPv6 /64. It has two buckets that leak: failures (a wrong password, a foreign domain,
a call that was refused) and requests that anybody could have sent. When one runs over, the source is banned. Who has
sent datagrams only may be somebody else, whose address was forged: such a ban lasts for a minute at most and never
grows. What proves the source, a failed digest over a nonce that was sent there or a connection, has buckets of its own,
and only these bring longer bans.

A flow over which an extension is registered passes the bans of its source: behind one address there may be a whole
office. What it asks for is counted by extension, and when that is too much it alone rests for a while.

All state has a bound. No timer is set: what is over is swept out when something else happens.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import lru_cache
from ipaddress import ip_address
from itertools import islice
from typing import Protocol

from pbx.exchange.ban import BANS, MEMORY, Ban
from pbx.exchange.thresholds import Thresholds
from pbx.sip.timers import Clock, drift

FORGED = 60.0
"""Seconds of the longest ban that datagrams alone can bring."""

SOURCES = 20_000
"""Sources whose requests are counted."""

FORGIVE = 60.0  # seconds after which one failure is forgiven
CHALLENGE = 1 / 32  # of a failure: what a challenge weighs until it is answered
BURST = 30.0  # seconds of requests that may come at once: a whole office does after a power cut
GROWTH = 5.0  # a further ban lasts so many times as long as the one before

_GROWN = 100  # further bans after which growth has ended, whatever the limits are: floats end, too
_REST = 1.0  # seconds for which a registered flow rests that asks too much
_SWEEP = 10.0  # seconds between two looks for what is over

Key = str | tuple[str]
"""What is counted by: a source, or a tuple with the number of an extension, which may look like one."""


class Known(Protocol):
    """Who is known by where it speaks from."""

    def account_at(self, transport: str, host: str, port: int) -> str:
        """The number that is registered over a flow, or the trunk whose address that is; "" for nobody."""

    def is_trusted(self, transport: str, host: str, port: int) -> bool:
        """Whether a trunk speaks from there, which is known by `account_at`, too: whatever it does is no attack."""

    def is_anybody_at(self, source: str) -> bool:
        """Whether anybody is known at a source: an IPv4 address or an IPv6 network."""


class BanStore(Protocol):
    """Where bans outlive the process. Never waited for."""

    def keep_ban(self, ban: Ban) -> None:
        """A source is banned, or banned anew."""

    def forget_ban(self, address: str) -> None:
        """It may come back, and nothing is held against it."""


class Forgetful:
    """A store that keeps nothing."""

    def keep_ban(self, ban: Ban) -> None:
        """It is in force, and that is all."""

    def forget_ban(self, address: str) -> None:
        """It was never kept."""


FORGETFUL = Forgetful()


class Listener(Protocol):
    """Who is told."""

    def banned(self, ban: Ban) -> None:
        """A source is banned from now on."""

    def rested(self, account: str, host: str, reason: str) -> None:
        """The flow of a registered extension rests for a while."""


class _Source:
    """What a source has done. Each bucket is the time at which it will be empty."""

    __slots__ = ("failures", "proven_failures", "proven_requests", "requests")

    def __init__(self) -> None:
        self.failures = self.proven_failures = 0.0
        self.requests = self.proven_requests = 0.0


class Bans:
    """All bans of one exchange.

    :param known: who passes.
    :param store: told of every ban.
    :param listener: told of what is to be logged.
    :ivar alert: whether anybody is shut out.
    :ivar changed: called when a ban has begun, or was ended before its time.
    """

    __slots__ = (
        "_bans",
        "_clock",
        "_known",
        "_limits",
        "_listener",
        "_resting",
        "_sources",
        "_store",
        "_sweep_at",
        "alert",
        "changed",
        "is_allowed",
    )

    def __init__(self, clock: Clock, known: Known, limits: Thresholds, store: BanStore, listener: Listener) -> None:
        self.alert = False
        self.changed: Callable[[], None] = lambda: None
        self._clock = clock
        self._known = known
        self._limits = limits
        self._store = store
        self._listener = listener
        self._sources: dict[Key, _Source] = {}  # the one that was heard of last comes last
        self._bans: dict[str, Ban] = {}  # those that are over stay for as long as they make the next one longer
        self._resting: dict[str, float] = {}  # until when, by account
        self._sweep_at = 0.0
        self.is_allowed: Callable[[str], bool] = lru_cache(4096)(self._in_allowed_network)

    def __len__(self) -> int:
        """How much is remembered."""
        return len(self._sources) + len(self._bans) + len(self._resting)

    # What transports and transactions ask and tell

    def shuts_out(self, transport: str, host: str, port: int) -> bool:
        """Whether what comes from there is to be dropped unread."""
        ban = self._bans.get(host if ":" not in host else source_of(host))
        if ban is None and not self._resting:
            return False
        now = self._clock.seconds()
        if ban is not None and ban.until <= now:
            ban = None
        account = self._known.account_at(transport, host, port) if ban is not None or self._resting else ""
        if account:
            return self._resting.get(account, 0.0) > now
        return ban is not None

    def bothered(self, transport: str, host: str, port: int) -> None:
        """Something came from there that was refused, was nothing, or that anybody could have sent."""
        account = self._known.account_at(transport, host, port)
        if self.is_allowed(host) or (account and self._known.is_trusted(transport, host, port)):
            return
        now = self._clock.seconds()
        source = self._source(account, host, now)
        each, most = 1 / self._limits.requests_per_second, BURST
        source.requests = max(source.requests, now) + each
        if account:
            if source.requests - now > most:
                self._rest(account, host, now, _REST, "requests")
            return
        if transport != "UDP":
            source.proven_requests = max(source.proven_requests, now) + each
        if source.proven_requests - now > most:
            self._ban(host, now, "flood", proven=True)
        elif source.requests - now > most:
            self._ban(host, now, "flood", proven=False)

    # What the exchange tells

    def failed(
        self, transport: str, host: str, port: int, reason: str, weight: float = 1.0, proven: bool = False
    ) -> None:
        """Somebody there has failed at something.

        :param reason: for people.
        :param weight: how many failures it counts for.
        :param proven: whether it shows that what we send there arrives; a connection does anyhow.
        """
        account = self._known.account_at(transport, host, port)
        if self.is_allowed(host) or (account and self._known.is_trusted(transport, host, port)):
            return
        now = self._clock.seconds()
        proven = proven or transport != "UDP"
        source = self._source(account, host, now)
        more, most = weight * FORGIVE, self._limits.failures * FORGIVE
        source.failures = max(source.failures, now) + more
        if proven:
            source.proven_failures = max(source.proven_failures, now) + more
        if account:
            # A datagram that was not proven need not be its own.
            if source.proven_failures - now > most:
                self._rest(account, host, now, FORGED, reason)
        elif source.failures - now > most:
            # One less of these is enough: the challenges between them are never proven.
            self._ban(host, now, reason, proven=source.proven_failures - now > most - FORGIVE)

    def proven(self, transport: str, host: str, port: int) -> None:
        """Somebody there has given the right password: its challenge does not count, nor one failure of its source."""
        account = self._known.account_at(transport, host, port)
        source = self._sources.get((account,) if account else source_of(host))
        if source is not None:
            source.failures -= (1 + CHALLENGE) * FORGIVE
            source.proven_failures -= (1 + CHALLENGE) * FORGIVE
            each = 1 / self._limits.requests_per_second
            source.requests -= each
            source.proven_requests -= each

    # What administrators ask and tell

    def listed(self) -> list[Ban]:
        """The bans in force, the one that ends first coming first."""
        now = self._clock.seconds()
        return sorted([ban for ban in self._bans.values() if ban.until > now], key=lambda ban: ban.until)

    def unused(self, most: int) -> list[Ban]:
        """The bans in force that nobody passes, the one that ends last coming first.

        :param most: how many at most.
        """
        ending_last = reversed(self.listed())
        return list(islice((ban for ban in ending_last if not self._known.is_anybody_at(ban.address)), most))

    def remove(self, address: str) -> bool:
        """Let a source come back, and hold nothing against it; return whether it was banned.

        :param address: as it is listed, or any address of it.
        """
        key = address if "/" in address else source_of(address)
        self._sources.pop(key, None)
        ban = self._bans.pop(key, None)
        self._look()
        if ban is None:
            return False
        self._store.forget_ban(key)
        self.changed()
        return ban.until > self._clock.seconds()

    def restore(self, bans: Iterable[Ban]) -> None:
        """Take over what the store has kept, but for those who have been allowed since."""
        for ban in sorted(bans, key=lambda ban: ban.until)[-BANS:]:
            if not self.is_allowed(ban.address.partition("/")[0]):
                self._bans[ban.address] = ban
        self._sweep(self._clock.seconds())

    # Inside

    def _source(self, account: str, host: str, now: float) -> _Source:
        if now >= self._sweep_at:
            self._sweep(now)
        key: Key = (account,) if account else source_of(host) if ":" in host else host
        source = self._sources.pop(key, None) or _Source()
        self._sources[key] = source
        if len(self._sources) > SOURCES:
            del self._sources[next(iter(self._sources))]
        return source

    def _ban(self, host: str, now: float, reason: str, proven: bool) -> None:
        address = source_of(host)
        before = self._bans.pop(address, None)
        if before is not None and before.until > now and (before.times or not proven):
            self._bans[address] = before  # what was on its way when it was banned
            return
        times = before.times if before is not None else 0
        if proven:
            times += 1
            lasting = min(self._limits.ban * GROWTH ** min(times - 1, _GROWN), float(self._limits.longest_ban))
        else:
            lasting = min(float(self._limits.ban), FORGED)
        if len(self._bans) >= BANS:
            self._make_room()
        ban = self._bans[address] = Ban(address, reason, now, now + lasting, times)
        self._sources.pop(address, None)
        self.alert = True
        moved = drift(self._clock)
        self._store.keep_ban(replace(ban, since=ban.since + moved, until=ban.until + moved) if moved else ban)
        self._listener.banned(ban)
        self.changed()

    def _rest(self, account: str, host: str, now: float, lasting: float, reason: str) -> None:
        is_new = self._resting.get(account, 0.0) <= now
        self._resting[account] = now + lasting
        self.alert = True
        if is_new:
            self._listener.rested(account, host, reason)

    def _make_room(self) -> None:
        """Forget the oldest ban, and of those that forged datagrams may have brought the oldest of all."""
        address = next((ban.address for ban in self._bans.values() if not ban.times), "")
        address = address or next(iter(self._bans))
        del self._bans[address]
        self._store.forget_ban(address)

    def _sweep(self, now: float) -> None:
        self._sweep_at = now + _SWEEP
        for ban in [ban for ban in self._bans.values() if ban.until + (MEMORY if ban.times else 0.0) <= now]:
            del self._bans[ban.address]
            self._store.forget_ban(ban.address)
        for account in [account for account, until in self._resting.items() if until <= now]:
            del self._resting[account]
        self._look()

    def _look(self) -> None:
        now = self._clock.seconds()
        self.alert = bool(self._resting) or any(ban.until > now for ban in self._bans.values())

    def _in_allowed_network(self, host: str) -> bool:
        if not self._limits.allow:
            return False
        address = ip_address(host.partition("%")[0])
        return any(address in network for network in self._limits.allow)


def source_of(host: str) -> str:
    """What is banned when this host is: its address, or the /64 of an IPv6 address, which is one customer's.

    :param host: an IP address, IPv6 without brackets.
    """
    if ":" not in host:
        return host
    try:
        packed = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    except OSError:
        return host
    if packed[:2] == b"\xfe\x80":
        return host  # link-local: all neighbours share that one
    return f"{socket.inet_ntop(socket.AF_INET6, packed[:8] + bytes(8))}/64"
