"""Redaction: a SIP message without what nobody may read who looks at a trace.

That is: what proves a password (Authorization), the keys of SRTP (RFC 4568), the digits of DTMF in INFO, which may be a
PIN, and what people write to each other (MESSAGE).
"""

from __future__ import annotations

import re

_HEAD_END = re.compile(rb"\r?\n\r?\n")
_CREDENTIALS = re.compile(
    rb"^((?:proxy-)?authorization[ \t]*:[ \t]*)(.*(?:\r?\n[ \t].*)*)$", re.IGNORECASE | re.MULTILINE
)
_PROOF = re.compile(rb'\b(response|cnonce|password)[ \t]*=[ \t]*("[^"]*"?|[^,\s]*)', re.IGNORECASE)
_SCHEME = re.compile(rb"digest\s", re.IGNORECASE)
_KEY = re.compile(rb"^(a=crypto:\d+[ \t]+\S+[ \t]+)[^\r\n]*", re.IGNORECASE | re.MULTILINE)
_K_LINE = re.compile(rb"^(k=|a=key-mgmt:)[^\r\n]*", re.IGNORECASE | re.MULTILINE)
_TYPE = re.compile(rb"^(?:content-type|c)[ \t]*:[ \t]*([^\s;]+)", re.IGNORECASE | re.MULTILINE)
_DIGITS = re.compile(rb"[0-9A-D*#]", re.IGNORECASE)
_SIGNAL = re.compile(rb"^(signal[ \t]*=[ \t]*)[^\r\n]*", re.IGNORECASE | re.MULTILINE)


def redacted(packet: bytes) -> bytes:
    """The message, secrets replaced by asterisks. Its Content-Length stays, though the body may be shorter."""
    end = _HEAD_END.search(packet)
    head, gap, body = (packet, b"", b"") if end is None else (packet[: end.start()], end[0], packet[end.end() :])
    head = _CREDENTIALS.sub(_without_proof, head)
    if body:
        body = _body(head, body)
    return head + gap + body


def _without_proof(found: re.Match[bytes]) -> bytes:
    # Of what is no digest, such as a token, all is secret.
    if not _SCHEME.match(found[2]):
        return found[1] + b"***"
    return found[1] + _PROOF.sub(rb"\1=***", found[2])


def _body(head: bytes, body: bytes) -> bytes:
    found = _TYPE.search(head)
    kind = found[1].lower() if found is not None else b""
    if head.startswith(b"MESSAGE ") or kind in (b"text/plain", b"text/html", b"message/cpim"):
        return b"(%d bytes that somebody has written)" % len(body)
    if kind == b"application/dtmf-relay":
        return _SIGNAL.sub(rb"\1***", body)
    if kind == b"application/dtmf":
        return _DIGITS.sub(b"*", body)
    return _K_LINE.sub(rb"\1***", _KEY.sub(rb"\1***", body))
