"""Bytes to messages (RFC 3261 sections 7 and 25): total over its input, what it cannot read raises `Malformed`.

The head is decoded once (UTF-8, what is none is kept by surrogates), the body stays bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pbx.sip.errors import Malformed
from pbx.sip.grammar import elements, is_token, number
from pbx.sip.headers import COMPACT, TABLE, Field, parse_sent_by
from pbx.sip.message import Message, Request, Response

MAX_HEAD = 64 * 1024  # bytes
MAX_FIELDS = 256
MAX_BODY = 256 * 1024  # bytes

_STATUS_LINE = re.compile(r"[Ss][Ii][Pp]/2\.0 ([1-6][0-9]{2})(?: (.*))?", re.DOTALL)
_STATUS = {str(status): status for status in range(100, 700)}
_VERSION = re.compile(r"[Ss][Ii][Pp]/[0-9]+\.[0-9]+")
_REPEATED = frozenset(("call-id", "cseq", "from", "to"))
_FOLD = re.compile(r"\r\n[ \t]+")

# Spellings seen on the wire, by the way to their keys; the table cannot grow by what an attacker sends.
_KEYS: dict[str, str] = {
    **{row.name: key for key, row in TABLE.items()},
    **COMPACT,
    **{compact.upper(): key for compact, key in COMPACT.items()},
}


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a message may be; longer ones are refused with 513 (RFC 3261 21.5.7).

    :param head: bytes of start line and fields.
    :param fields: how many header fields.
    :param body: bytes.
    """

    head: int = MAX_HEAD
    fields: int = MAX_FIELDS
    body: int = MAX_BODY


LIMITS = Limits()


class Unanswerable(Malformed):
    """A message so malformed that no response to it can be built: it is dropped."""


class BadRequest(Malformed):
    """A request that is malformed, yet can be answered.

    :param request: what could be read of it: enough to build a response from.
    """

    def __init__(self, fault: Malformed, request: Request) -> None:
        super().__init__(fault.status, fault.why)
        self.request = request


def parse(packet: bytes, limits: Limits = LIMITS) -> Request | Response:
    """Parse one datagram.

    Without Content-Length the body runs to the end; bytes after Content-Length are left out (RFC 3261 18.3).

    :raises BadRequest: when it is malformed and can be answered.
    :raises Unanswerable: when it cannot.
    """
    head, end, body = packet.lstrip(b"\r\n").partition(b"\r\n\r\n")  # RFC 3261 7.5
    message = parse_head(head, limits)
    try:
        if not end:
            raise Malformed(400, "no end of the head")
        length = len(body) if message.length is None else number(message.length)
        if length > len(body):
            raise Malformed(400, "body shorter than Content-Length")
        if length > limits.body:
            raise Malformed(513, "body too long")
    except Malformed as fault:
        raise refusal(fault, message) from None
    message.body = body if length == len(body) else body[:length]
    return message


def parse_head(head: bytes, limits: Limits = LIMITS) -> Request | Response:
    """Parse start line and fields, without the empty line that ends them.

    :raises BadRequest: when it is malformed and can be answered.
    :raises Unanswerable: when it cannot.
    """
    fault: Malformed | None = None
    if len(head) > limits.head:
        # What is left is enough to answer, as a rule.
        fault = Malformed(513, "head too long")
        head = head[: limits.head].rpartition(b"\r\n")[0]
    text = head.decode("utf-8", "surrogateescape")
    if "\n " in text or "\n\t" in text:
        text = _FOLD.sub(" ", text)  # lines that go on in the next one (RFC 3261 7.3.1)
    lines = text.split("\r\n")
    rest = "".join(lines)
    if "\r" in rest or "\n" in rest:
        # Others may take one alone for the end of a line, and read another message than we do.
        fault = fault or Malformed(400, "stray CR or LF")
    known = _KEYS.get
    fields: list[Field] = []
    last: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        key = (known(name) or _key_of(name)) if colon else ""
        last[key] = value = value.strip(" \t") if colon else ""
        fields.append((key, name, value))
    if "" in last:
        fault = fault or Malformed(400, "malformed header field")
        fields = [field for field in fields if field[0]]
        del last[""]
    if len(fields) > limits.fields:
        fault = fault or Malformed(513, "too many header fields")
    version, _, rest = lines[0].partition(" ")
    code, _, reason = rest.partition(" ")
    message: Request | Response
    if version == "SIP/2.0" and code in _STATUS:
        message = Response(_STATUS[code], reason, fields)
    elif reason == "SIP/2.0" and code and is_token(version):
        message = Request(version, code, fields)
    else:
        message = _odd_start(lines[0], fields)
    try:
        message.identify(last)
        if fault is not None:
            raise fault
        if isinstance(message, Request) and message.cseq_method != message.method:
            raise Malformed(400, "the method of CSeq is another")
    except Malformed as why:
        raise refusal(fault or why, message) from None
    return message


def content_length(message: Message) -> int | None:
    """The Content-Length, or None when it is missing.

    :raises Malformed: 400 when it is no number.
    """
    return None if message.length is None else number(message.length)


def refusal(fault: Malformed, message: Message) -> BadRequest | Unanswerable:
    """Turn a fault in a message into the one that says whether it can be answered (RFC 3261 8.2.6).

    All that an answer needs is to know where it goes. Of the rest it repeats what is there, as it came, once.
    """
    if not isinstance(message, Request) or message.method == "ACK":
        return Unanswerable(fault.status, fault.why)
    first = {key: value for key, _, value in reversed(message.fields)}
    if not hasattr(message, "via"):  # which is identified last
        try:
            message.via = parse_sent_by(next(iter(elements(first.get("via", ""))), ""))
        except Malformed:
            return Unanswerable(fault.status, fault.why)
        message.call_id = first.get("call-id", "")
        message.cseq, message.cseq_method = 0, message.method
        message.from_tag = ""
        message.to_tag = "unreadable" if ";tag=" in first.get("to", "").lower() else ""
    if len(first) < len(message.fields):
        message.fields = _once(message.fields)
    return BadRequest(fault, message)


def _once(fields: list[Field]) -> list[Field]:
    """Fields without those that an answer would repeat (RFC 4475 3.3.8)."""
    seen: set[str] = set()
    kept: list[Field] = []
    for field in fields:
        if field[0] not in seen:
            kept.append(field)
        if field[0] in _REPEATED:
            seen.add(field[0])
    return kept


def _odd_start(line: str, fields: list[Field]) -> Request | Response:
    """What a start line begins that is not written as nearly all are.

    :raises Malformed: when it is none, or one that is to be refused.
    """
    found = _STATUS_LINE.fullmatch(line)
    if found is not None:
        return Response(int(found[1]), found[2] or "", fields)
    words = line.split()
    if len(words) < 3 or not (is_token(words[0]) and _VERSION.fullmatch(words[-1])):
        raise Unanswerable(400, "malformed start line")
    request = Request(words[0], " ".join(words[1:-1]), fields)
    if words[-1].upper() != "SIP/2.0":
        raise refusal(Malformed(505, ""), request)  # RFC 3261 21.5.6
    if len(words) > 3 or line != " ".join(words):
        raise refusal(Malformed(400, "malformed request line"), request)
    return request


def _key_of(name: str) -> str:
    """The key of a name that is not among the known spellings; "" when it is no name."""
    bare = name.rstrip(" \t")
    if not is_token(bare):
        return ""
    bare = bare.lower()
    return COMPACT.get(bare, bare)
