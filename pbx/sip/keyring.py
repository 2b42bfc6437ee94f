"""The credentials of one account of ours: what it has been asked for, and the proofs for the next request (RFC 3261
section 22, RFC 7616, RFC 8760). Values that change: they send nothing.

A server that has challenged us once gets the proof with each later request at once, its nonce counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pbx.sip.digest import HASHES, Challenge, parse_challenge
from pbx.sip.errors import Malformed
from pbx.sip.headers import AUTHORIZATION, CSEQ, PROXY_AUTHORIZATION, Field
from pbx.sip.message import Request, Response

ANSWERED = 4  # challenges of one request within a dialog: there may be two realms, and the nonce of each may be stale
REALMS = 8  # that are remembered; one account has a registrar and perhaps a proxy

Realm = tuple[str, str]
"""Who asks: the key of the field that he wants, and his realm."""

_WANTED = {"www-authenticate": AUTHORIZATION, "proxy-authenticate": PROXY_AUTHORIZATION}
_STRENGTHS = list(HASHES)  # the strongest first
_ROWS = {row.key: row for row in _WANTED.values()}
_RENEWED = frozenset(("via", *_ROWS))


class _Nonce:
    """A challenge that is being answered.

    :ivar count: how many requests have been sent with its nonce (RFC 7616 3.4).
    """

    __slots__ = ("challenge", "count")

    def __init__(self, challenge: Challenge) -> None:
        self.challenge = challenge
        self.count = 0


class Keyring:
    """The account's credentials.

    :param username: as the servers know it.
    :param password: its password.
    :param random: returns new random text, for cnonce.
    :param realm: the only realm that the password is meant for; "" for any that asks.
    """

    __slots__ = ("_nonces", "_password", "_random", "_realm", "_username")

    def __init__(self, username: str, password: str, random: Callable[[], str], realm: str = "") -> None:
        self._username = username
        self._password = password
        self._random = random
        self._realm = realm
        self._nonces: dict[Realm, _Nonce] = {}

    def proofs(self, request: Request) -> tuple[Field, ...]:
        """Make the credentials for a request, for all that have asked; each call counts their nonces on."""
        fields: list[Field] = []
        for (key, _), nonce in self._nonces.items():
            nonce.count += 1
            proof = nonce.challenge.answer(
                self._username, self._password, request.method, request.target, self._random(), nonce.count
            )
            fields.append(_ROWS[key].field(proof))
        return tuple(fields)

    def challenged(self, response: Response, proven: set[Realm]) -> bool:
        """Take the challenges of a 401 or 407. Returns whether the request is worth another try.

        :param proven: to whom this request has already answered a challenge: if such a one asks again, and does not say
            that only the nonce was stale, the password is wrong (RFC 3261 22.2, RFC 7616 3.3). Grows by those who are
            answered now.
        """
        worth = False
        for who, challenge in self._answerable(response.fields).items():
            if who in proven and not challenge.stale:
                return False
            proven.add(who)
            before = self._nonces.pop(who, None)
            while len(self._nonces) >= REALMS:
                del self._nonces[next(iter(self._nonces))]
            nonce = self._nonces[who] = _Nonce(challenge)
            if before is not None and before.challenge.nonce == challenge.nonce:
                nonce.count = before.count
            worth = True
        return worth

    def _answerable(self, fields: Iterable[Field]) -> dict[Realm, Challenge]:
        """Of what each realm asks for, the strongest that we can answer; topmost is what the server would like best,
        but what it takes at all is as weak as its weakest (RFC 8760 2.4 leaves the choice to us).
        """
        found: dict[Realm, Challenge] = {}
        for key, _, value in fields:
            wanted = _WANTED.get(key)
            if wanted is None:
                continue
            try:
                challenge = parse_challenge(value)
            except Malformed:
                continue
            if challenge is None or not challenge.answerable or self._realm not in ("", challenge.realm):
                continue
            who = (wanted.key, challenge.realm)
            rival = found.get(who)
            if rival is None or _strength(challenge) < _strength(rival):
                found[who] = challenge
        return found

    def __repr__(self) -> str:
        return f"<keyring of {self._username}: {len(self._nonces)} realms>"


class Prover:
    """The credentials of one dialog's requests: what was sent with which, so that it can be sent again with others.

    :ivar of_invite: the credentials of the last INVITE: its ACK has the same (RFC 3261 13.2.2.4, 22.1).
    """

    __slots__ = ("_answered", "_keyring", "_proven", "_sent", "of_invite")

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._proven: set[Realm] = set()
        self._answered = 0  # challenges of the last request
        self._sent: tuple[tuple[int, Request], ...] = ()
        self.of_invite: tuple[Field, ...] = ()

    def prove(self, request: Request, cseq: int) -> None:
        """Put credentials into a request that is not sent yet.

        :param cseq: its number.
        """
        self._proven = set()
        self._answered = 0
        self._prove(request, cseq)

    def again(self, response: Response, cseq: int) -> Request | None:
        """Return the request that a 401 or 407 asks to be sent again, with what it asks for; None when that is vain.

        :param cseq: its new number (RFC 3261 22.2).
        """
        for number, request in self._sent:
            if number != response.cseq or self._answered >= ANSWERED:
                continue
            if self._keyring.challenged(response, self._proven):
                self._answered += 1
                fields = [field for field in request.fields if field[0] not in _RENEWED]
                fields = [CSEQ.field(f"{cseq} {request.method}") if field[0] == "cseq" else field for field in fields]
                again = Request(request.method, request.target, fields, request.body)
                self._prove(again, cseq)
                return again
        return None

    def _prove(self, request: Request, cseq: int) -> None:
        proofs = self._keyring.proofs(request)
        request.fields[:0] = proofs
        if request.method == "INVITE":
            self.of_invite = proofs
        # An INVITE and another request at the same time, such as BYE, are all that the dialog waits for.
        self._sent = (*self._sent[-1:], (cseq, request))


def _strength(challenge: Challenge) -> int:
    return _STRENGTHS.index(challenge.algorithm)
