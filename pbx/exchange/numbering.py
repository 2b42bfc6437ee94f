"""Numbering: how telephone numbers are dialled in one country, and what each means all over the world (ITU-T E.164)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_DIGITS = re.compile("[0-9]{3,15}", re.ASCII)
_WORLD = re.compile("[1-9][0-9]{2,14}", re.ASCII)

_NANP = 10
"""Digits of every number in North America, where the national prefix is the calling code: 1."""


@dataclass(frozen=True, slots=True)
class Numbering:
    """The habits of one country.

    :param country: its calling code; "" where none is known, and then all numbers are international ones.
    :param national_prefix: what is dialled before a number of the same country; "" for nothing.
    :param international_prefix: what is dialled in place of the `+`.
    :param emergency: the numbers for which no limit counts.
    """

    country: str = ""
    national_prefix: str = "0"
    international_prefix: str = "00"
    emergency: tuple[str, ...] = ("112",)

    def e164(self, dialled: str) -> str | None:
        """The number as the whole world knows it: `+` and 3 to 15 digits; None when it is no telephone number.

        The dialled one may begin with `+` or with the international prefix, or be a national one. Digits with neither
        are international ones without their `+`, unless the country has no national prefix.
        """
        if dialled.startswith("+"):
            return _international(dialled[1:])
        if not _DIGITS.fullmatch(dialled):
            prefix = self.international_prefix
            longer = len(prefix) + 15 >= len(dialled) > 15 and dialled.isascii() and dialled.isdigit()
            return _international(dialled.removeprefix(prefix)) if longer and dialled.startswith(prefix) else None
        if self.international_prefix and dialled.startswith(self.international_prefix):
            return _international(dialled.removeprefix(self.international_prefix))
        if not self.country:
            return _international(dialled)
        national = self.national_prefix
        if not national or (national == self.country and len(dialled) == _NANP):
            return _international(self.country + dialled)
        if dialled.startswith(national):
            return _international(self.country + dialled.removeprefix(national))
        return _international(dialled)

    def normal(self, number: str) -> str:
        """The number by which two spellings of it are recognised as one: `e164`, or itself when it is none."""
        return self.e164(number) or number


def _international(digits: str) -> str | None:
    return f"+{digits}" if _WORLD.fullmatch(digits) else None
