"""Requests and responses: ordered raw fields, with typed views on them (RFC 3261 section 7).

Fields stay as received, in their order. What matching needs is parsed at once by the parser; all the
rest on first access. A view that fails raises the same `Malformed(400, why)` every time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from pbx.sip.errors import Malformed
from pbx.sip.grammar import QUOTED, TOKEN, elements, is_token
from pbx.sip.headers import CSEQ, FROM, MAX_FORWARDS, TO, Address, Field, Row, Via, parse_address, parse_cseq, parse_via
from pbx.sip.status import reason_of
from pbx.sip.uri import Uri, parse_uri

T = TypeVar("T")

NO_BODY: Field = ("content-length", "Content-Length", "0")
_UNREAD: Mapping[str, str] = MappingProxyType({})
_COPIED = frozenset(("via", "from", "to", "call-id", "cseq"))
_ONCE = frozenset(("call-id", "content-length", "content-type", "cseq", "from", "max-forwards", "to"))
# From and To as nearly everybody writes them; all others go through the whole grammar.
_TAGGED = re.compile(rf"(?:{QUOTED}|[^\"<>;,]*+) ?<[!-;=?-~]++>(?:;tag=({TOKEN}))?+", re.DOTALL)


class Message:
    """What requests and responses share.

    :param fields: the header fields in order.
    :param body: the body, as bytes.
    :ivar head: the first value of each field of a received message, as received, by its key; empty in those that we
        build, of which `first` knows more.

    The attributes `call_id`, `cseq`, `cseq_method`, `from_tag`, `to_tag` and `via` (the topmost) are what transactions
    and dialogs match by; for received messages the parser has seen to it that they are there and well-formed, and those
    that we build do not have them before `identify`. `length` is what stands in Content-Length, unread; None without
    that field. `vias` is how many there are.
    """

    __slots__ = (
        "_views", "body", "call_id", "cseq", "cseq_method", "fields", "from_tag", "head", "length", "to_tag", "via",
        "vias",
    )  # fmt: skip

    call_id: str
    cseq: int
    cseq_method: str
    from_tag: str
    length: str | None
    to_tag: str
    via: Via
    vias: int

    def __init__(self, fields: list[Field], body: bytes = b"") -> None:
        self.fields = fields
        self.body = body
        self.head = _UNREAD
        self._views: dict[str, Any] | None = None

    def identify(self, last: dict[str, str] | None = None) -> None:
        """Parse what matching needs (RFC 3261 8.1.1: the fields that every message has).

        :param last: the last value of each field, where that is known.
        :raises Malformed: 400 when one is missing, comes twice or is malformed.
        """
        fields = self.fields
        first = {key: value for key, _, value in fields} if last is None else last
        single = len(first) == len(fields)
        if not single:
            first = {key: value for key, _, value in reversed(fields)}
        self.head = first
        self.length = first.get("content-length")
        try:
            sender, receiver = first["from"], first["to"]
            self.call_id = first["call-id"]
            self.cseq, self.cseq_method = parse_cseq(first["cseq"])
            via = first["via"]
        except KeyError as missing:
            raise Malformed(400, f"missing {missing.args[0]}") from None
        if not self.call_id:
            raise Malformed(400, "empty Call-ID")
        found = _TAGGED.fullmatch(sender)
        self.from_tag = _tag(sender) if found is None else found[1] or ""
        found = _TAGGED.fullmatch(receiver)
        self.to_tag = _tag(receiver) if found is None else found[1] or ""
        self.via = parse_via(via if "," not in via else next(iter(elements(via)), ""))
        self.vias = via.count(",") + 1
        if not single:
            self.vias = sum([value.count(",") + 1 for key, _, value in fields if key == "via"])
            _check_single(fields)

    def first(self, key: str) -> str | None:
        """The value of the first field with this key, as received, or None."""
        if self.head:
            return self.head.get(key)
        for field in self.fields:
            if field[0] == key:
                return field[2]
        return None

    def values(self, key: str) -> list[str]:
        """The values of all fields with this key, as received, in their order."""
        head = self.head
        if head:
            if key not in head:
                return []
            if len(head) == len(self.fields):
                return [head[key]]
        return [field[2] for field in self.fields if field[0] == key]

    def one(self, row: Row[T]) -> T | None:
        """The parsed value of a field that may come once; None when it is not there.

        :raises Malformed: 400 when it is malformed.
        """
        views = self._views
        if views is None:
            views = self._views = {}
        elif row.key in views:
            return views[row.key]  # type: ignore[no-any-return]
        text = self.first(row.key)
        value = views[row.key] = None if text is None else row.parse(text)
        return value

    def many(self, row: Row[T]) -> list[T]:
        """All values of a field that may hold several, in order.

        :raises Malformed: 400 when one is malformed.
        """
        views = self._views
        if views is None:
            views = self._views = {}
        elif row.key in views:
            return views[row.key]  # type: ignore[no-any-return]
        parse = row.parse
        values = [parse(text) for value in self.values(row.key) for text in elements(value)]
        if values:
            views[row.key] = values
        return values

    def sender(self) -> Address:
        """The From field.

        :raises Malformed: 400.
        """
        return self.one(FROM) or parse_address("")

    def receiver(self) -> Address:
        """The To field.

        :raises Malformed: 400.
        """
        return self.one(TO) or parse_address("")

    def start_line(self) -> str:
        """The first line, without its end."""
        raise NotImplementedError

    def __bytes__(self) -> bytes:
        lines = [self.start_line()]
        for _, name, value in self.fields:
            lines.append(f"{name}: {value}")
        lines.append("\r\n")
        return "\r\n".join(lines).encode("utf-8", "surrogateescape") + self.body

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Message) and bytes(self) == bytes(other)

    def __hash__(self) -> int:
        return hash(bytes(self))

    def __repr__(self) -> str:
        return f"<{self.start_line()}, Call-ID {self.first('call-id')}, CSeq {self.first('cseq')}>"


class Request(Message):
    """A request.

    :param method: its method; methods are case-sensitive.
    :param target: the Request-URI as text.
    """

    __slots__ = ("_uri", "method", "target")

    def __init__(self, method: str, target: str, fields: list[Field], body: bytes = b"") -> None:
        self.fields = fields
        self.body = body
        self.head = _UNREAD
        self._views = None
        self.method = method
        self.target = target
        self._uri: Uri | None = None

    @property
    def uri(self) -> Uri:
        """The parsed Request-URI.

        :raises Malformed: 400.
        """
        if self._uri is None:
            self._uri = parse_uri(self.target)
        return self._uri

    @property
    def max_forwards(self) -> int:
        """Max-Forwards; 70 when it is missing (RFC 3261 8.1.1.6).

        :raises Malformed: 400.
        """
        given = self.one(MAX_FORWARDS)
        return 70 if given is None else given

    def start_line(self) -> str:
        return f"{self.method} {self.target} SIP/2.0"

    def response(
        self,
        status: int,
        reason: str = "",
        to_tag: str = "",
        more: tuple[Field, ...] = (),
        body: bytes = b"",
        kind: str = "",
    ) -> Response:
        """Build the response to this request (RFC 3261 8.2.6).

        :param status: its status code.
        :param reason: its reason phrase; the code's own when empty.
        :param to_tag: the tag to add to To when there is none yet; never in a 100.
        :param more: further fields.
        :param body: its body, or none.
        :param kind: the body's Content-Type.
        """
        fields: list[Field] = []
        tag = to_tag if not self.to_tag and status != 100 else ""
        for field in self.fields:
            if field[0] in _COPIED:
                fields.append(("to", field[1], f"{field[2]};tag={tag}") if tag and field[0] == "to" else field)
        if status == 100 and "timestamp" in self.head:
            fields += [field for field in self.fields if field[0] == "timestamp"]
        fields.extend(more)
        if body:
            with_body(fields, kind, body)
        else:
            fields.append(NO_BODY)
        return Response(status, reason or reason_of(status), fields, body)

    def ack_for(self, response: Response) -> Request:
        """Build the ACK of a final response other than 2xx (RFC 3261 17.1.1.3)."""
        fields: list[Field] = []
        for field in self.fields:
            key = field[0]
            if key == "via":
                if not fields:
                    fields.append(field)
            elif key in ("from", "call-id", "route", "max-forwards"):
                fields.append(field)
        fields.append(TO.field(response.first("to")))
        fields.append(self._same_cseq("ACK"))
        fields.append(NO_BODY)
        return Request("ACK", self.target, fields)

    def cancel(self, more: tuple[Field, ...] = ()) -> Request:
        """Build the CANCEL of this INVITE, for the same branch (RFC 3261 9.1).

        :param more: further fields, such as Reason.
        """
        fields: list[Field] = []
        for field in self.fields:
            key = field[0]
            if key == "via":
                if not fields:
                    fields.append(field)
            elif key in ("from", "to", "call-id", "route", "max-forwards"):
                fields.append(field)
        fields.append(self._same_cseq("CANCEL"))
        fields.extend(more)
        fields.append(NO_BODY)
        return Request("CANCEL", self.target, fields)

    def _same_cseq(self, method: str) -> Field:
        number, _, _ = (self.first("cseq") or "").partition(" ")
        return CSEQ.field(f"{number} {method}")


class Response(Message):
    """A response.

    :param status: its status code, 100 to 699.
    :param reason: its reason phrase.
    """

    __slots__ = ("reason", "status")

    def __init__(self, status: int, reason: str, fields: list[Field], body: bytes = b"") -> None:
        self.fields = fields
        self.body = body
        self.head = _UNREAD
        self._views = None
        self.status = status
        self.reason = reason

    def start_line(self) -> str:
        return f"SIP/2.0 {self.status} {self.reason}"


def with_body(fields: list[Field], content_type: str, body: bytes) -> None:
    """Append the fields of a body to fields that end without Content-Length."""
    fields.append(("content-type", "Content-Type", content_type))
    fields.append(("content-length", "Content-Length", str(len(body))))


def _check_single(fields: list[Field]) -> None:
    keys = [field[0] for field in fields if field[0] in _ONCE]
    for key in _ONCE:
        if keys.count(key) > 1:
            raise Malformed(400, f"{key} comes twice")


def _tag(value: str) -> str:
    given = parse_address(value).parameters
    if "tag" not in given:
        return ""
    tag = given["tag"]
    if tag is None or not is_token(tag):
        # Were it taken for none, our response would carry two.
        raise Malformed(400, "malformed tag")
    return tag
