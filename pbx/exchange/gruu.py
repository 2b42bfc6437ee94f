"""GRUUs: addresses that reach one phone of an extension from everywhere (RFC 5627).

Public ones name extension and phone. Temporary ones tell neither: what they stand for is encrypted and sealed with a
key of ours, so that nothing has to be stored. They are good for as long as the phone is registered by the Call-ID by
which it was given them (RFC 5627 3.1.2), also after a restart, for the key is kept.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from hashlib import blake2b, sha256
from urllib.parse import quote, unquote

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pbx.exchange.binding import Binding
from pbx.sip.identifiers import Identifiers
from pbx.sip.uri import Uri, parse_uri

PREFIX = "tgruu."
_LONGEST = 256  # characters of a user part that can be a temporary GRUU
_NONCE, _SEAL = 12, 8  # bytes
_PLAIN = "-_.!~*'()[]/:&+$"  # what stands for itself in a URI parameter (RFC 3261 25.1)


class Gruus:
    """Makes GRUUs and reads them.

    :param secret: encrypts temporary ones; at least 16 bytes.
    :param contacts: an extension's live bindings.
    """

    __slots__ = ("_cipher", "_contacts", "_identifiers")

    def __init__(self, secret: bytes, identifiers: Identifiers, contacts: Callable[[str], list[Binding]]) -> None:
        self._cipher = AESGCM(sha256(b"gruu" + secret).digest())
        self._identifiers = identifiers
        self._contacts = contacts

    def public(self, binding: Binding) -> str:
        """The public GRUU of a phone (RFC 5627 3.1.1, 5.4), the same for ever."""
        aor = parse_uri(binding.aor)
        gr = quote(binding.instance, safe=_PLAIN)
        return str(Uri(aor.scheme, aor.user, aor.host, aor.port, {"gr": gr}))

    def temporary(self, binding: Binding) -> str:
        """A temporary GRUU of a phone (RFC 5627 3.1.2), another one each time."""
        aor = parse_uri(binding.aor)
        nonce = bytes.fromhex(self._identifiers.token() + self._identifiers.token())[:_NONCE]
        hidden = self._cipher.encrypt(nonce, _meant(binding) + binding.number.encode(), None)
        user = PREFIX + urlsafe_b64encode(nonce + hidden).decode().rstrip("=")
        return str(Uri(aor.scheme, user, aor.host, aor.port, {"gr": None}))

    def resolve(self, uri: Uri) -> tuple[str, str]:
        """The number and the instance that a URI at our domain means.

        :returns: the instance is "" when all phones are meant: this is no GRUU. Both are "" when it is one that is not
            good any more, or never was.
        """
        if "gr" not in uri.parameters:
            return uri.decoded_user, ""
        gr = uri.parameters["gr"]
        if gr:
            return uri.decoded_user, unquote(gr)
        number, meant = self._opened(uri.user)
        for binding in self._contacts(number) if number else ():
            if binding.instance and _meant(binding) == meant:
                return number, binding.instance
        return "", ""

    def _opened(self, user: str) -> tuple[str, bytes]:
        """What is hidden in the user part of a temporary GRUU; ("", b"") when it is none of ours."""
        text = user.removeprefix(PREFIX)
        if text == user or len(user) > _LONGEST:
            return "", b""
        try:
            hidden = urlsafe_b64decode(text + "=" * (-len(text) % 4))
            plain = self._cipher.decrypt(hidden[:_NONCE], hidden[_NONCE:], None)
            return plain[_SEAL:].decode(), plain[:_SEAL]
        except (InvalidTag, ValueError):
            return "", b""


def _meant(binding: Binding) -> bytes:
    """What a temporary GRUU is bound to: the phone, and the Call-ID of its registration."""
    text = f"{binding.instance}\n{binding.call_id}".encode("utf-8", "surrogateescape")
    return blake2b(text, digest_size=_SEAL).digest()
