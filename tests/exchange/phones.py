"""Phones that register: REGISTER requests as bytes, answers to challenges, and a registrar behind real transactions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pbx.exchange.authentication import Authenticator
from pbx.exchange.binding import Binding
from pbx.exchange.directory import Directory
from pbx.exchange.doors import Doors
from pbx.exchange.extension import Extension
from pbx.exchange.gruu import Gruus
from pbx.exchange.location import Location
from pbx.exchange.registered import RegisteredFlows
from pbx.exchange.registrar import Registrar, Terms
from pbx.exchange.thresholds import Thresholds
from pbx.sip.digest import ha1, parse_challenge
from pbx.sip.headers import CONTACT
from pbx.sip.identifiers import Identifiers
from pbx.sip.message import Request, Response
from pbx.sip.nonces import Nonces
from pbx.sip.parser import parse
from pbx.sip.transaction_layer import ServerTransaction, TransactionLayer
from pbx.testing.clock import VirtualClock
from pbx.testing.exchange import MemoryBans
from tests.sip.wire import Wire

REALM = "example.com"
PASSWORD = "secret"
HERE = "sip:1001@10.0.0.5:5060"
THERE = "sip:1001@10.0.0.6:5060"


def extension(number: str, password: str = PASSWORD, *, enabled: bool = True, **features: Any) -> Extension:
    """An account."""
    md5, sha256 = (ha1(algorithm, number, REALM, password) for algorithm in ("MD5", "SHA-256"))
    return Extension(number, f"Phone {number}", md5, sha256, enabled, **features)


def doors(clock: VirtualClock) -> Doors:
    """Doors that nobody has registered at."""
    return Doors(clock, RegisteredFlows(Store()), Thresholds(), MemoryBans())


class Store:
    """What the registrar has told, as a table and in order.

    :ivar told: how many bindings an extension has, each time that it was told so.
    """

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, str, int], Binding] = {}
        self.told: list[tuple[str, int]] = []

    @property
    def kept(self) -> list[tuple[str, str]]:
        """The numbers and contacts of all rows."""
        return [(number, contact) for number, contact, _, _ in self.rows]

    def keep(self, number: str, bindings: Sequence[Binding]) -> None:
        self.rows = {key: kept for key, kept in self.rows.items() if key[0] != number}
        self.rows.update({(number, *binding.key): binding for binding in bindings})
        self.told.append((number, len(bindings)))


class Office:
    """A registrar with the accounts 1001, 1002 and 1003 (disabled)."""

    def __init__(self, store: Store | None = None, **terms: Any) -> None:
        self.clock = VirtualClock()
        self.store = store or Store()
        self.directory = Directory()
        self.directory.replace([extension("1001"), extension("1002"), extension("1003", enabled=False)])
        self.identifiers = Identifiers()
        self.layer = TransactionLayer(self.clock, self.identifiers)
        self.layer.user = self
        self.authenticator = Authenticator(
            self.directory, Nonces(self.clock, b"secret"), REALM, ("SHA-256", "MD5"), doors(self.clock), self._is_ours
        )
        self.location = Location(self.clock, self.store)
        self.gruus = Gruus(b"secret" * 4, self.identifiers, self.location.contacts)
        self.registrar = Registrar(
            self.directory,
            self.authenticator,
            self.location,
            self.gruus,
            self.clock,
            self.identifiers,
            self._is_ours,
            Terms(**terms),
        )

    def _is_ours(self, host: str) -> bool:
        return host in (REALM, "192.0.2.1")

    def request_received(self, transaction: ServerTransaction, request: Request) -> None:
        self.registrar.registering(transaction, request)

    def ack_received(self, request: Request) -> None:
        raise AssertionError("a REGISTER has no ACK")

    def has_dialog(self, request: Request) -> bool:
        return False

    def contacts(self, number: str = "1001") -> list[str]:
        """Where the extension is reached, in order."""
        return [binding.contact for binding in self.location.contacts(number)]


class Phone:
    """One phone of an office.

    :ivar call_id: the Call-ID of its registrations.
    :ivar cseq: the CSeq that it used last.
    """

    def __init__(
        self,
        office: Office,
        number: str = "1001",
        password: str = PASSWORD,
        *,
        host: str = "192.0.2.9",
        port: int = 5060,
        call_id: str = "boot1",
        algorithm: str = "SHA-256",
    ) -> None:
        self.office = office
        self.number = number
        self.password = password
        self.call_id = call_id
        self.cseq = 0
        self.wire = Wire(office.clock, remote=(host, port))
        self._algorithm = algorithm
        self._authorization = ""

    def send(
        self, *fields: str, target: str = f"sip:{REALM}", to: str = "", cseq: int = 0, authorization: str = ""
    ) -> Response:
        """Send one REGISTER and return what comes back.

        :param fields: lines such as "Contact: <sip:...>".
        :param to: the To field; its own address-of-record when empty.
        """
        self.cseq = cseq or self.cseq + 1
        aor = f"<sip:{self.number}@{REALM}>"
        lines = [
            f"REGISTER {target} SIP/2.0",
            f"Via: SIP/2.0/UDP 10.0.0.5:5060;branch={self.office.identifiers.branch()};rport",
            "Max-Forwards: 70",
            f"From: {aor};tag={self.office.identifiers.token()}",
            f"To: {to or aor}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {self.cseq} REGISTER",
            *fields,
            *([f"Authorization: {authorization}"] if authorization else []),
            "User-Agent: Deskphone/1",
            "Content-Length: 0",
        ]
        request = parse(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.office.layer.message_received(self.wire, request)
        answer = self.wire.last
        assert isinstance(answer, Response)
        return answer

    def answer(self, challenged: Response, uri: str = f"sip:{REALM}") -> str:
        """The credentials that answer a 401."""
        for key, _, value in challenged.fields:
            if key == "www-authenticate":
                challenge = parse_challenge(value)
                if challenge is not None and challenge.algorithm == self._algorithm:
                    return str(challenge.answer(self.number, self.password, "REGISTER", uri, "cnonce"))
        raise AssertionError(f"no {self._algorithm} challenge in {challenged.fields}")

    def registers(self, *fields: str, to: str = "", cseq: int = 0) -> Response:
        """Send a REGISTER, answer the challenge, and return the final response."""
        challenged = self.send(*fields, to=to, cseq=cseq)
        assert challenged.status == 401
        return self.send(*fields, to=to, cseq=cseq, authorization=self.answer(challenged))


def listed(response: Response) -> dict[str, str | None]:
    """Contacts of a 200 with their expiry."""
    assert response.status == 200, response.start_line()
    return {str(address.uri): address.parameters["expires"] for address in response.many(CONTACT)}


def status(response: Response) -> int:
    """What a REGISTER was answered."""
    return response.status
