"""A simulated proxy between an exchange and phones (RFC 3261 section 16): it sends on what comes and repeats nothing by
itself. It stays in every dialog (16.6 step 4), and can ask for a password first (22.3).
"""

from __future__ import annotations

from hashlib import blake2b

from pbx.sip.digest import Challenge, ha1, parse_credentials
from pbx.sip.errors import Malformed
from pbx.sip.flow import Flow, via_of
from pbx.sip.headers import MAX_FORWARDS, PROXY_AUTHENTICATE, RECORD_ROUTE, VIA, Field
from pbx.sip.identifiers import MAGIC_COOKIE
from pbx.sip.message import Request, Response
from pbx.sip.uri import parse_uri
from pbx.testing.clock import VirtualClock
from pbx.testing.line import Line
from pbx.testing.network import Network
from pbx.testing.phone import Phone

REALM = "proxy"
_TAG = "proxy"
_REPEATED = frozenset(("ACK", "CANCEL"))  # whose transactions are others': nobody can be asked anything by them


class Proxy:
    """One proxy.

    :param host: its address on the network.
    :param exchange: the exchange's host.
    :param transport: "UDP", "TCP" or "TLS".
    :param accounts: password by username of those that may send calls through it; None where it does not ask.
    :ivar uri: its address.
    """

    def __init__(
        self,
        clock: VirtualClock,
        network: Network,
        host: str,
        exchange: str,
        transport: str = "UDP",
        accounts: dict[str, str] | None = None,
    ) -> None:
        self.host = host
        self._line = Line(clock, network, self, exchange, host, host, transport, lambda: None)
        self._accounts = accounts
        self._phones: dict[str, str] = {}
        self._origins: dict[str, Flow] = {}  # where requests came from, by the branches that they went on with
        self._sent: dict[tuple[str, str], tuple[Flow, bytes]] = {}  # what went on, by branch and method
        self._unanswered: set[tuple[str, str]] = set()
        self.address = self._line.address
        parameter = "" if transport == "UDP" else f";transport={transport.lower()}"
        self.uri = f"sip:{host}:{self.address[1]}{parameter}"
        self._parameter = parameter

    def serves(self, phone: Phone) -> None:
        """Send calls for the number of a phone to it."""
        self._phones[phone.number] = f"sip:{phone.number}@{phone.address[0]}:{phone.address[1]}{self._parameter}"

    def leaves(self) -> None:
        """Close its connections, for good."""
        self._line.transports.stop()

    # What transports tell (pbx.sip.transport.Receiver)

    def message_received(self, flow: Flow, message: Request | Response) -> None:
        """A message came."""
        if isinstance(message, Response):
            self._send_back(message)
        elif message.method == "ACK" and message.to_tag == _TAG:
            pass  # that of our own answer
        elif message.method not in _REPEATED and not message.to_tag and not self._may_pass(message):
            asked = PROXY_AUTHENTICATE.field(Challenge(REALM, "nonce"))
            flow.send(bytes(message.response(407, "", _TAG, (asked,))))
        else:
            self._send_on(flow, message)

    def refuse(self, flow: Flow, request: Request, fault: Malformed) -> None:
        """A malformed request came; nobody sends any to a proxy of ours."""
        raise AssertionError(f"{request!r}: {fault}")

    def flow_failed(self, flow: Flow, reached: bool) -> None:
        """A connection is gone: what nobody has answered goes over another one."""
        for key in self._unanswered if reached else ():
            way, packet = self._sent[key]
            if way is flow:
                flow.send(packet)

    # Inside

    def _may_pass(self, request: Request) -> bool:
        if self._accounts is None:
            return True
        credentials = parse_credentials(request.first("proxy-authorization") or "")
        if credentials is None or credentials.realm != REALM:
            return False
        password = self._accounts.get(credentials.username, "")
        return credentials.matches(ha1("MD5", credentials.username, REALM, password), request.method)

    def _send_on(self, flow: Flow, request: Request) -> None:
        """RFC 3261 16.4 to 16.6."""
        # The same for each copy, and for the CANCEL and ACK that belong to it (16.11).
        branch = MAGIC_COOKIE + blake2b(f"{request.via.branch} {self.host}".encode(), digest_size=8).hexdigest()
        key = (branch, request.method)
        self._origins[branch] = flow
        if key in self._sent:
            way, packet = self._sent[key]
        else:
            way, packet = self._sent[key] = self._made(request, branch)
            if request.method != "ACK":
                self._unanswered.add(key)
        way.send(packet)

    def _made(self, request: Request, branch: str) -> tuple[Flow, bytes]:
        """A request as it goes on, and where to."""
        routes = [field for field in request.fields if field[0] == "route"]
        if routes and parse_uri(routes[0][2].strip("<>")).host == self.host:
            routes = routes[1:]
        target = request.target if request.to_tag else self._phones.get(request.uri.user, request.target)
        way = self._line.transports.flow_to(parse_uri(routes[0][2].strip("<>") if routes else target))
        assert way is not None, f"{self.host} knows no way to {target}"
        fields: list[Field] = [VIA.field(via_of(way, branch))]
        if request.method == "INVITE":
            fields.append(RECORD_ROUTE.field(f"<{self.uri};lr>"))
        fields += [
            field for field in request.fields if field[0] not in ("route", "max-forwards", "proxy-authorization")
        ]
        fields[-1:-1] = [*routes, MAX_FORWARDS.field(request.max_forwards - 1)]
        return way, bytes(Request(request.method, target, fields, request.body))

    def _send_back(self, response: Response) -> None:
        """RFC 3261 16.7."""
        branch = response.via.branch
        if response.status >= 200:
            self._unanswered.discard((branch, response.cseq_method))
        elif (branch, response.cseq_method) not in self._unanswered:
            return  # it was overtaken by the final response (16.7 step 3)
        place = next(number for number, field in enumerate(response.fields) if field[0] == "via")
        fields = response.fields[:place] + response.fields[place + 1 :]
        self._origins[branch].send(bytes(Response(response.status, response.reason, fields, response.body)))
