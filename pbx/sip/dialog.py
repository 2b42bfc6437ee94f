"""A dialog (RFC 3261 section 12): a value that changes. It makes requests and judges them; it sends nothing.

The route set is computed here and nowhere else.
"""

from __future__ import annotations

from functools import lru_cache

from pbx.sip.bodies import content_of
from pbx.sip.errors import Malformed
from pbx.sip.flow import Flow, contact_of, via_of
from pbx.sip.grammar import elements
from pbx.sip.headers import CONTACT, CONTENT_TYPE, MAX_FORWARDS, RECORD_ROUTE, RECURRING, ROUTE, Field, parse_address
from pbx.sip.keyring import Prover
from pbx.sip.message import NO_BODY, Message, Request, Response, with_body
from pbx.sip.uri import Uri, parse_uri

SDP_TYPE = "application/sdp"

_HOPS = 70  # that a message may take (RFC 3261 8.1.1.6); each of our requests would carry as many Routes
_FORWARDS = MAX_FORWARDS.field(_HOPS)


class Dialog:
    """One dialog, early or confirmed.

    :ivar key: the dialog ID (RFC 3261 12): Call-ID, our tag, the peer's tag.
    :ivar call_id: the Call-ID.
    :ivar local_tag: our tag.
    :ivar remote_tag: the peer's tag.
    :ivar local: our From value, with tag.
    :ivar remote: the peer's To value, with tag.
    :ivar local_cseq: the number of our last request.
    :ivar remote_cseq: the number of the peer's last request, or -1 when there was none.
    :ivar remote_target: the URI of the peer's Contact.
    :ivar routes: the route set, in the order in which our requests take it.
    :ivar flow: the way of our requests.
    :ivar neighbour: whether the peer itself is at the other end of the flow, as a registered phone is: then our
        requests go where its own come from, whatever its Contact says (it may be behind a NAT).
    :ivar secure: whether it was asked for by a SIPS URI over TLS: it stays there, and our Contact is a SIPS URI, too.
    :ivar prover: the credentials of our requests; None where nobody wants any.
    :ivar conference: the conference whose focus the peer has reached, as the user part of its address; "" for none.
    """

    __slots__ = (
        "call_id",
        "conference",
        "flow",
        "key",
        "local",
        "local_cseq",
        "local_tag",
        "neighbour",
        "prover",
        "remote",
        "remote_cseq",
        "remote_tag",
        "remote_target",
        "routes",
        "secure",
    )

    def __init__(self, call_id: str, local: str, local_tag: str, remote: str, remote_tag: str, flow: Flow) -> None:
        self.key = (call_id, local_tag, remote_tag)
        self.call_id = call_id
        self.local = local
        self.local_tag = local_tag
        self.remote = remote
        self.remote_tag = remote_tag
        self.local_cseq = 0
        self.remote_cseq = -1
        self.remote_target = ""
        self.routes: tuple[str, ...] = ()
        self.flow = flow
        self.neighbour = False
        self.secure = False
        self.prover: Prover | None = None
        self.conference = ""

    @classmethod
    def as_uas(cls, request: Request, local_tag: str, flow: Flow) -> Dialog:
        """The dialog that our response to a request makes (RFC 3261 12.1.1); or a NOTIFY, which bears our tag already
        (RFC 6665 4.4.1).

        :raises Malformed: 400 when the request has no usable Contact or Record-Route.
        """
        head = request.head
        local = head["to"]
        if request.to_tag:
            local_tag = request.to_tag
        else:
            local = f"{local};tag={local_tag}"
        dialog = cls(request.call_id, local, local_tag, head["from"], request.from_tag, flow)
        dialog.remote_cseq = request.cseq
        # Proxies between us: what they do not say in Record-Route goes past them.
        dialog.neighbour = request.vias == 1
        if "record-route" in head:
            dialog.routes = tuple(_route_set(request))
        dialog.remote_target = _contact(request)
        if not dialog.remote_target:
            raise Malformed(400, "missing Contact")
        if flow.transport == "TLS":
            # RFC 3261 12.1.1: asked for by any of these, our Contact has to be a SIPS URI.
            nearest = (
                parse_address(dialog.routes[0]).uri.scheme if dialog.routes else parse_uri(dialog.remote_target).scheme
            )
            dialog.secure = "sips" in (request.uri.scheme, nearest)
        return dialog

    @classmethod
    def as_uac(cls, local: str, target: str, response: Response, flow: Flow) -> Dialog:
        """The dialog that a response to our request makes (RFC 3261 12.1.2).

        :param local: our From value, with tag.
        :param target: see `confirm`.
        """
        dialog = cls(response.call_id, local, response.from_tag, "", response.to_tag, flow)
        dialog.local_cseq = response.cseq
        dialog.confirm(response, target)
        dialog.secure = flow.transport == "TLS" and parse_uri(target).scheme == "sips"
        return dialog

    def confirm(self, response: Response, target: str) -> None:
        """Take the route set and the remote target from a response to our request: that of a 1xx counts until the 2xx
        has another (RFC 3261 12.1.2, 13.2.2.4).

        :param target: our Request-URI: the peer is there until a Contact comes, which a 1xx need not have.
        :raises Malformed: 400 when it has no usable Contact or Record-Route.
        """
        self.remote = response.head["to"]
        self.routes = tuple(reversed(_route_set(response))) if "record-route" in response.head else ()
        self.remote_target = _contact(response) or target

    @property
    def next_hop(self) -> str:
        """The URI to which our requests are sent first (RFC 3261 12.2.1.1)."""
        return as_target(parse_address(self.routes[0]).uri) if self.routes else self.remote_target

    @property
    def contact(self) -> Field:
        """Where the peer reaches us; in a conference with its address, as its focus (RFC 4579 3.1)."""
        value = contact_of(self.flow, self.secure)
        if self.conference:
            value = f"{value.replace(':', f':{self.conference}@', 1)};isfocus"
        return ("contact", "Contact", value)

    @property
    def has_gruu(self) -> bool:
        """Whether the remote target may be a GRUU (RFC 5627 3.1): then its domain knows where it is."""
        return ";gr" in self.remote_target

    def request(self, method: str, more: tuple[Field, ...] = (), body: bytes = b"", kind: str = SDP_TYPE) -> Request:
        """Make a request in this dialog (RFC 3261 12.2.1.1), still without Via.

        :param more: further fields.
        :param body: its body, or none.
        :param kind: the body's Content-Type.
        """
        self.local_cseq += 1
        request = self._made(method, self.local_cseq, more, body, kind)
        if self.prover is not None:
            self.prover.prove(request, self.local_cseq)
        return request

    def again(self, response: Response) -> Request | None:
        """Make the request anew that a 401 or 407 of the peer's asks for, with credentials (RFC 3261 22.2, 22.3);
        None when there are none, or no other ones.
        """
        request = self.prover.again(response, self.local_cseq + 1) if self.prover is not None else None
        if request is not None:
            self.local_cseq += 1
        return request

    def ack(self, cseq: int, branch: str, sdp: bytes = b"") -> Request:
        """Make the ACK of a 2xx to our INVITE (RFC 3261 13.2.2.4), complete with Via: it has no transaction.

        :param cseq: the number of that INVITE.
        :param branch: a new branch.
        :param sdp: the answer, when the 2xx brought the offer.
        """
        ack = self._made("ACK", cseq, self.prover.of_invite if self.prover is not None else (), sdp)
        ack.fields.insert(0, ("via", "Via", via_of(self.flow, branch)))
        return ack

    def judge(self, request: Request) -> None:
        """Take note of a request of the peer's (RFC 3261 12.2.2).

        :raises Malformed: 500 when its number is not higher than that of the one before.
        """
        if request.cseq <= self.remote_cseq:
            raise Malformed(500, "CSeq is not higher than before")
        self.remote_cseq = request.cseq

    def refresh(self, message: Message) -> None:
        """Take over the remote target of a target refresh request or its 2xx (RFC 3261 12.2.1.2, 12.2.2)."""
        self.remote_target = _contact(message) or self.remote_target

    def _made(self, method: str, cseq: int, more: tuple[Field, ...], body: bytes, kind: str = SDP_TYPE) -> Request:
        target = self.remote_target
        fields: list[Field] = [
            ("from", "From", self.local),
            ("to", "To", self.remote),
            ("call-id", "Call-ID", self.call_id),
            ("cseq", "CSeq", f"{cseq} {method}"),
            _FORWARDS,
        ]
        if self.routes:
            target, routes = routed(target, self.routes)
            fields.extend([ROUTE.field(route) for route in routes])
        fields.extend(more)
        if body:
            with_body(fields, kind, body)
        else:
            fields.append(NO_BODY)
        return Request(method, target, fields, body)


