"""Diversions: who has sent a call on to somebody else, and why (Diversion, RFC 5806; History-Info, RFC 7044).

What a message tells of them is a claim of its sender. It is bounded, and what cannot be read tells nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from pbx.sip.errors import Malformed
from pbx.sip.grammar import elements
from pbx.sip.headers import DIVERSION, HISTORY_INFO, Address, Field, parse_address

ALWAYS = "unconditional"
BUSY = "user-busy"
NO_ANSWER = "no-answer"
UNAVAILABLE = "unavailable"
DO_NOT_DISTURB = "do-not-disturb"
DEFLECTION = "deflection"  # the phone has answered with a redirection (3xx)
UNKNOWN = "unknown"

REASONS = frozenset(
    (
        ALWAYS,
        BUSY,
        NO_ANSWER,
        UNAVAILABLE,
        DO_NOT_DISTURB,
        DEFLECTION,
        UNKNOWN,
        "time-of-day",
        "follow-me",
        "out-of-service",
        "away",
    )
)
"""The reasons that there are (RFC 5806 4)."""

MOST = 20  # diversions that are read in one message

_TELLING = frozenset((DIVERSION.key, HISTORY_INFO.key))
_PLAIN = "+*!~'()&=$,;?/"  # what may stand unescaped in the user part of a URI, beside letters, digits, -, _ and .
# The cause of History-Info for each reason (RFC 4458 2).
_CAUSES = {ALWAYS: 302, BUSY: 486, NO_ANSWER: 408, UNAVAILABLE: 503, DO_NOT_DISTURB: 486, DEFLECTION: 480}
_REASONS = {302: ALWAYS, 486: BUSY, 408: NO_ANSWER, 503: UNAVAILABLE, 480: DEFLECTION, 487: DEFLECTION}


@dataclass(frozen=True, slots=True)
class Diversion:
    """One extension, or somebody in the network, has sent a call on.

    :param by: its number.
    :param to: the number that it wants to be called instead; "" where that is not known, or cannot be dialled here.
    :param reason: one of `REASONS`.
    :param count: for how many diversions it stands (RFC 5806 4: `counter`).
    """

    by: str
    to: str
    reason: str = UNKNOWN
    count: int = 1

    def __str__(self) -> str:
        return f"{self.by} to {self.to or 'nowhere'} ({self.reason})"


def diversions_in(fields: Iterable[Field]) -> tuple[Diversion, ...]:
    """What a message tells of the way that it has come, the last diversion first; of two ways to say it, the first."""
    fields = [field for field in fields if field[0] in _TELLING]
    if not fields:
        return ()
    told = _addresses(fields, DIVERSION.key)
    if told:
        found = [Diversion(address.uri.decoded_user, "", _reason(address), _count(address)) for address in told]
        return tuple(one for one in found if one.by)
    history = _addresses(fields, HISTORY_INFO.key)
    found = []
    for before, after in itertools.pairwise(history):
        cause = after.uri.parameters.get("cause") or ""
        if cause.isascii() and cause.isdigit() and len(cause) == 3:
            reason = _REASONS.get(int(cause), UNKNOWN)
            found.append(Diversion(before.uri.decoded_user, after.uri.decoded_user, reason))
    return tuple(one for one in reversed(found) if one.by)


def told_of(diversions: Sequence[Diversion], host: str) -> tuple[Field, ...]:
    """The fields that tell a callee of them, the last diversion first.

    :param host: how the callee knows us.
    """
    if not diversions:
        return ()
    fields = []
    for one in diversions:
        counter = f";counter={one.count}" if one.count > 1 else ""
        fields.append(DIVERSION.field(f"<sip:{quote(one.by, _PLAIN)}@{host}>;reason={one.reason}{counter}"))
    index = "1"
    entries = [f"<sip:{quote(diversions[-1].by, _PLAIN)}@{host}>;index=1"]
    for place in range(len(diversions) - 1, -1, -1):
        one = diversions[place]
        to = one.to or (diversions[place - 1].by if place else "")
        if to:
            before, index = index, f"{index}.1"
            cause = f";cause={_CAUSES[one.reason]}" if one.reason in _CAUSES else ""
            entries.append(f"<sip:{quote(to, _PLAIN)}@{host}{cause}>;index={index};mp={before}")
    fields.append(HISTORY_INFO.field(", ".join(entries)))
    return tuple(fields)


def _addresses(fields: Iterable[Field], wanted: str) -> list[Address]:
    found: list[Address] = []
    for key, _, value in fields:
        if key == wanted and len(found) < MOST:
            try:
                found.extend([parse_address(element) for element in elements(value)][: MOST - len(found)])
            except Malformed:
                continue
    return found


def _reason(address: Address) -> str:
    reason = (address.parameters.get("reason") or "").strip('"').lower()
    return reason if reason in REASONS else UNKNOWN


def _count(address: Address) -> int:
    counter = address.parameters.get("counter") or ""
    return int(counter) or 1 if counter.isascii() and counter.isdigit() and len(counter) < 3 else 1
