"""What the tests of the machines share: a flow that writes down what is sent through it, and plain messages."""

from __future__ import annotations

from collections.abc import Iterable

from pbx.sip.headers import Field
from pbx.sip.message import Message, Request, Response, with_body
from pbx.sip.parser import parse
from pbx.testing.clock import VirtualClock

PEER = "192.0.2.9"
SDP = b"v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"


class Wire:
    """A flow (`pbx.sip.flow.Flow`) to one peer.

    :ivar sent: what was sent through it: seconds since it was made, and the bytes.
    """

    host = source = "192.0.2.1"
    port = 5060
    is_alias = False
    names: frozenset[str] = frozenset()

    def __init__(self, clock: VirtualClock, reliable: bool = False, remote: tuple[str, int] = (PEER, 5060)) -> None:
        self.reliable = reliable
        self.transport = "TCP" if reliable else "UDP"
        self.remote = remote
        self.sent: list[tuple[float, bytes]] = []
        self._clock = clock
        self._start = clock.seconds()

    def send(self, packet: bytes, method: str = "") -> None:
        """Write it down."""
        self.sent.append((self._clock.seconds() - self._start, packet))

    def wider(self) -> None:
        """There is no other way."""

    is_open = True

    def keep_until(self, time: float) -> None:
        """It is there anyhow."""

    def succeeded_by(self, flow: object) -> None:
        """It stays."""

    def close(self) -> None:
        """Remember that."""
        self.is_open = False

    @property
    def times(self) -> list[float]:
        """When something was sent."""
        return [time for time, _ in self.sent]

    @property
    def messages(self) -> list[Request | Response]:
        """What was sent, parsed."""
        return [parse(packet) for _, packet in self.sent]

    @property
    def last(self) -> Request | Response:
        """What was sent last, parsed."""
        return parse(self.sent[-1][1])

    def take(self) -> list[str]:
        """The start lines of what was sent since the last time, in short: method, or status."""
        names = [name(message) for message in self.messages]
        self.sent.clear()
        return names


def name(message: Message) -> str:
    """The method of a request; the status of a response, with the method that it answers."""
    if isinstance(message, Response):
        return f"{message.status} {message.cseq_method}"
    assert isinstance(message, Request)
    return message.method


def request(
    method: str = "INVITE",
    *,
    target: str = "sip:1001@192.0.2.1",
    branch: str = "z9hG4bK1",
    sent_by: str = PEER,
    cseq: int = 1,
    call_id: str = "call",
    caller: str = "<sip:peer@192.0.2.9>;tag=peer",
    callee: str = "<sip:1001@192.0.2.1>",
    contact: str = "<sip:peer@192.0.2.9:5070>",
    more: Iterable[Field] = (),
    sdp: bytes = b"",
    body: bytes = b"",
    kind: str = "text/plain",
) -> Request:
    """A request as it comes from the peer. Elements of RFC 2543 need no branch."""
    fields: list[Field] = [
        ("via", "Via", f"SIP/2.0/UDP {sent_by}" + (f";branch={branch}" if branch else "")),
        ("max-forwards", "Max-Forwards", "70"),
        ("from", "From", caller),
        ("to", "To", callee),
        ("call-id", "Call-ID", call_id),
        ("cseq", "CSeq", f"{cseq} {method}"),
        *more,
    ]
    if contact and method in ("INVITE", "NOTIFY", "REFER", "REGISTER", "SUBSCRIBE"):
        fields.append(("contact", "Contact", contact))
    if sdp:
        with_body(fields, "application/sdp", sdp)
    elif body:
        with_body(fields, kind, body)
    return received(Request(method, target, fields, sdp or body))


def response(
    sent: Request,
    status: int,
    tag: str = "peer",
    *,
    contact: str = "<sip:peer@192.0.2.9:5070>",
    more: Iterable[Field] = (),
    sdp: bytes = b"",
) -> Response:
    """The peer's response to one of our requests."""
    fields = [*more]
    if contact and sent.method == "INVITE" and 100 < status < 300:
        fields.append(("contact", "Contact", contact))
    answer = sent.response(status, "", tag, tuple(fields))
    if sdp:
        answer.fields.pop()
        with_body(answer.fields, "application/sdp", sdp)
        answer.body = sdp
    return received(answer)


def received(message: Message) -> Request | Response:
    """A message as it arrives: through bytes."""
    return parse(bytes(message))
