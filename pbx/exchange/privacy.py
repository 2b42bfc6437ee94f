"""Privacy: a caller who wants it is named to nobody (RFC 3323, RFC 3325). The exchange is the privacy service.

It can give all that may be asked for: identity, header fields and media never pass it but as its own. So `critical`
needs nothing more.
"""

from __future__ import annotations

from collections.abc import Iterable

from pbx.sip.headers import Field
from pbx.sip.message import Request

ANONYMOUS = '"Anonymous" <sip:anonymous@anonymous.invalid>'
"""The From value of a caller who is named to nobody (RFC 3323 4.1.1.3)."""

ANONYMOUS_HOST = "anonymous.invalid"

_WITHHELD = frozenset(("header", "id", "user"))
_TELLING = frozenset(("call-info", "in-reply-to", "organization", "subject", "user-to-user"))  # RFC 3323 5.1, 5.3


def is_private(request: Request, host: str) -> bool:
    """Whether the sender of a request wants to be named to nobody.

    :param host: that of its From: many phones say it there only.
    """
    if "privacy" not in request.head:
        return host == ANONYMOUS_HOST
    asked = {word.strip().lower() for value in request.values("privacy") for word in value.replace(",", ";").split(";")}
    if "none" in asked:
        return False  # RFC 3323 4.2: no privacy, whatever else is set up for the sender
    return host == ANONYMOUS_HOST or not _WITHHELD.isdisjoint(asked)


def withheld(fields: Iterable[Field]) -> tuple[Field, ...]:
    """These fields without those that may tell who the sender is (RFC 3323 5.1)."""
    return tuple([field for field in fields if field[0] not in _TELLING])
