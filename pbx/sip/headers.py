"""Header fields: one row for each field that the stack reads (RFC 3261 section 20), and the types of their values.

A row knows the field's name, its compact form, whether several values may stand in one field, and how one value is
parsed. Fields without a row are carried as they came.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache, partial
from typing import Any, Generic, TypeVar

from pbx.sip.errors import Malformed
from pbx.sip.grammar import (
    HOST,
    QUOTED,
    TOKEN,
    WORD,
    Parameters,
    is_token,
    number,
    parameters,
    parameters_text,
    quoted,
    unquoted,
)
from pbx.sip.uri import Uri, parse_uri

T = TypeVar("T")
Field = tuple[str, str, str]
"""One header field: (key, name, value); the key is the lower-case long form, name and value are as received."""

_ADDRESS = re.compile(rf"\s*+(?:({QUOTED})|([^\"<>]*+))\s*+<([^<>]*+)>\s*+(;.*)?", re.ASCII | re.DOTALL)
_BARE = re.compile(r"\s*+([^;?<>\"\s]++)\s*+(;.*)?", re.ASCII | re.DOTALL)
_DISPLAY = re.compile(r"[A-Za-z0-9\-.!%*_+`'~ \t\x80-\U0010ffff]*+")
_VIA = re.compile(
    rf"\s*+[Ss][Ii][Pp]\s*+/\s*+2\.0\s*+/\s*+({TOKEN})\s++({HOST})\s*+(?::\s*+([0-9]{{1,5}})\s*+)?+(;.*)?",
    re.ASCII | re.DOTALL,
)
# As nearly everybody writes it: read at once, for this is half of what a message costs to read.
_PLAIN_VIA = re.compile(rf"SIP/2\.0/([A-Z]+) ({HOST})(?::([0-9]{{1,5}}))?(;rport)?;branch=({TOKEN})(?(4)|(;rport)?)")
_SENT_BY = re.compile(
    rf"({TOKEN}\s*+/\s*+{TOKEN})\s*+/\s*+({TOKEN})\s++({HOST})(?:\s*+:\s*+([0-9]{{1,5}}))?+", re.ASCII
)
_CALL_ID = re.compile(rf"{WORD}(?:@{WORD})?", re.ASCII)
_DATE = re.compile(
    "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]{2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [0-9]{4} "
    "[0-9]{2}:[0-9]{2}:[0-9]{2} GMT"
)
_MIME_VERSION = re.compile("[0-9]+\\.[0-9]+")
_RETRY_AFTER = re.compile(r"([0-9]++)\s*+(?:\(.*\)\s*+)?(;.*)?", re.ASCII | re.DOTALL)
_TIMESTAMP = re.compile(r"([0-9]{1,15}(?:\.[0-9]{0,15})?)(?:\s++([0-9]{0,15}(?:\.[0-9]{0,15})?))?", re.ASCII)
_WARNING = re.compile(rf"([0-9]{{3}}) ({TOKEN}|{HOST}(?::[0-9]{{1,5}})?) ({QUOTED})", re.ASCII | re.DOTALL)
_RACK = re.compile(rf"([0-9]{{1,10}})\s++([0-9]{{1,10}})\s++({TOKEN})", re.ASCII)
_CSEQ = re.compile(rf"\s*+([0-9]{{1,10}})\s++({TOKEN})\s*+", re.ASCII)


class Address:
    """A name-addr or addr-spec with parameters: From, To, Contact, Route and others (RFC 3261 20.10).

    :param uri: the URI.
    :param display: the display name, unquoted; "" when there is none.
    :param parameters: the field's parameters (not those of the URI inside the angle brackets).
    """

    __slots__ = ("display", "parameters", "uri")

    def __init__(self, uri: Uri, display: str = "", parameters: Parameters | None = None) -> None:
        self.uri = uri
        self.display = display
        self.parameters: Parameters = {} if parameters is None else parameters

    @property
    def tag(self) -> str:
        """The tag parameter, or ""."""
        return self.parameters.get("tag") or ""

    def __str__(self) -> str:
        display = f"{quoted(self.display)} " if self.display else ""
        return f"{display}<{self.uri}>{parameters_text(self.parameters)}"

    def __repr__(self) -> str:
        return f"<Address {self}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Address) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


class Via:
    """One Via value (RFC 3261 20.42).

    :param transport: "UDP", "TCP", "TLS", in capitals.
    :param host: the sent-by host, as written.
    :param port: the sent-by port, or None.
    :param parameters: branch, received, rport and others.
    :param protocol: name and version; "SIP/2.0" in all that can be read.
    :ivar branch: the branch parameter, or "".
    """

    __slots__ = ("branch", "host", "parameters", "port", "protocol", "transport")

    def __init__(
        self, transport: str, host: str, port: int | None, given: Parameters, protocol: str = "SIP/2.0"
    ) -> None:
        self.transport = transport
        self.host = host
        self.port = port
        self.parameters = given
        self.protocol = protocol
        self.branch = given.get("branch") or ""

    def __str__(self) -> str:
        port = "" if self.port is None else f":{self.port}"
        return f"{self.protocol}/{self.transport} {self.host}{port}{parameters_text(self.parameters)}"

    def __repr__(self) -> str:
        return f"<Via {self}>"


def parse_address(text: str) -> Address:
    """Parse a name-addr, or an addr-spec whose parameters then belong to the field (RFC 3261 20.10).

    :raises Malformed: 400.
    """
    found = _ADDRESS.fullmatch(text)
    if found is None:
        bare = _BARE.fullmatch(text)
        if bare is None:
            raise Malformed(400, "malformed address")
        return Address(parse_uri(bare[1]), "", parameters(bare[2] or ""))
    display = unquoted(found[1]) if found[1] else found[2].strip()
    if display and not found[1] and not _DISPLAY.fullmatch(display):
        raise Malformed(400, "malformed display name")
    return Address(parse_uri(found[3]), display, parameters(found[4] or ""))


def parse_via(text: str) -> Via:
    """Parse one Via value.

    :raises Malformed: 400.
    """
    plain = _PLAIN_VIA.fullmatch(text)
    if plain is not None:
        transport, host, port, before, branch, after = plain.groups()
        given: Parameters = {"rport": None, "branch": branch} if before else {"branch": branch}
        if after:
            given["rport"] = None
        return Via(transport, host, None if port is None else _port(port), given)
    found = _VIA.fullmatch(text)
    if found is None:
        raise Malformed(400, "malformed Via")
    transport, host, port, rest = found.groups()
    return Via(transport.upper(), host, None if port is None else _port(port), parameters(rest or ""))


def parse_sent_by(text: str) -> Via:
    """Parse what a response needs of a Via that is of another version or malformed at its end.

    :raises Malformed: 400 when not even that can be read.
    """
    found = _SENT_BY.match(text)
    if found is None:
        raise Malformed(400, "malformed Via")
    protocol, transport, host, port = found.groups()
    try:
        given = parameters(text[found.end() :].strip())
    except Malformed:
        given = {}
    return Via(transport.upper(), host, None if port is None else _port(port), given, protocol)


@lru_cache(maxsize=1024)
def _port(text: str) -> int:
    port = int(text)
    if port > 65535:
        raise Malformed(400, "port out of range")
    return port


@lru_cache(maxsize=1024)  # the same few in most dialogs, and in all messages of a transaction
def parse_cseq(text: str) -> tuple[int, str]:
    """Parse CSeq: (number below 2**31, method) (RFC 3261 8.1.1.5).

    :raises Malformed: 400.
    """
    found = _CSEQ.fullmatch(text)
    if found is None:
        raise Malformed(400, "malformed CSeq")
    count, method = found.groups()
    sequence = int(count)
    if sequence >= 2**31:
        raise Malformed(400, "CSeq out of range")
    return sequence, method


def parse_token(text: str) -> str:
    """Parse one token.

    :raises Malformed: 400.
    """
    if not is_token(text):
        raise Malformed(400, "token expected")
    return text


def parse_text(text: str) -> str:
    """Any text."""
    return text


RECURRING = 1024  # characters of a value that is remembered at most: there is room for so many values, too


def parse_recurring_address(text: str) -> Address:
    """Parse an address that a phone writes into one message after the other: that of itself, or of whom it registers.

    :raises Malformed: 400.
    """
    return _remembered_address(text) if len(text) <= RECURRING else parse_address(text)


_remembered_address = lru_cache(maxsize=1024)(parse_address)


@lru_cache(maxsize=64)  # nearly all that is there
def parse_media_type(text: str) -> tuple[str, Parameters]:
    """Parse `type/subtype;parameters` into a lower-case type and its parameters.

    :raises Malformed: 400.
    """
    kind, semicolon, rest = text.partition(";")
    main, slash, sub = kind.partition("/")
    main, sub = main.strip(), sub.strip()
    if not (slash and is_token(main) and is_token(sub)):
        raise Malformed(400, "malformed media type")
    return f"{main}/{sub}".lower(), parameters(semicolon + rest)


def parse_item(text: str) -> tuple[str, Parameters]:
    """Parse `token;parameters` into the token in lower case and its parameters: a coding, a language, a disposition.

    :raises Malformed: 400.
    """
    name, semicolon, rest = text.partition(";")
    name = name.strip()
    if not is_token(name):
        raise Malformed(400, "token expected")
    return name.lower(), parameters(semicolon + rest)


def parse_event(text: str) -> tuple[str, Parameters]:
    """Parse an event package, whose case counts, and its parameters (RFC 6665 8.2.1).

    :raises Malformed: 400.
    """
    package, semicolon, rest = text.partition(";")
    return parse_token(package.strip()), parameters(semicolon + rest)


def parse_replaces(text: str) -> tuple[str, Parameters]:
    """Parse the Call-ID of a dialog and the parameters that name the rest of it (RFC 3891 6.1).

    :raises Malformed: 400.
    """
    call_id, semicolon, rest = text.partition(";")
    return parse_call_id(call_id.strip()), parameters(semicolon + rest)


def parse_bracketed(text: str) -> Address:
    """Parse a URI in angle brackets with parameters; where a bare one has no place (RFC 3261 20.4, 20.30, 20.34).

    :raises Malformed: 400.
    """
    if "<" not in text:
        raise Malformed(400, "angle brackets expected")
    return parse_address(text)


def parse_call_id(text: str) -> str:
    """Parse a Call-ID (RFC 3261 20.8). Of the one that a message belongs to, any text is taken.

    :raises Malformed: 400.
    """
    if not _CALL_ID.fullmatch(text):
        raise Malformed(400, "malformed Call-ID")
    return text


def parse_date(text: str) -> datetime:
    """Parse a date, which is always in GMT (RFC 3261 20.17).

    :raises Malformed: 400.
    """
    try:
        if _DATE.fullmatch(text):
            return parsedate_to_datetime(text)
    except ValueError:
        pass
    raise Malformed(400, "malformed date")


def parse_mime_version(text: str) -> str:
    """Parse MIME-Version (RFC 3261 20.24).

    :raises Malformed: 400.
    """
    if not _MIME_VERSION.fullmatch(text):
        raise Malformed(400, "malformed MIME-Version")
    return text


def parse_rack(text: str) -> tuple[int, int, str]:
    """Parse RAck into RSeq, and the CSeq number and method of what that was in (RFC 3262 7.2).

    :raises Malformed: 400.
    """
    found = _RACK.fullmatch(text.strip())
    if found is None:
        raise Malformed(400, "malformed RAck")
    return int(found[1]), int(found[2]), found[3]


def parse_interval(text: str) -> tuple[int, Parameters]:
    """Parse Session-Expires or Min-SE into seconds and parameters (RFC 4028 sections 4 and 5).

    :raises Malformed: 400.
    """
    seconds, semicolon, rest = text.partition(";")
    return number(seconds.strip()), parameters(semicolon + rest)


def parse_retry_after(text: str) -> tuple[int, Parameters]:
    """Parse Retry-After into seconds and parameters; a comment is left out (RFC 3261 20.33).

    :raises Malformed: 400.
    """
    found = _RETRY_AFTER.fullmatch(text.strip())
    if found is None:
        raise Malformed(400, "malformed Retry-After")
    return number(found[1]), parameters(found[2] or "")


def parse_timestamp(text: str) -> tuple[float, float]:
    """Parse Timestamp into the client's time and the server's delay, 0 when it tells none, in seconds (RFC 3261 20.38).

    :raises Malformed: 400.
    """
    found = _TIMESTAMP.fullmatch(text.strip())
    if found is None or found[2] == ".":
        raise Malformed(400, "malformed Timestamp")
    return float(found[1]), float(found[2] or 0)


def parse_warning(text: str) -> tuple[int, str, str]:
    """Parse one warning into its code, who warns, and the text (RFC 3261 20.43).

    :raises Malformed: 400.
    """
    found = _WARNING.fullmatch(text)
    if found is None:
        raise Malformed(400, "malformed Warning")
    return int(found[1]), found[2], unquoted(found[3])


class Row(Generic[T]):
    """One header field of the table.

    :param name: its name as we write it.
    :param parse: how one of its values is parsed; raises `Malformed`.
    :param compact: its compact form, or "" (RFC 3261 7.3.3).
    :param many: whether a field may hold several values, separated by commas, and come several times.
    """

    __slots__ = ("compact", "key", "many", "name", "parse")

    def __init__(self, name: str, parse: Callable[[str], T], compact: str = "", many: bool = False) -> None:
        self.name = name
        self.key = name.lower()
        self.parse = parse
        self.compact = compact
        self.many = many
        TABLE[self.key] = self

    def field(self, value: object) -> Field:
        """Make a field of this name."""
        return (self.key, self.name, str(value))

    def __repr__(self) -> str:
        return f"<Row {self.name}>"


TABLE: dict[str, Row[Any]] = {}
"""All rows by key."""

ACCEPT = Row("Accept", parse_media_type, many=True)
ACCEPT_ENCODING = Row("Accept-Encoding", parse_item, many=True)
ACCEPT_LANGUAGE = Row("Accept-Language", parse_item, many=True)
ALERT_INFO = Row("Alert-Info", parse_bracketed, many=True)
ALLOW = Row("Allow", parse_token, many=True)
ALLOW_EVENTS = Row("Allow-Events", parse_token, "u", many=True)
ANSWER_MODE = Row("Answer-Mode", parse_item)
AUTHENTICATION_INFO = Row("Authentication-Info", parse_text)
AUTHORIZATION = Row("Authorization", parse_text)
CALL_ID = Row("Call-ID", parse_call_id, "i")
CALL_INFO = Row("Call-Info", parse_bracketed, many=True)
CONTACT = Row("Contact", parse_recurring_address, "m", many=True)
CONTENT_DISPOSITION = Row("Content-Disposition", parse_item)
CONTENT_ENCODING = Row("Content-Encoding", parse_token, "e", many=True)
CONTENT_LANGUAGE = Row("Content-Language", parse_token, many=True)
CONTENT_LENGTH = Row("Content-Length", number, "l")
CONTENT_TYPE = Row("Content-Type", parse_media_type, "c")
CSEQ = Row("CSeq", parse_cseq)
DATE = Row("Date", parse_date)
DIVERSION = Row("Diversion", parse_address, many=True)
ERROR_INFO = Row("Error-Info", parse_bracketed, many=True)
EVENT = Row("Event", parse_event, "o")
EXPIRES = Row("Expires", number)
FLOW_TIMER = Row("Flow-Timer", number)
FROM = Row("From", parse_address, "f")
HISTORY_INFO = Row("History-Info", parse_address, many=True)
IN_REPLY_TO = Row("In-Reply-To", parse_call_id, many=True)
INFO_PACKAGE = Row("Info-Package", parse_item)
MAX_FORWARDS = Row("Max-Forwards", partial(number, limit=255))
MIME_VERSION = Row("MIME-Version", parse_mime_version)
MIN_EXPIRES = Row("Min-Expires", number)
MIN_SE = Row("Min-SE", parse_interval)
ORGANIZATION = Row("Organization", parse_text)
P_ASSERTED_IDENTITY = Row("P-Asserted-Identity", parse_address, many=True)
P_PREFERRED_IDENTITY = Row("P-Preferred-Identity", parse_address, many=True)
PATH = Row("Path", parse_bracketed, many=True)
PRIORITY = Row("Priority", parse_token)
PRIVACY = Row("Privacy", parse_text)
PROXY_AUTHENTICATE = Row("Proxy-Authenticate", parse_text)
PROXY_AUTHORIZATION = Row("Proxy-Authorization", parse_text)
PROXY_REQUIRE = Row("Proxy-Require", parse_token, many=True)
RACK = Row("RAck", parse_rack)
REASON = Row("Reason", parse_text, many=True)
RECORD_ROUTE = Row("Record-Route", parse_bracketed, many=True)
RECV_INFO = Row("Recv-Info", parse_item, many=True)
REFER_SUB = Row("Refer-Sub", parse_item)
REFER_TO = Row("Refer-To", parse_address, "r")
REFERRED_BY = Row("Referred-By", parse_address, "b")
REPLACES = Row("Replaces", parse_replaces)
REPLY_TO = Row("Reply-To", parse_address)
REQUIRE = Row("Require", parse_token, many=True)
RETRY_AFTER = Row("Retry-After", parse_retry_after)
ROUTE = Row("Route", parse_bracketed, many=True)
RSEQ = Row("RSeq", number)
SERVER = Row("Server", parse_text)
SESSION_EXPIRES = Row("Session-Expires", parse_interval, "x")
SIP_ETAG = Row("SIP-ETag", parse_token)
SIP_IF_MATCH = Row("SIP-If-Match", parse_token)
SUBJECT = Row("Subject", parse_text, "s")
SUBSCRIPTION_STATE = Row("Subscription-State", parse_item)
SUPPORTED = Row("Supported", parse_token, "k", many=True)
TIMESTAMP = Row("Timestamp", parse_timestamp)
TO = Row("To", parse_recurring_address, "t")
UNSUPPORTED = Row("Unsupported", parse_token, many=True)
USER_AGENT = Row("User-Agent", parse_text)
VIA = Row("Via", parse_via, "v", many=True)
WARNING = Row("Warning", parse_warning, many=True)
WWW_AUTHENTICATE = Row("WWW-Authenticate", parse_text)

COMPACT: dict[str, str] = {row.compact: key for key, row in TABLE.items() if row.compact}
"""Key by compact form."""
