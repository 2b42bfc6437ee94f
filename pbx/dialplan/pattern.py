"""Patterns of dialled numbers: literal characters and `<name:converter>`, as web frameworks write their routes.

A pattern matches a whole number or nothing. Of two patterns that match the same number, the more specific one has the
smaller `rank`: one of fixed length before one with `int`, `e164` or `any`, then the longer one, then the one that
leaves less choice in its places. A pattern whose numbers are all matched by another one never ranks behind it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from keyword import iskeyword
from typing import NamedTuple

_PIECE = re.compile(r"<([^<>:]*):([^<>]*)>|([^<>])")
_DIGIT = re.compile(r"\[([^][]+)\]|([^][])")
_DIGITS = frozenset("0123456789")
_SETS = {"X": _DIGITS, "Z": _DIGITS - {"0"}, "N": _DIGITS - {"0", "1"}}
_ALL_CHARACTERS = 0x110000


class _Element(NamedTuple):
    """One place of a pattern.

    :ivar characters: what may stand there; None for any character.
    :ivar open: whether it may stand there several times.
    :ivar form: the regular expression, where it says more than these two; "" where it does not.
    """

    characters: frozenset[str] | None
    open: bool
    form: str = ""

    def regex(self) -> str:
        if self.form:
            return self.form
        if self.characters is None:
            one = "."
        elif len(self.characters) == 1:
            one = re.escape(min(self.characters))
        else:
            one = "[" + "".join(re.escape(character) for character in sorted(self.characters)) + "]"
        return f"{one}+" if self.open else one


class Pattern:
    """One pattern.

    :param text: as the dialplan wrote it: `"600"`, `"<number:1XX>"`, `"*<room:int>"`.
    :raises ValueError: when it is none; the text says why.

    :ivar names: the names of its converters, in order.
    :ivar telephone_numbers: those of them that are `e164`: what the number means depends on the country.
    :ivar rank: sorts the more specific one first.
    :ivar regex: the same as a regular expression without groups; to be used with DOTALL.
    """

    __slots__ = ("_begin", "_elements", "_match", "_whole", "names", "rank", "regex", "telephone_numbers", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._elements: list[_Element] = []
        self._whole: list[str] = []  # the names of its converters `int`
        names: list[str] = []
        telephone_numbers: list[str] = []
        grouped = ""
        position = 0
        while position < len(text):
            piece = _PIECE.match(text, position)
            if piece is None:
                raise ValueError("a converter is written <name:converter>, for example <number:1XX>")
            position = piece.end()
            name, converter, literal = piece.groups()
            if literal is not None:
                elements = [_Element(frozenset(_printable(literal)), False)]
                grouped += _regex(elements)
            else:
                names.append(_checked_name(name, names))
                elements = _elements_of(converter)
                grouped += f"(?P<{name}>{_regex(elements)})"
                if converter == "int":
                    self._whole.append(name)
                if converter == "e164":
                    telephone_numbers.append(name)
            if self._elements and self._elements[-1].open and elements[0].open:
                raise ValueError("two converters of open length side by side: nobody knows where the first one ends")
            self._elements += elements
        if not self._elements:
            raise ValueError("a pattern is never empty")
        self.names = tuple(names)
        self.telephone_numbers = tuple(telephone_numbers)
        self.regex = _regex(self._elements)
        self.rank = self._rank()
        self._match = re.compile(grouped, re.DOTALL).fullmatch
        self._begin: Callable[[str], object] | None = None

    @property
    def is_literal(self) -> bool:
        """Whether it matches one number, its text, and no other."""
        return not self.names

    @property
    def places(self) -> list[frozenset[str]] | None:
        """What may stand in each place; None when it has no fixed length, or anything may."""
        places = [element.characters for element in self._elements if not element.open and element.characters]
        return places if len(places) == len(self._elements) else None

    def match(self, number: str) -> dict[str, object] | None:
        """Return the converted values by name, or None when the number does not match."""
        found = self._match(number)
        if found is None:
            return None
        values: dict[str, object] = found.groupdict()
        for name in self._whole:
            values[name] = int(found[name])
        return values

    def begins(self, text: str) -> bool:
        """Whether a number that it matches begins so, or is that."""
        if self._begin is None:
            # Made at the first use, since few patterns are ever matched key by key.
            form = ""
            for element in reversed(self._elements):
                form = f"(?:{element.regex()}{form})?"
            self._begin = re.compile(form, re.DOTALL).fullmatch
        return self._begin(text) is not None

    def shared_with(self, other: Pattern) -> str | None:
        """Return a shortest number that both match, or None when there is none."""
        mine, theirs = self._elements, other._elements
        seen = {(0, 0)}
        waiting = [(0, 0, "")]
        for i, j, number in waiting:
            if i == len(mine) and j == len(theirs):
                return number
            if i == len(mine) or j == len(theirs):
                continue
            character = _shared_character(mine[i].characters, theirs[j].characters)
            if character is None:
                continue
            for next_i in (i + 1, i) if mine[i].open else (i + 1,):
                for next_j in (j + 1, j) if theirs[j].open else (j + 1,):
                    if (next_i, next_j) not in seen:
                        seen.add((next_i, next_j))
                        waiting.append((next_i, next_j, number + character))
        return None

    def _rank(self) -> tuple[bool, int, int]:
        choice = 1
        for element in self._elements:
            choice *= _ALL_CHARACTERS if element.characters is None else len(element.characters)
        return any(element.open for element in self._elements), -len(self._elements), choice

    def __repr__(self) -> str:
        return f"<Pattern {self.text}>"


def _regex(elements: list[_Element]) -> str:
    return "".join(element.regex() for element in elements)


def _shared_character(one: frozenset[str] | None, other: frozenset[str] | None) -> str | None:
    if one is None or other is None:
        return min(one or other or ("1",))
    return min(one & other, default=None)


def _checked_name(name: str, names: list[str]) -> str:
    if not name.isidentifier() or iskeyword(name):
        raise ValueError(f"{name!r} cannot be the name of a parameter")
    if name in names:
        raise ValueError(f"the name {name!r} comes twice")
    return name


def _elements_of(converter: str) -> list[_Element]:
    if converter == "any":
        return [_Element(None, True)]
    if converter == "int":
        return [_Element(_DIGITS, True)]
    if converter == "e164":
        return [_Element(_DIGITS | {"+"}, True, r"\+?[0-9]{3,21}")]
    elements = []
    position = 0
    while position < len(converter):
        digit = _DIGIT.match(converter, position)
        if digit is None:
            raise ValueError(f"a set of digits is written in brackets, for example [13-5], not as in {converter!r}")
        position = digit.end()
        inside, character = digit.groups()
        if inside is not None:
            elements.append(_Element(_set_of(inside), False))
        elif character in _SETS:
            elements.append(_Element(_SETS[character], False))
        elif character.isalpha():
            # Taken literally it would be a misspelt converter that never matches.
            raise ValueError(
                f"there is no converter {converter!r}; there are any, e164, int, and digits with X, Z, N and [13-5]"
            )
        else:
            elements.append(_Element(frozenset(_printable(character)), False))
    if not elements:
        raise ValueError("a converter is missing after the colon, for example <number:1XX>")
    return elements


def _set_of(text: str) -> frozenset[str]:
    """Expand `13-5` to 1, 3, 4, 5."""
    characters: set[str] = set()
    for piece in re.finditer(r"(.)-(.)|(.)", text, re.DOTALL):
        first, last, single = piece.groups()
        if single is not None:
            characters.add(_printable(single))
        elif first > last:
            raise ValueError(f"the range {first}-{last} runs backwards")
        else:
            characters.update(chr(code) for code in range(ord(first), ord(last) + 1))
    return frozenset(characters)


def _printable(character: str) -> str:
    if not character.isprintable() or character == " ":
        raise ValueError("a dialled number has no spaces")
    return character
