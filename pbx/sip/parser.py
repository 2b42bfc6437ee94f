"""Bytes to messages (RFC 3261 sections 7 and 25): total over its input, what it cannot read raises `Malformed`.

The head is decoded once (UTF-8, what is none is kept by surrogates), the body stays bytes.
"""

from __future__ import annotations

import re

from pbx.sip.errors import Malformed
from pbx.sip.grammar import TOKEN, is_token, number
from pbx.sip.headers import COMPACT, TABLE, Field
from pbx.sip.message import Message, Request, Response

MAX_HEAD = 64 * 1024  # bytes
MAX_FIELDS = 256
MAX_BODY = 256 * 1024  # bytes

_REQUEST_LINE = re.compile(rf"({TOKEN}) ([^ \t]+) [Ss][Ii][Pp]/2\.0")
_STATUS_LINE = re.compile(r"[Ss][Ii][Pp]/2\.0 ([1-6][0-9]{2}) ?(.*)", re.DOTALL)
_VERSION = re.compile(r"[Ss][Ii][Pp]/[0-9]+\.[0-9]+")
_FOLD = re.compile(r"\r\n[ \t]+")

# Spellings seen on the wire, by the way to their keys; the table cannot grow by what an attacker sends.
_KEYS: dict[str, str] = {
    **{row.name: key for key, row in TABLE.items()},
    **COMPACT,
    **{compact.upper(): key for compact, key in COMPACT.items()},
}


class Unanswerable(Malformed):
    """A message so malformed that no response to it can be built: it is dropped."""


class BadRequest(Malformed):
    """A request that is malformed, yet can be answered.

    :param request: what could be read of it: enough to build a response from.
    """

    def __init__(self, fault: Malformed, request: Request) -> None:
        super().__init__(fault.status, fault.why)
        self.request = request


def parse(packet: bytes) -> Request | Response:
    """Parse one datagram.

    Without Content-Length the body runs to the end; bytes after Content-Length are left out (RFC 3261 18.3).

    :raises BadRequest: when it is malformed and can be answered.
    :raises Unanswerable: when it cannot.
    """
    packet = packet.lstrip(b"\r\n")  # RFC 3261 7.5
    end = packet.find(b"\r\n\r\n")
    if end < 0:
        raise Unanswerable(400, "no end of the head")
    message = parse_head(packet[:end])
    body = packet[end + 4 :]
    try:
        length = content_length(message)
        if length is None:
            length = len(body)
        if length > len(body):
            raise Malformed(400, "body shorter than Content-Length")
        if length > MAX_BODY:
            raise Malformed(513, "body too long")
    except Malformed as fault:
        raise refusal(fault, message) from None
    message.body = body if length == len(body) else body[:length]
    return message


def parse_head(head: bytes) -> Request | Response:
    """Parse start line and fields, without the empty line that ends them.

    Lines that go on in the next one (RFC 3261 7.3.1) are rare: the head is read again when one is met.

    :raises BadRequest: when it is malformed and can be answered.
    :raises Unanswerable: when it cannot.
    """
    if len(head) > MAX_HEAD:
        raise Unanswerable(513, "head too long")
    text = head.decode("utf-8", "surrogateescape")
    lines = text.split("\r\n")
    fault: Malformed | None = None
    if not text.count("\r") == text.count("\n") == len(lines) - 1:
        # Others may take one alone for the end of a line, and read another message than we do.
        fault = Malformed(400, "stray CR or LF")
    fields: list[Field] = []
    keys = _KEYS
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        key = keys.get(name) if colon else None
        if key is None:
            if name[:1] in (" ", "\t"):
                return parse_head(_FOLD.sub(" ", text).encode("utf-8", "surrogateescape"))
            key = _key_of(name) if colon else ""
            if not key:
                fault = fault or Malformed(400, "malformed header field")
                continue
        fields.append((key, name, value.strip(" \t")))
    if len(fields) > MAX_FIELDS:
        raise Unanswerable(513, "too many header fields")
    message = _start(lines[0], fields)
    try:
        message.identify()
        if fault is not None:
            raise fault
        if isinstance(message, Request) and message.cseq_method != message.method:
            raise Malformed(400, "the method of CSeq is another")
    except Malformed as why:
        raise refusal(why, message) from None
    return message


def content_length(message: Message) -> int | None:
    """The Content-Length, or None when it is missing.

    :raises Malformed: 400 when it is no number.
    """
    text = message.first("content-length")
    return None if text is None else number(text)


def refusal(fault: Malformed, message: Message) -> BadRequest | Unanswerable:
    """Turn a fault in a message into the one that says whether it can be answered (RFC 3261 8.2.6)."""
    if isinstance(message, Request) and message.method != "ACK":
        try:
            _ = message.via, message.to_tag
        except Malformed:
            # From, To or CSeq are beyond reading: they are copied as they came if they are there (RFC 4475 3.1.2).
            return _answerable_anyhow(fault, message)
        return BadRequest(fault, message)
    return Unanswerable(fault.status, fault.why)


def _answerable_anyhow(fault: Malformed, request: Request) -> BadRequest | Unanswerable:
    present = {field[0]: field[2] for field in reversed(request.fields)}
    if not all(present.get(key) for key in ("via", "from", "to", "call-id", "cseq")):
        return Unanswerable(fault.status, fault.why)
    try:
        request.via = TABLE["via"].parse(present["via"].partition(",")[0])
    except Malformed:
        return Unanswerable(fault.status, fault.why)
    request.call_id = present["call-id"]
    request.cseq, request.cseq_method = 0, request.method
    request.from_tag, request.to_tag = "", "unreadable" if ";tag=" in present["to"].lower() else ""
    return BadRequest(fault, request)


def _start(line: str, fields: list[Field]) -> Request | Response:
    found = _STATUS_LINE.fullmatch(line)
    if found is not None:
        return Response(int(found[1]), found[2], fields)
    found = _REQUEST_LINE.fullmatch(line)
    if found is not None:
        return Request(found[1], found[2], fields)
    method, space, rest = line.partition(" ")
    target, _, version = rest.rpartition(" ")
    if space and is_token(method) and target and _VERSION.fullmatch(version):
        request = Request(method, target, fields)
        fault = Malformed(400, "malformed Request-URI") if version.upper() == "SIP/2.0" else Malformed(505, "")
        raise refusal(fault, request)
    raise Unanswerable(400, "malformed start line")


def _key_of(name: str) -> str:
    """The key of a name that is not among the known spellings; "" when it is no name."""
    bare = name.rstrip(" \t")
    if not is_token(bare):
        return ""
    bare = bare.lower()
    return COMPACT.get(bare, bare)
