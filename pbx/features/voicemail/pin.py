"""PINs: kept as scrypt hashes, and guessed only so often."""

from __future__ import annotations

import hmac
from hashlib import scrypt
from secrets import token_bytes

LENGTHS = range(4, 13)  # digits

# 16 MiB and some 50 ms for each guess of whoever has the database.
_COST = {"n": 2**14, "r": 8, "p": 1, "dklen": 32}

FREE = 3  # wrong PINs in a row before anybody has to wait
FIRST, LONGEST = 60.0, 3600.0  # seconds to wait, each time twice as long


def may_be_pin(pin: str) -> bool:
    """Whether this can be somebody's PIN: 4 to 12 digits, not all the same."""
    return pin.isascii() and pin.isdigit() and len(pin) in LENGTHS and len(set(pin)) > 1


def hashed(pin: str) -> str:
    """The hash of a PIN, with its salt. It takes a while."""
    salt = token_bytes(16)
    return f"scrypt:{salt.hex()}:{_hash(pin, salt).hex()}"


def matches(pin: str, known: str) -> bool:
    """Whether a PIN has this hash; none has the hash "", or one that is none. It takes a while, always the same."""
    kind, _, rest = known.partition(":")
    salt, _, digest = rest.partition(":")
    try:
        right = kind == "scrypt" and hmac.compare_digest(_hash(pin, bytes.fromhex(salt)), bytes.fromhex(digest))
    except ValueError:
        return False
    return right and bool(digest)


def _hash(pin: str, salt: bytes) -> bytes:
    return scrypt(pin.encode(), salt=salt, **_COST)


class Guesses:
    """Wrong PINs of one door in a row, and until when it is closed for that.

    A door is a mailbox as its own phones see it, or as all others do: strangers who guess do not lock out its owner.
    """

    __slots__ = ("_closed_until", "_wrong")

    def __init__(self) -> None:
        self._wrong = 0
        self._closed_until = 0.0

    def is_closed(self, now: float) -> bool:
        """Whether nobody is let in, whatever he knows."""
        return now < self._closed_until

    def wrong(self, now: float) -> None:
        """One more was wrong."""
        self._wrong += 1
        if self._wrong >= FREE:
            self._closed_until = now + min(LONGEST, FIRST * 2 ** min(self._wrong - FREE, 16))
