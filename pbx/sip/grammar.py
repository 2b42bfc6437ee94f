"""The grammar's small pieces (RFC 3261 section 25.1): tokens, quoted strings, hosts, lists and parameters.

Total over any text: what does not fit raises `Malformed(400, why)` and nothing else.
"""

from __future__ import annotations

import re
from functools import lru_cache

from pbx.sip.errors import Malformed

Parameters = dict[str, str | None]
"""Parameters by lower-case name, in the order received; None where there is no `=`; quoted strings in quotes."""

# No part may match case-insensitively: Python would then take the Kelvin sign for a k.
TOKEN = r"[A-Za-z0-9\-.!%*_+`'~]+"
HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9\-.]*))"
WORD = r"[A-Za-z0-9\-.!%*_+`'~()<>:\\/\"\[\]?{}]+"
QUOTED = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'

is_token = re.compile(TOKEN).fullmatch

# Possessive quantifiers (`*+`, `++`) wherever no second way of matching may be tried: else one hostile datagram keeps a
# parser busy for minutes.
_ELEMENT = re.compile(rf'(?:[^"<,]++|{QUOTED}|<[^>]*+>)*+', re.DOTALL)
_PARAMETER = re.compile(
    rf";\s*+({TOKEN})\s*+(?:=\s*+({QUOTED}|\[[0-9A-Fa-f:.]++\]|[^\s\";,<>]++)\s*+)?+", re.ASCII | re.DOTALL
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def elements(text: str) -> list[str]:
    """Split a comma-separated list (RFC 3261 7.3.1); empty elements are left out.

    :raises Malformed: 400 when a quoted string or an angle bracket is not closed.
    """
    if "," not in text:
        text = text.strip()
        return [text] if text else []
    pieces: list[str] = []
    start = 0
    while start <= len(text):
        found = _ELEMENT.match(text, start)
        assert found is not None  # for it matches nothing at all, too
        piece, end = found[0].strip(), found.end()
        if piece:
            pieces.append(piece)
        if text[end : end + 1] not in ",":
            raise Malformed(400, "unclosed quoted string or angle bracket")
        start = end + 1
    return pieces


def parameters(text: str) -> Parameters:
    """Parse `;name=value;name` (the text starts with the semicolon or is empty).

    :raises Malformed: 400 when it is no list of parameters or a name comes twice.
    """
    found: Parameters = {}
    position = 0
    while position < len(text):
        match = _PARAMETER.match(text, position)
        if match is None:
            raise Malformed(400, "malformed parameter")
        name, value = match.groups()
        name = name.lower()
        if name in found:
            raise Malformed(400, f"parameter {name} comes twice")
        found[name] = value
        position = match.end()
    return found


def parameters_text(given: Parameters) -> str:
    """Write parameters as `;name=value;name`."""
    return "".join([f";{name}" if value is None else f";{name}={value}" for name, value in given.items()])


def unquoted(text: str) -> str:
    """Return the content of a quoted string, or the text itself when it is not quoted."""
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1]
        return _ESCAPED.sub(r"\1", text) if "\\" in text else text
    return text


def quoted(text: str) -> str:
    """Write text as a quoted string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@lru_cache(maxsize=1024)  # mostly the same few: lengths, hops, seconds
def number(text: str, limit: int = 2**32 - 1) -> int:
    """Parse 1*DIGIT.

    :raises Malformed: 400 when it is no number or is above the limit (RFC 3261 8.1.1.5, 20).
    """
    text = text.strip()
    if text.isascii() and text.isdigit() and len(text) <= 10:
        value = int(text)
        if value <= limit:
            return value
    raise Malformed(400, "number expected")
