"""SIP and SIPS URIs (RFC 3261 section 19.1), and URIs of other schemes carried as they are.

A URI is a value: parsed once, never changed, written back as it was given apart from the case of scheme and host.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote

from pbx.sip.errors import Malformed
from pbx.sip.grammar import HOST, Parameters, parameters_text

_USER = r"(?:[A-Za-z0-9\-_.!~*'()&=+$,;?/]++|%[0-9A-Fa-f]{2})++"
_SECRET = r"(?:[A-Za-z0-9\-_.!~*'()&=+$,]++|%[0-9A-Fa-f]{2})*+"
_VALUE = r"(?:[A-Za-z0-9\-_.!~*'()\[\]/:&+$]++|%[0-9A-Fa-f]{2})++"
_SIP = re.compile(
    rf"([Ss][Ii][Pp][Ss]?):(?:({_USER})(?::({_SECRET}))?@)?({HOST})(?::([0-9]{{1,5}}))?((?:;{_VALUE}(?:={_VALUE})?)*+)"
    rf"(?:\?([A-Za-z0-9\-_.!~*'()\[\]/?:+$%&=]+))?"
)
_OTHER = re.compile(r"([A-Za-z][A-Za-z0-9+\-.]*):([!-;=?-~]+)")

_LONGEST = 4096  # characters; some caches know thousands of URIs

# Of these a missing one on either side means "not equal" (RFC 3261 19.1.4).
_DECISIVE = ("user", "ttl", "method", "maddr", "transport")


class Uri:
    """One URI.

    :param scheme: lower-case scheme.
    :param user: the user part as written, escapes kept; "" when there is none.
    :param host: lower-case host name, IPv4 address, or IPv6 address in brackets.
    :param port: the port, or None when not written.
    :param parameters: uri-parameters by lower-case name.
    :param headers: what follows the question mark, as written; "" when there is none.
    :param password: the password part (its use is not recommended, RFC 3261 19.1.1).
    :param opaque: for other schemes than sip and sips, all that follows the colon.
    :ivar is_sip: whether the scheme is sip or sips.
    """

    __slots__ = ("_text", "headers", "host", "is_sip", "opaque", "parameters", "password", "port", "scheme", "user")

    def __init__(
        self,
        scheme: str,
        user: str = "",
        host: str = "",
        port: int | None = None,
        parameters: Parameters | None = None,
        headers: str = "",
        password: str | None = None,
        opaque: str = "",
    ) -> None:
        self.scheme = scheme
        self.user = user
        self.host = host
        self.port = port
        self.parameters: Parameters = {} if parameters is None else parameters
        self.headers = headers
        self.password = password
        self.opaque = opaque
        self.is_sip = not opaque
        self._text = ""

    @property
    def decoded_user(self) -> str:
        """The user part with its escapes undone: `%31001` is `1001`."""
        return unquote(self.user, errors="surrogateescape") if "%" in self.user else self.user

    def __str__(self) -> str:
        if not self._text:
            self._text = self._written()
        return self._text

    def _written(self) -> str:
        if self.opaque:
            return f"{self.scheme}:{self.opaque}"
        secret = "" if self.password is None else f":{self.password}"
        user = f"{self.user}{secret}@" if self.user else ""
        port = "" if self.port is None else f":{self.port}"
        headers = f"?{self.headers}" if self.headers else ""
        return f"{self.scheme}:{user}{self.host}{port}{parameters_text(self.parameters)}{headers}"

    def __repr__(self) -> str:
        return f"<Uri {self}>"

    def __eq__(self, other: object) -> bool:
        """Compare as written; `equivalent` compares as RFC 3261 does."""
        return isinstance(other, Uri) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def equivalent(self, other: Uri) -> bool:
        """Whether both mean the same (RFC 3261 19.1.4)."""
        if self.opaque or other.opaque:
            return self == other
        if (self.scheme, self.decoded_user, self.password, self.host, self.port) != (
            other.scheme,
            other.decoded_user,
            other.password,
            other.host,
            other.port,
        ):
            return False
        mine, theirs = _folded(self.parameters), _folded(other.parameters)
        if any((name in mine) != (name in theirs) for name in _DECISIVE):
            return False
        if any(theirs[name] != value for name, value in mine.items() if name in theirs):
            return False
        return _header_set(self.headers) == _header_set(other.headers)


def _folded(given: Parameters) -> dict[str, str | None]:
    return {name: None if value is None else unquote(value).lower() for name, value in given.items()}


def _header_set(text: str) -> list[tuple[str, str]]:
    pairs = (piece.partition("=") for piece in text.split("&") if piece)
    return sorted((unquote(name).lower(), unquote(value)) for name, _, value in pairs)


@lru_cache(maxsize=2048)  # the same few URIs stand in all messages of a call, and of a phone
def parse_uri(text: str) -> Uri:
    """Parse a URI.

    :raises Malformed: 400 when it is none.
    """
    if len(text) > _LONGEST:
        raise Malformed(400, "URI too long")
    found = _SIP.fullmatch(text)
    if found is None:
        other = _OTHER.fullmatch(text)
        if other is None or other[1].lower() in ("sip", "sips"):
            raise Malformed(400, "malformed URI")
        return Uri(other[1].lower(), opaque=other[2])
    scheme, user, secret, host, port, given, headers = found.groups()
    number = None if port is None else int(port)
    if number is not None and number > 65535:
        raise Malformed(400, "port out of range")
    return Uri(scheme.lower(), user or "", host.lower(), number, _uri_parameters(given), headers or "", secret)


def _uri_parameters(text: str) -> Parameters:
    found: Parameters = {}
    if text:
        for piece in text[1:].split(";"):
            name, equals, value = piece.partition("=")
            name = name.lower()
            if name in found:
                raise Malformed(400, f"URI parameter {name} comes twice")
            found[name] = value if equals else None
    return found
