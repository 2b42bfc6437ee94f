"""Switches: what people turn on and off for everybody, such as the night service, by a code or by the `pbx` command.

They are in memory, so that no call waits for them; whoever keeps them is told of every change that a phone makes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from pbx.exchange.switch import Switch


class Switches:
    """All of an exchange.

    :ivar keep: is told of each switch that a phone has turned over.
    :ivar watchers: are told of each that has changed, whoever did it; also of how one was that is gone, or has another
        code.
    """

    __slots__ = ("_all", "_codes", "_unwritten", "keep", "watchers")

    def __init__(self, switches: Iterable[Switch] = (), keep: Callable[[Switch], object] = lambda switch: None) -> None:
        self._all: dict[str, Switch] = {}
        self._codes: dict[str, str] = {}
        self._unwritten: dict[str, Switch] = {}
        self.keep = keep
        self.watchers: list[Callable[[Switch], object]] = []
        self.replace(switches)

    def __iter__(self) -> Iterator[Switch]:
        return iter(self._all.values())

    def replace(self, switches: Iterable[Switch]) -> None:
        """Put these in the place of all that were here; what a phone did meanwhile, and is not yet kept, counts."""
        before = self._all
        rows = {switch.name: switch for switch in switches}
        for name, kept in self._unwritten.items():
            if name in rows:
                rows[name] = replace(rows[name], is_on=kept.is_on)
        self._all = rows
        self._codes = {switch.code: switch.name for switch in rows.values() if switch.code}
        for name, switch in rows.items():
            if name not in before or before[name].is_on is not switch.is_on or before[name].code != switch.code:
                self._tell(switch)
        for name, switch in before.items():
            if name not in rows or rows[name].code != switch.code:
                self._tell(switch)

    def is_on(self, name: str) -> bool:
        """Whether a switch is on. One that nobody has added is off."""
        switch = self._all.get(name)
        return switch is not None and switch.is_on

    def knows(self, name: str) -> bool:
        """Whether there is such a switch."""
        return name in self._all

    def by_code(self, code: str) -> Switch | None:
        """The switch that a code turns over."""
        name = self._codes.get(code)
        return None if name is None else self._all[name]

    def turn(self, name: str, is_on: bool) -> None:
        """Turn a switch on or off; without effect on one that nobody has added."""
        switch = self._all.get(name)
        if switch is None or switch.is_on is is_on:
            return
        switch = self._all[name] = self._unwritten[name] = replace(switch, is_on=is_on)
        self.keep(switch)
        self._tell(switch)

    def kept(self, switch: Switch) -> None:
        """A change that `keep` was told of is in the database now."""
        if self._unwritten.get(switch.name) == switch:
            del self._unwritten[switch.name]

    def _tell(self, switch: Switch) -> None:
        for watcher in self.watchers:
            watcher(switch)
