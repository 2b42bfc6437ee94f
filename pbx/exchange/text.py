"""A text: what one MESSAGE says and who has sent it (RFC 3428); and one that is kept for who is away."""

from __future__ import annotations

from dataclasses import dataclass

from pbx.exchange.caller import Caller
from pbx.sip.headers import Field


@dataclass(frozen=True, slots=True)
class Text:
    """One text.

    :param sender: who has sent it.
    :param fields: the header fields that go with it.
    :param kind: the Content-Type of the body, with its parameters.
    :param body: what it says.
    """

    sender: Caller
    fields: tuple[Field, ...]
    kind: str
    body: bytes


@dataclass(frozen=True, slots=True)
class KeptText:
    """One that is kept.

    :param n: texts arrive in the order of their numbers.
    :param number: the extension that it is for.
    :param kept_at: when it came, seconds since 1970.
    :param expires_at: when it is of no use any more.
    """

    n: int
    number: str
    text: Text
    kept_at: float
    expires_at: float
