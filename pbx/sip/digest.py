"""Digest access authentication (RFC 7616, RFC 8760, RFC 3261 section 22): challenges, credentials, the computation.

Values only: who may do what, and whether a nonce is still good, is decided elsewhere. MD5 and SHA-256, `qop=auth`;
credentials without qop (RFC 2069) are computed too. Passwords come in here and go nowhere else: what is kept is HA1.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import md5, sha256

from pbx.sip.errors import InvalidState, Malformed
from pbx.sip.grammar import QUOTED, TOKEN, is_token, quoted, unquoted

_PAIR = rf'((?>{TOKEN}))\s*+=\s*+({QUOTED}|[^\s",]++)'
_PAIRS = re.compile(rf"[\s,]*+{_PAIR}(?:\s*+,[\s,]*+{_PAIR})*+[\s,]*+", re.DOTALL)
_EACH = re.compile(_PAIR, re.DOTALL)
_COUNT = re.compile(r"[0-9A-Fa-f]{1,8}")


HASHES: dict[str, Callable[[bytes], str]] = {
    "SHA-256": lambda text: sha256(text).hexdigest(),
    # Machines in FIPS mode refuse MD5 for security, and here it is no more than what old phones speak.
    "MD5": lambda text: md5(text, usedforsecurity=False).hexdigest(),
}
"""The hash of each algorithm that we speak, the strongest first."""


@dataclass(slots=True)
class Challenge:
    """What a server asks: one WWW-Authenticate or Proxy-Authenticate value (RFC 7616 3.3).

    :param realm: which password it wants.
    :param nonce: to be mixed into the answer.
    :param algorithm: in capitals; MD5 when none was named.
    :param qop: the qualities of protection to choose from, in lower case; none in challenges of RFC 2069.
    :param opaque: to be returned as it is; None when there was none.
    :param stale: the credentials were right and the nonce was not.
    """

    realm: str
    nonce: str
    algorithm: str = "MD5"
    qop: tuple[str, ...] = ("auth",)
    opaque: str | None = None
    stale: bool = False

    def __str__(self) -> str:
        opaque = "" if self.opaque is None else f', opaque="{self.opaque}"'
        stale = ", stale=true" if self.stale else ""
        qop = f', qop="{",".join(self.qop)}"' if self.qop else ""
        realm = quoted(self.realm)
        return f'Digest realm={realm}, nonce="{self.nonce}"{opaque}{stale}, algorithm={self.algorithm}{qop}'

    def answer(
        self, username: str, password: str, method: str, uri: str, cnonce: str = "", count: int = 1
    ) -> Credentials:
        """Make the credentials for a request.

        :param uri: its Request-URI.
        :param cnonce: random text of the client's; not used when the challenge offers no qop.
        :param count: how many requests were sent with this nonce, this one included.
        :raises InvalidState: when the challenge asks for what we do not speak (`answerable` says so before).
        """
        if not self.answerable:
            raise InvalidState(f"cannot answer {self}")
        credentials = Credentials(username, self.realm, self.nonce, uri, "", self.algorithm, opaque=self.opaque)
        if self.qop:
            credentials.qop, credentials.cnonce, credentials.nc = "auth", cnonce, f"{count:08x}"
        credentials.response = credentials.expected(ha1(self.algorithm, username, self.realm, password), method)
        return credentials

    @property
    def answerable(self) -> bool:
        """Whether we speak its algorithm and one of its qualities of protection (auth-int is none of ours)."""
        return self.algorithm in HASHES and (not self.qop or "auth" in self.qop)


@dataclass(slots=True)
class Credentials:
    """What a client answers: one Authorization or Proxy-Authorization value (RFC 7616 3.4).

    :param uri: what the client says it requests; as written, for it is part of the computation.
    :param response: the proof, hexadecimal.
    :param algorithm: in capitals; MD5 when none was named.
    :param qop: in lower case; "" as in RFC 2069, and then `cnonce` and `nc` mean nothing.
    :param nc: the nonce count as written.
    :param opaque: as in the challenge; None when there was none.
    """

    username: str
    realm: str
    nonce: str
    uri: str
    response: str
    algorithm: str = "MD5"
    qop: str = ""
    cnonce: str = ""
    nc: str = ""
    opaque: str | None = None

    @property
    def count(self) -> int:
        """The nonce count as a number. Without qop there is none, and a nonce is good for one request."""
        return int(self.nc, 16) if self.qop else 1

    def expected(self, ha1: str, method: str) -> str:
        """Compute the response that the owner of this HA1 would have sent (RFC 7616 3.4.1).

        :param method: the request's method.
        """
        digest = HASHES[self.algorithm]
        ha2 = digest(f"{method}:{self.uri}".encode("utf-8", "surrogateescape"))
        quality = f"{self.nc}:{self.cnonce}:{self.qop}:" if self.qop else ""
        return digest(f"{ha1}:{self.nonce}:{quality}{ha2}".encode("utf-8", "surrogateescape"))

    def matches(self, ha1: str, method: str) -> bool:
        """Whether the response is that of the owner of this HA1; takes the same time whatever it is."""
        given = self.response.lower().encode("utf-8", "surrogateescape")
        return hmac.compare_digest(self.expected(ha1, method).encode(), given)

    def __str__(self) -> str:
        quality = f', qop={self.qop}, cnonce="{self.cnonce}", nc={self.nc}' if self.qop else ""
        opaque = "" if self.opaque is None else f', opaque="{self.opaque}"'
        return (
            f'Digest username={quoted(self.username)}, realm={quoted(self.realm)}, nonce="{self.nonce}", '
            f'uri="{self.uri}", response="{self.response}", algorithm={self.algorithm}{quality}{opaque}'
        )


def ha1(algorithm: str, username: str, realm: str, password: str) -> str:
    """Compute H(username:realm:password), in lower-case hexadecimal digits (RFC 7616 3.4.2)."""
    return HASHES[algorithm](f"{username}:{realm}:{password}".encode())


def parse_challenge(text: str) -> Challenge | None:
    """Parse one challenge; None when its scheme is not Digest.

    :raises Malformed: 400.
    """
    given = _parse(text)
    if given is None:
        return None
    realm, nonce = _required(given, "realm", "nonce")
    stale = given.get("stale", "").lower() == "true"
    qop = tuple([quality.strip().lower() for quality in given.get("qop", "").split(",") if quality.strip()])
    return Challenge(_unescaped(realm), nonce, _algorithm(given), qop, given.get("opaque"), stale)


def parse_credentials(text: str) -> Credentials | None:
    """Parse one set of credentials; None when their scheme is not Digest.

    :raises Malformed: 400 when a part is missing or malformed (RFC 7616 3.4).
    """
    given = _parse(text)
    if given is None:
        return None
    username, realm, nonce, uri, response = _required(given, "username", "realm", "nonce", "uri", "response")
    credentials = Credentials(_unescaped(username), _unescaped(realm), nonce, uri, response, _algorithm(given))
    credentials.opaque = given.get("opaque")
    if "qop" in given:
        qop, cnonce, nc = _required(given, "qop", "cnonce", "nc")
        if not (is_token(qop) and _COUNT.fullmatch(nc)):
            raise Malformed(400, "malformed qop or nc")
        credentials.qop, credentials.cnonce, credentials.nc = qop.lower(), cnonce, nc
    return credentials


def _parse(text: str) -> dict[str, str] | None:
    """The parts by lower-case name: without their quotes, but with the escapes, which the computation keeps."""
    scheme, _, rest = text.strip().partition(" ")
    if scheme.lower() != "digest":
        return None
    if not _PAIRS.fullmatch(rest):
        raise Malformed(400, "malformed digest authentication")
    pairs = _EACH.findall(rest)
    found = {name.lower(): value[1:-1] if value[0] == '"' else value for name, value in pairs}
    if len(found) < len(pairs):
        raise Malformed(400, "a name comes twice in digest authentication")
    return found


def _unescaped(text: str) -> str:
    return unquoted(f'"{text}"') if "\\" in text else text


def _required(given: dict[str, str], *names: str) -> list[str]:
    try:
        return [given[name] for name in names]
    except KeyError as missing:
        raise Malformed(400, f"no {missing.args[0]} in digest authentication") from None


def _algorithm(given: dict[str, str]) -> str:
    algorithm = given.get("algorithm", "MD5").upper()
    if algorithm not in HASHES and not is_token(algorithm):
        raise Malformed(400, "malformed algorithm")
    return algorithm
