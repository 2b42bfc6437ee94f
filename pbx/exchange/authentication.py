"""Who sent a request, proven by digest credentials (RFC 3261 22.1, RFC 7616, RFC 8760), or by a certificate that names
the extension (RFC 3261 26.3.2.1).

Whoever fails learns nothing: an unknown user, a wrong password and a disabled extension get the same fresh challenge
for the same work, one digest computation.
"""

from __future__ import annotations

from collections.abc import Callable

from pbx.exchange.directory import Directory
from pbx.exchange.doors import Doors
from pbx.exchange.extension import Extension
from pbx.sip.digest import HASHES, Challenge, Credentials, parse_credentials
from pbx.sip.errors import Malformed
from pbx.sip.flow import Flow
from pbx.sip.headers import WWW_AUTHENTICATE, Field
from pbx.sip.message import Request
from pbx.sip.nonces import Nonces
from pbx.sip.uri import parse_uri

# What is computed with when there is no password to compute with; knowing it helps nobody.
_NOBODY = {algorithm: "0" * len(digest(b"")) for algorithm, digest in HASHES.items()}


class Authenticator:
    """Asks for credentials and checks them.

    :param directory: the extensions.
    :param doors: is told who came.
    :param nonces: what challenges are made of.
    :param realm: the realm that is part of every HA1.
    :param algorithms: the algorithms to offer, the preferred one first (RFC 8760 2.4).
    :param is_ours: whether a host is one of our domains or addresses.
    :ivar computations: how many digests were computed.
    """

    __slots__ = ("_algorithms", "_directory", "_doors", "_is_ours", "_nonces", "_realm", "computations")

    def __init__(
        self,
        directory: Directory,
        nonces: Nonces,
        realm: str,
        algorithms: tuple[str, ...],
        doors: Doors,
        is_ours: Callable[[str], bool],
    ) -> None:
        self.computations = 0
        self._directory = directory
        self._doors = doors
        self._nonces = nonces
        self._realm = realm
        self._algorithms = algorithms
        self._is_ours = is_ours

    def identify(self, request: Request, flow: Flow) -> Extension | tuple[Field, ...]:
        """Return the extension that sent a request, or the fields of the 401 that asks who did.

        :param flow: where the request came from; nonces are good for its address only.
        :raises Malformed: 400 when credentials are malformed or meant for another URI; 403 or 503 when an extension
            may not come this way, or asks too much.
        """
        host, doors = flow.remote[0], self._doors
        certified = self._certified(request, flow) if flow.names else None
        if certified is not None:
            doors.proven(certified, flow)
            return certified
        credentials = self._credentials(request)
        if credentials is None:
            doors.challenged(flow)
            return self._challenge(host)
        name = credentials.username
        extension = self._directory.find(name)
        right = self._right(credentials, extension, request.method)
        if extension is None or not (right and extension.enabled):
            doors.failed(name, flow, self._nonces.is_fresh(credentials.nonce, host))
            return self._challenge(host)
        if not self._nonces.use(credentials.nonce, host, credentials.count):
            return self._challenge(host, stale=True)
        doors.proven(extension, flow)
        return extension

    def _certified(self, request: Request, flow: Flow) -> Extension | None:
        """The extension that a request says it is from, if the certificate of its connection names it."""
        uri = request.sender().uri
        extension = self._directory.find(uri.decoded_user)
        # Somebody else's 1001 is not ours, whoever vouches for it.
        named = self._is_ours(uri.host) and f"{uri.decoded_user}@{uri.host}" in flow.names
        return extension if named and extension is not None and extension.enabled else None

    def _credentials(self, request: Request) -> Credentials | None:
        """The first credentials that answer one of our challenges; a request may carry others (RFC 3261 22.3)."""
        for value in request.values("authorization"):
            credentials = parse_credentials(value)
            if credentials is None or credentials.realm != self._realm:
                continue
            if credentials.algorithm not in self._algorithms:
                continue
            if credentials.qop not in ("", "auth"):
                raise Malformed(400, "qop is not auth")
            _check_uri(credentials.uri, request)
            return credentials
        return None

    def _right(self, credentials: Credentials, extension: Extension | None, method: str) -> bool:
        ha1 = ""
        if extension is not None:
            ha1 = extension.ha1_md5 if credentials.algorithm == "MD5" else extension.ha1_sha256
        self.computations += 1
        right = credentials.matches(ha1 or _NOBODY[credentials.algorithm], method)
        return right and ha1 != ""

    def _challenge(self, host: str, stale: bool = False) -> tuple[Field, ...]:
        nonce = self._nonces.issue(host)
        return tuple(
            [
                WWW_AUTHENTICATE.field(Challenge(self._realm, nonce, algorithm, stale=stale))
                for algorithm in self._algorithms
            ]
        )


def _check_uri(signed: str, request: Request) -> None:
    """Credentials are for one resource (RFC 7616 3.4.6).

    Port and parameters differ between what phones sign and what they send, and some programs (SIPp) sign the server
    only: host and user, unless there is none, must be the Request-URI's.
    """
    if signed == request.target:
        return
    uri, target = parse_uri(signed), request.uri
    if (uri.host, uri.opaque) != (target.host, target.opaque) or uri.decoded_user not in ("", target.decoded_user):
        raise Malformed(400, "credentials for another URI")
