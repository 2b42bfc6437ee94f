"""Where the registered phones speak from: told of bindings on their way to the store, asked by whoever bans."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from pbx.exchange.bans import source_of
from pbx.exchange.binding import Binding
from pbx.exchange.location import BindingStore

_Place = tuple[str, str, int]  # transport, host and port


class RegisteredFlows:
    """The flows over which extensions are registered (`pbx.exchange.bans.Known`, `location.BindingStore`).

    :param store: told of bindings afterwards.
    """

    __slots__ = ("_numbers", "_places", "_sources", "_store")

    def __init__(self, store: BindingStore) -> None:
        self._store = store
        self._numbers: dict[_Place, dict[str, None]] = {}  # thousands at a proxy's
        self._places: dict[str, tuple[_Place, ...]] = {}
        # Of how many flows each is: forged addresses make thousands of bans, and each is asked about at every change.
        self._sources: Counter[str] = Counter()

    def account_at(self, transport: str, host: str, port: int) -> str:
        """The number that is registered over a flow, one of them where there are several; "" for none."""
        return next(iter(self._numbers.get((transport, host, port), ())), "")

    def is_anybody_at(self, source: str) -> bool:
        """Whether any extension is registered from a source: an IPv4 address or an IPv6 network."""
        return source in self._sources

    def is_registered(self, transport: str, host: str, port: int) -> bool:
        """Whether an extension is registered over a flow."""
        return (transport, host, port) in self._numbers

    def is_trusted(self, transport: str, host: str, port: int) -> bool:
        """Whether whatever comes from there is no attack: of a phone nobody knows that."""
        return False

    def keep(self, number: str, bindings: Sequence[Binding]) -> None:
        """An extension's bindings have changed: these are all of them."""
        self._move(number, bindings)
        self._store.keep(number, bindings)

    def restore(self, bindings: Iterable[Binding]) -> None:
        """Take over what the store has kept."""
        of: dict[str, list[Binding]] = {}
        for binding in bindings:
            of.setdefault(binding.number, []).append(binding)
        for number, known in of.items():
            self._move(number, known)

    def _move(self, number: str, bindings: Iterable[Binding]) -> None:
        places = tuple(dict.fromkeys([(one.transport, one.remote_host, one.remote_port) for one in bindings]))
        before = self._places.pop(number, ())
        if places:
            self._places[number] = places
        if places == before:
            return
        for place in before:
            numbers = self._numbers[place]
            del numbers[number]
            if not numbers:
                del self._numbers[place]
                self._leave(source_of(place[1]))
        for place in places:
            if place not in self._numbers:
                self._numbers[place] = {}
                self._sources[source_of(place[1])] += 1
            self._numbers[place][number] = None

    def _leave(self, source: str) -> None:
        self._sources[source] -= 1
        if not self._sources[source]:
            del self._sources[source]
