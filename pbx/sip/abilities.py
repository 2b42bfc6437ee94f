"""What a peer says that it understands: the methods and the extensions of its last message (RFC 3261 20.5, 20.37)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from pbx.sip.headers import Field

_KEYS = frozenset(("allow", "require", "session-expires", "supported"))


@dataclass(frozen=True, slots=True)
class Abilities:
    """What of this matters to a session. Peers of one make share theirs.

    :param update: whether it takes UPDATE (RFC 3311 section 4).
    :param information: whether it takes INFO.
    :param reliable: whether it sends PRACK (RFC 3262).
    :param insists: whether every provisional response to it has to be reliable.
    :param timer: whether it knows session timers, or somebody on the way to it does (RFC 4028).
    :param refreshes: whether it knows them itself.
    """

    update: bool = False
    information: bool = False
    reliable: bool = False
    insists: bool = False
    timer: bool = False
    refreshes: bool = False


NONE = Abilities()


def abilities_of(fields: Iterable[Field]) -> Abilities:
    """What the sender of these fields understands."""
    said: tuple[tuple[str, str], ...] = ()
    for key, _, value in fields:
        if key in _KEYS:
            said += ((key, "" if key == "session-expires" else value),)
    return _understood(said) if said else NONE


@lru_cache(maxsize=256)
def _understood(said: tuple[tuple[str, str], ...]) -> Abilities:
    words = {(key, word.strip().lower()) for key, value in said for word in value.split(",")}
    insists = ("require", "100rel") in words
    refreshes = ("supported", "timer") in words or ("require", "timer") in words
    return Abilities(
        ("allow", "update") in words,
        ("allow", "info") in words,
        insists or ("supported", "100rel") in words,
        insists,
        refreshes or ("session-expires", "") in words,
        refreshes,
    )
