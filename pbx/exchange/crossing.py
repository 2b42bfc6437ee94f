"""Which header fields cross the exchange from one side of a call to the other. All others stay where they came from."""

from __future__ import annotations

from collections.abc import Collection
from operator import itemgetter

from pbx.sip.headers import Field

INVITES = frozenset(
    ("accept-language", "alert-info", "call-info", "in-reply-to", "organization", "priority", "subject", "user-to-user")
)
PROGRESS = frozenset(("alert-info", "call-info", "organization", "user-to-user"))
ENDS = frozenset(("reason", "user-to-user"))
# Of a body, beside its type; and what says how a message is to be shown (RFC 3428, RFC 6086).
INFORMATION = frozenset(
    """content-disposition content-encoding content-id content-language date expires in-reply-to mime-version
    organization priority subject""".split()
)


_KEY = itemgetter(0)


def crossing(fields: Collection[Field], allowed: frozenset[str]) -> tuple[Field, ...]:
    """The fields that may cross, in their order."""
    if allowed.isdisjoint(map(_KEY, fields)):
        return ()  # as mostly
    return tuple([field for field in fields if field[0] in allowed])
