"""What a UAS checks of every request, and how it answers those that ask nothing more (RFC 3261 sections 8.2, 11).

Two refusals of RFC 3261 are never ours: 493, since a body of S/MIME is of a type that we do not read (415), and 413,
since what is too long is refused as a whole (513, in `parser`).
"""

from __future__ import annotations

from pbx.sip.dialog import SDP_TYPE
from pbx.sip.errors import Malformed, Refused
from pbx.sip.headers import (
    ACCEPT,
    ACCEPT_ENCODING,
    CONTACT,
    CONTENT_DISPOSITION,
    CONTENT_ENCODING,
    CONTENT_TYPE,
    REQUIRE,
    SUPPORTED,
    UNSUPPORTED,
    Field,
)
from pbx.sip.message import Request, Response
from pbx.sip.session import ALLOWED, METHODS

EXTENSIONS = frozenset(("100rel", "norefersub", "replaces", "timer"))
"""The option tags that a request may require."""

REGISTERING = frozenset(("gruu", "outbound", "path"))
"""Those that a REGISTER may require beside them (RFC 5627, RFC 5626, RFC 3327)."""

_DESCRIBING = frozenset(("INVITE", "PRACK", "UPDATE"))  # whose bodies are session descriptions
_ACCEPTABLE = frozenset((SDP_TYPE, "application/*", "*/*"))
_ACCEPTED = ACCEPT.field(SDP_TYPE)
_UNENCODED = ACCEPT_ENCODING.field("identity")
_EXTENSIONS = SUPPORTED.field(", ".join(sorted(EXTENSIONS | REGISTERING)))


def check(request: Request) -> None:
    """Check a request in the RFC's order. A body that may be ignored, and has to be, is taken away.

    :raises Malformed: with the status that refuses it.
    """
    method = request.method
    if method not in METHODS:
        raise Refused(501, ALLOWED)  # RFC 3261 8.2.1, 21.5.2: there is no method that we know and do not allow
    uri = request.uri
    if not uri.is_sip:
        raise Malformed(416, "")  # RFC 3261 8.2.2.1
    if uri.headers or "method" in uri.parameters:
        raise Malformed(400, "headers or method in the Request-URI")  # RFC 3261 19.1.1
    keys = {field[0] for field in request.fields}
    if "require" in keys:
        known = EXTENSIONS | REGISTERING if method == "REGISTER" else EXTENSIONS
        unsupported = [tag for tag in request.many(REQUIRE) if tag not in known]
        if unsupported:
            raise Refused(420, UNSUPPORTED.field(", ".join(unsupported)))  # RFC 3261 8.2.2.3
    if request.body and method in _DESCRIBING:
        _check_body(request)
    if method == "INVITE":
        if "accept" in keys and not any(kind in _ACCEPTABLE for kind, _ in request.many(ACCEPT)):
            raise Malformed(406, "no session description accepted")  # RFC 3261 21.4.7
    elif "replaces" in keys:
        raise Malformed(400, "Replaces stands in INVITE only")  # RFC 3891 section 3
    elif method == "REGISTER":
        _check_registration(request)


def answer_of(request: Request, tag: str, *more: Field) -> Response:
    """The answer to OPTIONS: what we can do (RFC 3261 11.2, RFC 6665 4.4.4); to others, that they are not for us.

    :param more: what else is said of us: Allow-Events, Server.
    """
    if request.method == "OPTIONS":
        return request.response(200, "", tag, (ALLOWED, _ACCEPTED, _UNENCODED, _EXTENSIONS, *more))
    return request.response(481, "", tag)


def _check_body(request: Request) -> None:
    """Check that the body is a session description that we can read (RFC 3261 8.2.3)."""
    kind = request.one(CONTENT_TYPE)
    disposition = request.one(CONTENT_DISPOSITION)
    if kind is None or kind[0] != SDP_TYPE:
        remedy = _ACCEPTED
    elif any(coding.lower() != "identity" for coding in request.many(CONTENT_ENCODING)):
        remedy = _UNENCODED
    else:
        return
    if disposition is None or (disposition[1].get("handling") or "").lower() != "optional":
        raise Refused(415, remedy)
    request.body = b""  # RFC 3261 20.11


def _check_registration(request: Request) -> None:
    """Check what a REGISTER binds, before anybody is asked to prove anything (RFC 3261 10.2)."""
    if not request.receiver().uri.is_sip:
        raise Malformed(400, "To is no SIP address")
    if request.first("contact") != "*":
        request.many(CONTACT)
