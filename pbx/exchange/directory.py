"""The directory: all extensions, in memory. Calls and registrations look here and never into the database."""

from __future__ import annotations

from collections.abc import Iterable

from pbx.exchange.extension import Extension


class Directory:
    """Extensions by number."""

    __slots__ = ("_extensions",)

    def __init__(self) -> None:
        self._extensions: dict[str, Extension] = {}

    def __len__(self) -> int:
        """How many extensions there are, disabled ones included."""
        return len(self._extensions)

    def find(self, number: str) -> Extension | None:
        """Return the extension with this number, disabled or not; None when there is none."""
        return self._extensions.get(number)

    def replace(self, extensions: Iterable[Extension]) -> list[str]:
        """Put these extensions in the place of all that were here.

        :returns: the numbers that could register and call before and cannot any more: removed or disabled.
        """
        before = self._extensions
        self._extensions = {extension.number: extension for extension in extensions}
        return [number for number, old in before.items() if old.enabled and not self._enabled(number)]

    def _enabled(self, number: str) -> bool:
        extension = self._extensions.get(number)
        return extension is not None and extension.enabled
