"""The directory: all extensions, in memory. Calls and registrations look here and never into the database.

What a user sets for his extension is in force at once, and stays so when the table is read before it is written there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import replace
from typing import Any

from pbx.exchange.extension import Extension

NO_ALIASES: Mapping[str, str] = {}


class Directory:
    """Extensions by number, their other names, and who may register whom.

    :ivar keep: is told of each setting that a user has changed: number, column and value.
    """

    __slots__ = ("_aliases", "_extensions", "_permissions", "_unwritten", "keep")

    def __init__(self) -> None:
        self.keep: Callable[[str, str, object], object] = lambda number, column, value: None
        self._unwritten: dict[tuple[str, str], object] = {}
        self._extensions: dict[str, Extension] = {}
        self._aliases: Mapping[str, str] = NO_ALIASES
        self._permissions: Set[tuple[str, str]] = frozenset()

    def __len__(self) -> int:
        """How many extensions there are, disabled ones included."""
        return len(self._extensions)

    def __iter__(self) -> Iterator[Extension]:
        """All extensions."""
        return iter(self._extensions.values())

    def find(self, number: str) -> Extension | None:
        """Return the extension with this number, disabled or not; None when there is none."""
        return self._extensions.get(number)

    def number_of(self, user: str) -> str:
        """Return the number that a URI's user part means: what it is an alias of, else itself, whatever it is.

        An extension's own number is never another's alias.
        """
        return user if user in self._extensions else self._aliases.get(user, user)

    def may_register(self, number: str, other: str) -> bool:
        """Whether an extension may register phones for another one, or for itself (RFC 3261 10.3 step 4)."""
        return number == other or (number, other) in self._permissions

    def change(self, number: str, column: str, value: object) -> None:
        """A user has set something for his extension, which there is."""
        self._extensions[number] = _with(self._extensions[number], column, value)
        self._unwritten[number, column] = value
        self.keep(number, column, value)

    def kept(self, number: str, column: str, value: object) -> None:
        """A change that `keep` was told of is in the table now."""
        if self._unwritten.get((number, column)) == value:
            del self._unwritten[number, column]

    def replace(
        self,
        extensions: Iterable[Extension],
        aliases: Mapping[str, str] = NO_ALIASES,
        permissions: Set[tuple[str, str]] = frozenset(),
    ) -> list[str]:
        """Put these extensions in the place of all that were here, and these aliases and permissions.

        :returns: the numbers that could register and call before and cannot any more: removed or disabled.
        """
        before = self._extensions
        self._extensions = {extension.number: extension for extension in extensions}
        for (number, column), value in self._unwritten.items():
            if number in self._extensions:
                self._extensions[number] = _with(self._extensions[number], column, value)
        self._aliases = aliases
        self._permissions = permissions
        return [number for number, old in before.items() if old.enabled and not self._enabled(number)]

    def _enabled(self, number: str) -> bool:
        extension = self._extensions.get(number)
        return extension is not None and extension.enabled


def _with(extension: Extension, column: str, value: object) -> Extension:
    changes: dict[str, Any] = {column: value}
    return replace(extension, **changes)
