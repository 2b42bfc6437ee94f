"""An extension as the running exchange knows it: a row of the table `extensions`, without any password."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Extension:
    """One account that a phone registers with.

    :param number: the extension number, also the user name of its phones, unique across domains.
    :param name: the display name shown to those it calls.
    :param ha1_md5: lower-case hexadecimal MD5(number:realm:password), or "" when there is none.
    :param ha1_sha256: lower-case hexadecimal SHA-256(number:realm:password), or "" when there is none.
    :param enabled: a disabled extension can neither register nor call.
    """

    number: str
    name: str
    ha1_md5: str
    ha1_sha256: str
    enabled: bool = True
