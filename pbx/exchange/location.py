"""The location service: at which phones a number is reached, in memory (RFC 3261 section 10.3).

Only the registrar changes it. The store hears of every change afterwards, and so do those who watch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from pbx.exchange.binding import Binding, Key
from pbx.sip.flow import Flow
from pbx.sip.timers import Clock, Timer, drift

_SWEEP = 1.0  # seconds; expired bindings are not swept out more often, however many there are

Bindings = dict[Key, Binding]
"""Those of one extension, in the order in which they were last refreshed."""

Change = tuple[Binding, str]
"""A binding that has come or gone, and why: "registered", "unregistered", "expired" or "rejected" (RFC 3680 4.7.1)."""


class BindingStore(Protocol):
    """Where bindings outlive the process. Never waited for."""

    def keep(self, number: str, bindings: Sequence[Binding]) -> None:
        """An extension's bindings have changed: these are all of them."""


class Location:
    """The bindings of all extensions.

    :param store: told of every change.
    :ivar watchers: each is called with a number whose bindings have come or gone, and what has; not for a mere refresh.
    :ivar renewals: each is called with a binding that a REGISTER has made or refreshed.
    """

    def __init__(self, clock: Clock, store: BindingStore) -> None:
        self.watchers: list[Callable[[str, list[Change]], None]] = []
        self.renewals: list[Callable[[Binding], None]] = []
        self._clock = clock
        self._store = store
        self._bindings: dict[str, Bindings] = {}
        # Of those over TCP and TLS: another peer may get the same address and port, but never the same flow.
        self._connections: dict[tuple[str, Key], Flow] = {}
        self._shares: Counter[Flow] = Counter()  # how many bindings each of these has
        self._sweep: Timer | None = None
        self._sweep_at = 0.0

    def __len__(self) -> int:
        """How many bindings there are."""
        return len(self.bindings())

    def bindings(self) -> list[Binding]:
        """All bindings, those of one number side by side."""
        now = self._clock.seconds()
        return [binding for known in self._bindings.values() for binding in known.values() if binding.expires_at > now]

    def contacts(self, number: str) -> list[Binding]:
        """An extension's bindings: by falling preference, and those of one preference the latest first."""
        return preferred(self.live(number, self._clock.seconds()))

    def live(self, number: str, now: float) -> Bindings:
        """An extension's bindings that have not expired."""
        known = self._bindings.get(number)
        if known is None:
            return {}
        return {key: binding for key, binding in known.items() if binding.expires_at > now}

    def find(self, number: str, key: Key) -> Binding | None:
        """A binding as it is now; None when it has ended."""
        binding = self._bindings.get(number, {}).get(key)
        return binding if binding is not None and binding.expires_at > self._clock.seconds() else None

    def connection_of(self, binding: Binding) -> Flow | None:
        """The connection that a phone has registered over; None while it is gone, until the phone comes back."""
        flow = self._connections.get((binding.number, binding.key))
        return flow if flow is not None and flow.is_open else None

    def update(self, number: str, before: Bindings, after: Bindings, flow: Flow, now: float) -> None:
        """A REGISTER has changed an extension's bindings.

        :param before: the live ones so far.
        :param flow: the one over which it came.
        """
        # What has expired and was not swept out yet is replaced as well.
        replaced = self._bindings.pop(number, {})
        if after:
            self._bindings[number] = after
            self._sweep_by(min([binding.expires_at for binding in after.values()]), now)
        elif not self._bindings:
            self.stop()
        if flow.reliable:
            self._keep_connection(before, after, flow)
        if replaced.keys() != after.keys():
            for key in replaced.keys() - after.keys():
                self._connect((number, key), None)
            self._tell(number, replaced, after, now)
        if len(after) != len(replaced) or any(after[key] is not replaced.get(key) for key in after):
            self._tell_store(number)
        for key, binding in after.items():
            if binding is not before.get(key):
                for renewal in self.renewals:
                    renewal(binding)

    def restore(self, bindings: Iterable[Binding], may_register: Callable[[str], bool]) -> None:
        """Take over what the store has kept; what came in meanwhile is newer. What has expired is forgotten.

        :param may_register: whether there is such an extension, and it is enabled.
        """
        now = self._clock.seconds()
        ended: set[str] = set()
        for binding in sorted(bindings, key=lambda binding: binding.expires_at):
            number, key = binding.number, binding.key
            if binding.expires_at <= now or not may_register(number):
                ended.add(number)
            elif key not in self._bindings.setdefault(number, {}):
                self._bindings[number][key] = binding
                self._sweep_by(binding.expires_at, now)
        for number in ended:
            self._tell_store(number)

    def remove(self, number: str) -> None:
        """End all bindings of an extension that was removed or disabled."""
        ended = self._bindings.pop(number, {})
        if not self._bindings:
            self.stop()
        for key in ended:
            self._connect((number, key), None)
        if ended:
            self._tell_store(number)
            self._tell_watchers(number, [(binding, "rejected") for binding in ended.values()])

    def stop(self) -> None:
        """Let go of the timer."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None

    def _keep_connection(self, before: Bindings, after: Bindings, flow: Flow) -> None:
        """A phone has registered over a connection: calls go there, and what goes on over its connection before."""
        left: list[Flow] = []
        for key, binding in after.items():
            if binding is before.get(key):
                continue
            flow.keep_until(binding.expires_at)
            for old in before.values():
                # Many phones write the port of their connection into Contact; its Call-ID says that it is the same.
                former = self._connections.get((old.number, old.key))
                if former is None or former is flow:
                    continue
                if old.key == key or old.call_id == binding.call_id:
                    former.succeeded_by(flow)
                    left.append(former)
            self._connect((binding.number, key), flow)
        for former in left:
            # Others may have registered over it, too: a gateway with many accounts, or a proxy.
            if not self._shares[former]:
                former.close()

    def _connect(self, place: tuple[str, Key], flow: Flow | None) -> None:
        """Note over which connection a binding was made; None for none any more."""
        former = self._connections.get(place)
        if former is flow:
            return
        if former is not None:
            self._shares[former] -= 1
            if not self._shares[former]:
                del self._shares[former]
            del self._connections[place]
        if flow is not None:
            self._connections[place] = flow
            self._shares[flow] += 1

    def _tell_store(self, number: str) -> None:
        bindings, moved = tuple(self._bindings.get(number, {}).values()), drift(self._clock)
        if moved:
            bindings = tuple(
                [
                    one._replace(expires_at=one.expires_at + moved, registered_at=one.registered_at + moved)
                    for one in bindings
                ]
            )
        self._store.keep(number, bindings)

    def _tell(self, number: str, before: Bindings, after: Bindings, now: float) -> None:
        changes: list[Change] = []
        for key, binding in before.items():
            if key not in after:
                changes.append((binding, "unregistered" if binding.expires_at > now else "expired"))
        changes += [(binding, "registered") for key, binding in after.items() if key not in before]
        self._tell_watchers(number, changes)

    def _tell_watchers(self, number: str, changes: list[Change]) -> None:
        for watcher in self.watchers:
            watcher(number, changes)

    def _sweep_by(self, at: float, now: float) -> None:
        """See to it that a binding which expires then is swept out."""
        if self._sweep is not None:
            if self._sweep_at <= at:
                return
            self._sweep.cancel()
        self._sweep_at = at
        self._sweep = self._clock.callLater(max(at - now, _SWEEP), self._sweep_out)

    def _sweep_out(self) -> None:
        self._sweep = None
        now = self._clock.seconds()
        ended: list[Binding] = []
        earliest = 0.0
        for known in self._bindings.values():
            for binding in known.values():
                if binding.expires_at <= now:
                    ended.append(binding)
                elif not earliest or binding.expires_at < earliest:
                    earliest = binding.expires_at
        expired: dict[str, list[Change]] = {}
        for binding in ended:
            del self._bindings[binding.number][binding.key]
            if not self._bindings[binding.number]:
                del self._bindings[binding.number]
            expired.setdefault(binding.number, []).append((binding, "expired"))
        if earliest:
            self._sweep_by(earliest, now)
        for binding in ended:
            self._connect((binding.number, binding.key), None)
        for number, changes in expired.items():
            self._tell_store(number)
            self._tell_watchers(number, changes)


def has_turned(changes: list[Change], left: int) -> bool:
    """Whether a number can be reached by these changes, or can be reached no more.

    :param left: how many bindings it has afterwards.
    """
    came = sum([event == "registered" for _, event in changes])
    before = left - came + len(changes) - came
    return bool(before) is not bool(left)


def preferred(bindings: Bindings) -> list[Binding]:
    """Bindings by falling q, the last refreshed first among equals."""
    latest_first = list(bindings.values())
    latest_first.reverse()
    latest_first.sort(key=lambda binding: -binding.q)
    return latest_first
