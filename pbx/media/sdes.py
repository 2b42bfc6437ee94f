"""Keys for SRTP in session descriptions (RFC 4568): what an `a=crypto` line says, and the one that we write. A value.

What cannot be honoured makes the whole line worthless, never the description: whoever offers may offer several
(RFC 4568 section 5.1.2). So it is with master key identifiers, several keys in one line, and session parameters, apart
from those that are mere hints. A lifetime binds whoever sends with the key, which for this one is the phone.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

CRYPTO = "a=crypto:"
# Suites and the octets of master key and salt (RFC 4568 section 6.2, RFC 7714 section 14.2), the preferred one first.
SUITES = {
    "AES_CM_128_HMAC_SHA1_80": 16 + 14,
    "AES_CM_128_HMAC_SHA1_32": 16 + 14,
    "AEAD_AES_256_GCM": 32 + 12,
    "AEAD_AES_128_GCM": 16 + 12,
}
_LONGEST_LIFE = 2**48  # packets (RFC 3711 section 9.2, RFC 4568 section 6.1)
_MOST_LINES = 16  # that are looked at: more than any phone writes
_LINE = re.compile(
    r"a=crypto:([0-9]{1,9})[ \t]+(\w+)[ \t]+inline:([A-Za-z0-9+/=]+)((?:\|[^ \t;|]+){0,2})((?:[ \t]+\S+)*)[ \t]*"
)
_LIFETIME = re.compile(r"2\^([0-9]{1,2})|([0-9]{1,15})")
_HINT = re.compile(r"WSH=[0-9]{2,9}|-\S+")  # RFC 4568 sections 6.3.6 and 6.3.7: whoever does not know it may ignore it


@dataclass(frozen=True, slots=True)
class Crypto:
    """One `a=crypto` line: a suite, and the key by which whoever wrote it sends.

    :param tag: by which the answer refers to it.
    :param suite: one of `SUITES`.
    :param key: master key and master salt; no log shows it.
    """

    tag: int
    suite: str
    key: bytes = field(repr=False)

    @property
    def line(self) -> str:
        """The line as SDP has it."""
        return f"{CRYPTO}{self.tag} {self.suite} inline:{b64encode(self.key).decode()}"


def cryptos(lines: Iterable[str]) -> tuple[Crypto, ...]:
    """What can be honoured of a stream's `a=crypto` lines, in their order."""
    found: dict[int, Crypto] = {}
    for line in islice(lines, _MOST_LINES):
        crypto = _read(line)
        if crypto is not None:
            found.setdefault(crypto.tag, crypto)  # of two with one tag the first counts
    return tuple(found.values())


def _read(line: str) -> Crypto | None:
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    tag, suite, inline, extras, parameters = found.groups()
    if not _is_fine(extras.split("|")[1:]) or not all(map(_HINT.fullmatch, parameters.split())):
        return None
    try:
        key = b64decode(inline, validate=True)
    except Error:
        return None
    return Crypto(int(tag), suite, key) if len(key) == SUITES.get(suite) else None


def _is_fine(extras: list[str]) -> bool:
    """Whether what follows the key is nothing, or a lifetime; with a master key identifier we do nothing."""
    if not extras:
        return True
    found = _LIFETIME.fullmatch(extras[0])
    life = 0 if found is None else 2 ** int(found[1]) if found[1] else int(found[2])
    return len(extras) == 1 and 0 < life <= _LONGEST_LIFE
