"""A simulated provider: the other end of a trunk, on the stack of the exchange, scripted by a test.

    acme = sim.trunk("acme"); acme.fails(503); acme.answers(); acme.call("+15551234567", to="+14155550100")

It is a registrar that may ask for a password, a gateway that takes calls in one way or another, and the callers that it
has, each at an address of its own beside the provider's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pbx.exchange.trunk import Trunk
from pbx.sip.digest import Challenge, ha1, parse_credentials
from pbx.sip.headers import CONTACT, EXPIRES, PROXY_AUTHENTICATE, WWW_AUTHENTICATE, Field, parse_address
from pbx.sip.inbound_session import InboundSession
from pbx.sip.message import Request
from pbx.sip.server_transaction import InviteServerTransaction
from pbx.sip.transaction_layer import ServerTransaction
from pbx.testing.clock import VirtualClock
from pbx.testing.network import Network
from pbx.testing.phone import Phone
from pbx.testing.phone_call import PhoneCall

NONCE = "nonce of a provider"
SHORTEST = 60  # seconds for which it registers at least

Answer = Callable[[InviteServerTransaction, Request], object]


class Gateway(Phone):
    """The provider's own address, where its registrar is, too: a phone that answers by itself.

    :ivar invites_seen: the INVITEs that came and were not challenged.
    :ivar registrations: the REGISTERs that came.
    """

    def __init__(self, trunk: Trunk, *given: Any, **features: Any) -> None:
        super().__init__(*given, **features)
        self.trunk = trunk
        self.invites_seen: list[Request] = []
        self.registrations: list[Request] = []
        self.challenges = False
        self.refusal: tuple[int, tuple[Field, ...]] | None = None
        self.contact = ""
        self.take: Answer = self.picks_up

    def picks_up(self, transaction: InviteServerTransaction, request: Request) -> None:
        """Answer the call at once."""
        self.rings_at(transaction, request)
        self.answers()

    def rings_at(self, transaction: InviteServerTransaction, request: Request) -> None:
        """Let it ring."""
        self.tries(transaction, request).progress(180)

    def speaks_early(self, transaction: InviteServerTransaction, request: Request) -> None:
        """Say something before answering (183)."""
        self.tries(transaction, request)
        self.sends_early_media()

    def tries(self, transaction: InviteServerTransaction, request: Request) -> InboundSession:
        """Take the call, and say nothing of it: after 200 ms a 100 does."""
        call = PhoneCall(self, self._sound())
        session = call.session = InboundSession(self.agent, transaction, call)
        call.forwards = request.max_forwards
        call.state = "ringing"
        self.call = call
        return session

    def invited(self, transaction: InviteServerTransaction, request: Request) -> None:
        """A call comes from the exchange."""
        if self._is_proven(request, "proxy-authorization"):
            self.invites_seen.append(request)
            self.take(transaction, request)
        else:
            self.refuse(transaction, request, 407, PROXY_AUTHENTICATE.field(Challenge("provider", NONCE)))

    def registering(self, transaction: ServerTransaction, request: Request) -> None:
        """The exchange registers."""
        self.registrations.append(request)
        expires = int(request.first("expires") or 0)
        if self.refusal is not None:
            self.refuse(transaction, request, self.refusal[0], *self.refusal[1])
        elif not self._is_proven(request, "authorization"):
            self.refuse(transaction, request, 401, WWW_AUTHENTICATE.field(Challenge("provider", NONCE)))
        else:
            contact = request.first("contact") or ""
            self.contact = str(parse_address(contact).uri) if expires else ""
            fields = (CONTACT.field(f"{contact};expires={expires}"), EXPIRES.field(expires)) if expires else ()
            transaction.respond(request.response(200, "", self._identifiers.token(), fields))

    def refuse(
        self, transaction: ServerTransaction | InviteServerTransaction, request: Request, status: int, *more: Field
    ) -> None:
        """Answer with a status and with further fields."""
        transaction.respond(request.response(status, "", self._identifiers.token(), more))

    def _is_proven(self, request: Request, key: str) -> bool:
        if not self.challenges:
            return True
        trunk = self.trunk
        credentials = parse_credentials(request.first(key) or "")
        if credentials is None or credentials.nonce != NONCE or credentials.username != trunk.username:
            return False
        return credentials.matches(ha1("MD5", trunk.username, "provider", self.password), request.method)


class SimulatedTrunk:
    """One provider.

    :param trunk: the row that leads to it.
    :param host: its address on the network; its callers have the ones that follow.
    :param exchange: the exchange's host.
    :param password: of our account; "" for the row's.
    :param phones: where its gateway and its callers go, for the test to count.
    :ivar gateway: its own address, where what it hears can be heard, and hung up.
    """

    def __init__(
        self,
        clock: VirtualClock,
        network: Network,
        trunk: Trunk,
        host: str,
        exchange: str,
        phones: list[Phone],
        password: str = "",
        transport: str = "UDP",
        **features: Any,
    ) -> None:
        self.name = trunk.name
        self._clock = clock
        self._network = network
        self._exchange = exchange
        self._host = host
        self._phones = phones
        self._features = features
        self.gateway = Gateway(
            trunk,
            clock,
            network,
            "gateway",
            password or trunk.password,
            host,
            exchange,
            transport=transport,
            **features,
        )
        phones.append(self.gateway)
        self._hear = self._socket.receiver if self._socket is not None else None

    # How it takes calls

    def answers(self) -> None:
        """Answer all calls at once; that is how it begins."""
        self._hears_all()
        self.gateway.take = self.gateway.picks_up

    def rings(self) -> None:
        """Let them ring, until `gateway.answers()` or somebody gives up."""
        self._hears_all()
        self.gateway.take = self.gateway.rings_at

    def speaks_early(self) -> None:
        """Say something before answering."""
        self._hears_all()
        self.gateway.take = self.gateway.speaks_early

    def fails(self, status: int, *more: Field) -> None:
        """Refuse all calls.

        :param status: a final status; with a 3xx, `more` holds a Contact.
        :param more: further fields, such as Reason or Retry-After.
        """
        self._hears_all()
        gateway = self.gateway
        gateway.take = lambda transaction, request: gateway.refuse(transaction, request, status, *more)

    def stalls(self) -> None:
        """Take calls, and say nothing of them any more, after 100."""
        self._hears_all()
        self.gateway.take = self.gateway.tries

    def drops(self) -> None:
        """Close the connection when a call comes, in the middle of it, and be gone."""

        def leave(transaction: InviteServerTransaction, request: Request) -> None:
            self.gateway.leaves()
            self._network.streams.unplug(self._host)
            self.gateway.refuse(transaction, request, 503)

        self.gateway.take = leave

    def falls_silent(self) -> None:
        """Answer nothing any more; over UDP."""
        assert self._socket is not None
        self._socket.receiver = None

    # What it asks of us

    def challenges(self, password: str = "") -> None:
        """Ask for the password from now on.

        :param password: the right one; "" for the one that it was made with.
        """
        self.gateway.challenges = True
        self.gateway.password = password or self.gateway.password

    def refuses_registration(self, status: int, *more: Field) -> None:
        """Refuse each REGISTER; 0 takes them again."""
        self.gateway.refusal = (status, more) if status else None

    # Who calls us

    def call(self, number: str, to: str, *, withheld: bool = False, more: tuple[Field, ...] = ()) -> Phone:
        """Somebody calls one of our numbers; return the caller, which is a phone at the provider.

        :param number: the caller's.
        :param to: ours, as the provider writes it.
        :param withheld: whether the caller wants to be named to nobody.
        :param more: further fields of the INVITE.
        """
        features = {"domain": self.gateway.trunk.domain, **self._features}
        base, _, last = self._host.rpartition(".")
        callers = sum([phone.host.startswith(f"{base}.") for phone in self._phones])
        caller = Phone(
            self._clock, self._network, number, "", f"{base}.{int(last) + callers}", self._exchange, **features
        )
        caller.withheld = withheld
        self._phones.append(caller)
        caller.invites(to, more=more)
        return caller

    # What it has seen

    @property
    def calls(self) -> int:
        """How many calls came."""
        return len(self.gateway.invites_seen)

    @property
    def last(self) -> Request:
        """The last INVITE that came."""
        return self.gateway.invites_seen[-1]

    def field(self, name: str) -> str:
        """The value of a field of the last INVITE, its name in lower case; "" without any."""
        return self.last.first(name) or ""

    @property
    def registered(self) -> bool:
        """Whether the exchange is registered."""
        return bool(self.gateway.contact)

    @property
    def _socket(self) -> Any:
        return self.gateway._line._socket

    def _hears_all(self) -> None:
        if self._socket is not None:
            self._socket.receiver = self._hear

    def __repr__(self) -> str:
        return f"<provider {self.name}: {self.calls} calls, {'' if self.registered else 'not '}registered>"