def check(response: Response) -> None:
    """Read all that a session will take from a response to INVITE, before any state depends on it.

    :raises Malformed: 400.
    """
    _contact(response)
    if "record-route" in response.head:
        _route_set(response)
    if response.body:
        sdp_of(response)


def sdp_of(message: Message) -> bytes:
    """The session description in a message, b"" when it has none.

    :raises Malformed: 400 when Content-Type is, or the body cannot be taken apart.
    """
    if not message.body or message.head.get("content-type") == SDP_TYPE:
        return message.body
    kind = message.one(CONTENT_TYPE)
    if kind is None:
        return b""
    return message.body if kind[0] == SDP_TYPE else content_of(message, SDP_TYPE)


def _route_set(message: Message) -> list[str]:
    # Parsed to see that it can be, kept as text: its parameters go back as they came (RFC 3261 12.1.1).
    if len(message.many(RECORD_ROUTE)) > _HOPS:
        raise Malformed(400, "more Record-Routes than hops")
    return [text for field in message.fields if field[0] == "record-route" for text in elements(field[2])]


def _contact(message: Message) -> str:
    """The remote target that Contact fields name, all of which can be read; "" when they name none."""
    found = ""
    for value in message.values("contact"):
        target = (_recurring_target if len(value) <= RECURRING else _target)(value)
        found = found or target
    return found


def _target(contact: str) -> str:
    addresses = [CONTACT.parse(text) for text in elements(contact)]
    return as_target(addresses[0].uri) if addresses else ""


_recurring_target = lru_cache(maxsize=1024)(_target)  # a peer writes the same into all messages of a call


def routed(target: str, routes: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """The Request-URI and the Route values of a request that takes a route set (RFC 3261 12.2.1.1).

    :param target: the URI that it is for.
    :param routes: the route set; not empty.
    """
    first = parse_address(routes[0]).uri
    if "lr" in first.parameters:
        return target, routes
    # A strict router: it wants to be the Request-URI, and the target last.
    return as_target(first), (*routes[1:], f"<{target}>")


def as_target(uri: Uri) -> str:
    """A URI without what may not stand in a Request-URI (RFC 3261 19.1.1)."""
    if uri.headers or "method" in uri.parameters:
        kept = {name: value for name, value in uri.parameters.items() if name != "method"}
        uri = Uri(uri.scheme, uri.user, uri.host, uri.port, kept, "", uri.password)
    return str(uri)
