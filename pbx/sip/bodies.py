"""Bodies of several parts (RFC 5621, RFC 2046 section 5.1): we read them, one level deep, and never write any. A value.

What a part says of itself is in its own fields; a part that may be ignored says so (`handling=optional`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pbx.sip.errors import Malformed
from pbx.sip.grammar import Parameters
from pbx.sip.headers import CONTENT_TYPE, parse_item, parse_media_type
from pbx.sip.message import Message

PARTS = 20
"""The most that a body may have: what has more is an attack."""

_BOUNDARY = re.compile(r"[A-Za-z0-9'()+_,./:=? -]{0,69}[A-Za-z0-9'()+_,./:=?-]", re.ASCII)
_FOLDED = re.compile(r"\r\n[ \t]+")
_PLAIN = frozenset(("", "7bit", "8bit", "binary"))


@dataclass(frozen=True, slots=True)
class Part:
    """One part.

    :param kind: its type, in lower case; "" for one that is encoded.
    :param optional: whether who does not understand it may ignore it.
    :param content: what it holds.
    """

    kind: str
    optional: bool
    content: bytes


def parts_of(message: Message) -> list[Part]:
    """The parts of a body, itself the only one where its type is not multipart; none without a body.

    :raises Malformed: 400 when they cannot be found.
    """
    if not message.body:
        return []
    kind, given = message.one(CONTENT_TYPE) or ("", {})
    if not kind.startswith("multipart/"):
        return [Part(kind, False, message.body)]
    parts = list(_parts(message.body, given))
    if kind == "multipart/alternative":
        parts.reverse()  # the best one comes last (RFC 2046 5.1.4)
    return parts


def content_of(message: Message, kind: str) -> bytes:
    """What the first part of a type holds, b"" when there is none.

    :raises Malformed: 400 when the body cannot be taken apart.
    """
    return next((part.content for part in parts_of(message) if part.kind == kind), b"")


def is_optional(disposition: tuple[str, Parameters] | None) -> bool:
    """Whether a Content-Disposition lets who does not understand a body ignore it (RFC 3261 20.11)."""
    return disposition is not None and (disposition[1].get("handling") or "").lower() == "optional"


def _parts(body: bytes, given: Parameters) -> Iterator[Part]:
    boundary = (given.get("boundary") or "").strip('"')
    if not _BOUNDARY.fullmatch(boundary):
        raise Malformed(400, "malformed boundary")
    delimiter = re.compile(rb"(?:\A|(?<=\r\n))--" + re.escape(boundary.encode()) + rb"(--)?[ \t]*+(?:\r\n|\Z)")
    begin = count = 0
    for found in delimiter.finditer(body):
        if begin:
            count += 1
            if count > PARTS:
                raise Malformed(400, "too many parts")
            yield _part(body[begin : found.start() - 2])
        begin = found.end()
        if found[1]:
            return
    raise Malformed(400, "a body of several parts without its end")


def _part(text: bytes) -> Part:
    head, _, content = text.partition(b"\r\n\r\n") if not text.startswith(b"\r\n") else (b"", b"", text[2:])
    fields: dict[str, str] = {}
    for line in _FOLDED.sub(" ", head.decode("utf-8", "surrogateescape")).split("\r\n"):
        name, _, value = line.partition(":")
        fields[name.strip().lower()] = value.strip()
    kind, _ = parse_media_type(fields.get("content-type", "text/plain"))
    disposition = fields.get("content-disposition")
    coded = fields.get("content-transfer-encoding", "").lower() not in _PLAIN or "content-encoding" in fields
    optional = disposition is not None and is_optional(parse_item(disposition))
    return Part("" if coded else kind, optional, content)
