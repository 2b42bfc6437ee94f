"""What a UAS checks of every request, and how it answers those that ask nothing more (RFC 3261 sections 8.2, 11)."""

from __future__ import annotations

from pbx.sip.dialog import SDP_TYPE
from pbx.sip.errors import Malformed, Refused
from pbx.sip.headers import ACCEPT, CONTENT_TYPE, REQUIRE, SUPPORTED, UNSUPPORTED
from pbx.sip.message import Request, Response
from pbx.sip.session import ALLOWED, METHODS

_ACCEPTED = ACCEPT.field(SDP_TYPE)
_NONE_SUPPORTED = SUPPORTED.field("")


def check(request: Request) -> None:
    """Check a request in the RFC's order.

    :raises Malformed: with the status that refuses it.
    """
    if request.method not in METHODS:
        raise Refused(405, ALLOWED)  # RFC 3261 8.2.1
    if not request.uri.is_sip:
        raise Malformed(416, "")  # RFC 3261 8.2.2.1
    required = request.many(REQUIRE)
    if required:
        raise Refused(420, UNSUPPORTED.field(", ".join(required)))  # RFC 3261 8.2.2.3
    if request.body and request.method == "INVITE":
        kind = request.one(CONTENT_TYPE)
        if kind is None or kind[0] != SDP_TYPE:
            raise Refused(415, _ACCEPTED)  # RFC 3261 8.2.3


def answer_of(request: Request, tag: str) -> Response:
    """The answer to OPTIONS: what we can do (RFC 3261 11.2); to others, that they are not for us."""
    if request.method == "OPTIONS":
        return request.response(200, "", tag, (ALLOWED, _ACCEPTED, _NONE_SUPPORTED))
    return request.response(481, "", tag)
