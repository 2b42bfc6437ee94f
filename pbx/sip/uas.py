"""What a UAS checks of every request, and how it answers those that ask nothing more (RFC 3261 sections 8.2, 11).

One refusal of RFC 3261 is never ours: 413, since what is too long is refused as a whole (513, in `parser`).
"""

from __future__ import annotations

from pbx.sip.bodies import is_optional, parts_of
from pbx.sip.dialog import SDP_TYPE
from pbx.sip.errors import Malformed, Refused
from pbx.sip.headers import (
    ACCEPT,
    ACCEPT_ENCODING,
    ALLOW,
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

OUTSIDE = frozenset(("PUBLISH", "REGISTER"))
"""The methods that have no place in a dialog."""

EXTENSIONS = frozenset(("100rel", "norefersub", "replaces", "timer"))
"""The option tags that a request may require."""

REGISTERING = frozenset(("gruu", "outbound", "path"))
"""Those that a REGISTER may require beside them (RFC 5627, RFC 5626, RFC 3327)."""

_DESCRIBING = frozenset(("INVITE", "PRACK", "UPDATE"))  # whose bodies are session descriptions
_ACCEPTABLE = frozenset((SDP_TYPE, "application/*", "*/*"))
_ACCEPTED = ACCEPT.field(f"{SDP_TYPE}, multipart/mixed")
_ENCRYPTED = "application/pkcs7-mime"
_READ = frozenset((SDP_TYPE, "application/pkcs7-signature"))  # signatures are not verified: they say nothing to us
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
    head = request.head
    if "require" in head:
        known = EXTENSIONS | REGISTERING if method == "REGISTER" else EXTENSIONS
        unsupported = [tag for tag in request.many(REQUIRE) if tag not in known]
        if unsupported:
            raise Refused(420, UNSUPPORTED.field(", ".join(unsupported)))  # RFC 3261 8.2.2.3
    if request.body and method in _DESCRIBING:
        # As nearly all are; the others are looked at closely.
        if head.get("content-type") != SDP_TYPE or "content-encoding" in head:
            _check_body(request)
    if method == "INVITE":
        if "accept" in head and not any(kind in _ACCEPTABLE for kind, _ in request.many(ACCEPT)):
            raise Malformed(406, "no session description accepted")  # RFC 3261 21.4.7
    elif "replaces" in head:
        raise Malformed(400, "Replaces stands in INVITE only")  # RFC 3891 section 3
    elif method == "REGISTER":
        _check_registration(request)


def answer_of(request: Request, tag: str, *more: Field) -> Response:
    """The answer to OPTIONS: what we can do (RFC 3261 11.2, RFC 6665 4.4.4); to others, that they are not for us.

    :param more: what else is said of us: Allow-Events, Server.
    :raises Refused: 405 for a method that we know, and that has no place there.
    """
    if request.method == "OPTIONS":
        return request.response(200, "", tag, (ALLOWED, _ACCEPTED, _UNENCODED, _EXTENSIONS, *more))
    if request.method in OUTSIDE:  # RFC 3261 21.4.6
        raise Refused(405, ALLOW.field(", ".join([method for method in METHODS if method not in OUTSIDE])))
    return request.response(481, "", tag)


def _check_body(request: Request) -> None:
    """Check that the body is a session description that we can read (RFC 3261 8.2.3), or contains one and nothing else
    that has to be understood (RFC 5621).
    """
    kind = request.one(CONTENT_TYPE)
    if any(coding.lower() != "identity" for coding in request.many(CONTENT_ENCODING)):
        refusal: Malformed = Refused(415, _UNENCODED)
    elif kind is not None and kind[0] == SDP_TYPE:
        return
    else:
        kinds = {part.kind for part in parts_of(request) if not part.optional}
        if kinds <= _READ:
            return
        # RFC 3261 21.4.31: we have no key for anything.
        refusal = Malformed(493, "") if _ENCRYPTED in kinds else Refused(415, _ACCEPTED)
    if not is_optional(request.one(CONTENT_DISPOSITION)):
        raise refusal
    request.body = b""  # RFC 3261 20.11


def _check_registration(request: Request) -> None:
    """Check what a REGISTER binds, before anybody is asked to prove anything (RFC 3261 10.2)."""
    if not request.receiver().uri.is_sip:
        raise Malformed(400, "To is no SIP address")
    if request.first("contact") != "*":
        request.many(CONTACT)
