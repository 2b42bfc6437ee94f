"""Settings: what the user of an extension sets for it, by a code from the phone, say. In force at once; whoever keeps
them is told.
"""

from __future__ import annotations

import re
from typing import Any, Generic, Protocol, TypeVar, cast, overload

from pbx.exchange.extension import Extension

Value = TypeVar("Value")

DIALLED = re.compile("[A-Za-z0-9+*#][A-Za-z0-9*#._-]{0,63}")
"""What somebody can dial."""

LONGEST_RING = 600  # seconds before a call is forwarded


class Directory(Protocol):
    """Where extensions are."""

    def find(self, number: str) -> Extension | None:
        """The extension with this number."""

    def change(self, number: str, column: str, value: object) -> None:
        """One of its settings is another one from now on."""


class Setting(Generic[Value]):
    """One column of an extension, by its name in the class."""

    def __init__(self, kind: type[Value]) -> None:
        self._kind = kind
        self._column = ""

    def __set_name__(self, owner: type[Settings], name: str) -> None:
        self._column = name

    @overload
    def __get__(self, settings: None, owner: type[Settings]) -> Setting[Value]: ...
    @overload
    def __get__(self, settings: Settings, owner: type[Settings]) -> Value: ...
    def __get__(self, settings: Settings | None, owner: type[Settings]) -> Value | Setting[Value]:
        if settings is None:
            return self
        return cast(Value, getattr(settings.extension, self._column))

    def __set__(self, settings: Settings, value: Value) -> None:
        if type(value) is not self._kind:
            raise TypeError(f"{self._column} is of type {self._kind.__name__}, not {value!r}")
        wrong: Any = isinstance(value, str) and value and not DIALLED.fullmatch(value)
        if wrong or (self._kind is int and not 1 <= cast(int, value) <= LONGEST_RING):
            raise ValueError(f"{self._column} cannot be {value!r}")
        settings.change(self._column, value)


class Settings:
    """Those of one extension: `call.settings.do_not_disturb = True`.

    What is set is checked: a number must be one that somebody can dial (ValueError), "" for none, and nothing is taken
    for what it is not (TypeError).
    """

    __slots__ = ("_directory", "_number")

    call_waiting = Setting(bool)
    do_not_disturb = Setting(bool)
    forward_always = Setting(str)
    forward_busy = Setting(str)
    forward_no_answer = Setting(str)
    forward_no_answer_after = Setting(int)
    forward_unreachable = Setting(str)

    def __init__(self, directory: Directory, number: str) -> None:
        self._directory = directory
        self._number = number

    @property
    def extension(self) -> Extension:
        """The row that they are in.

        :raises RuntimeError: the extension was removed meanwhile.
        """
        extension = self._directory.find(self._number)
        if extension is None:
            raise RuntimeError(f"the extension {self._number} has been removed")
        return extension

    def change(self, column: str, value: object) -> None:
        """Set one, which was checked."""
        if getattr(self.extension, column) != value:
            self._directory.change(self._number, column, value)
