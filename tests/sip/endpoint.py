"""A user agent on a flow that writes down what is sent: its user answers as the test says, and writes down too."""

from __future__ import annotations

import random

from pbx.sip.identifiers import Identifiers
from pbx.sip.inbound_session import InboundSession
from pbx.sip.message import Request, Response
from pbx.sip.outbound_session import OutboundSession
from pbx.sip.session import Session
from pbx.sip.transaction_layer import TransactionLayer
from pbx.sip.uri import Uri
from pbx.sip.user_agent import UserAgent
from pbx.testing.clock import VirtualClock
from tests.sip.wire import PEER, SDP, Wire, name, request, response

OFFER = SDP.replace(b"0\r\n", b"0 8\r\n")


class Endpoint:
    """A user agent, the one flow to its peer, and whom it tells.

    :ivar told: what the session's user was told, in short.
    :ivar ways: the flows that were asked for, by the URI that leads there.
    """

    def __init__(self) -> None:
        self.clock = VirtualClock(now=0.0)
        self.wire = Wire(self.clock)
        self.ways: dict[str, Wire] = {}
        self.layer = TransactionLayer(self.clock, Identifiers(random.Random(1).randbytes))
        self.agent = UserAgent(self.clock, Identifiers(random.Random(2).randbytes), self.layer, self)
        self.agent.exchange = self
        self.told: list[object] = []
        self.session: Session | None = None
        self.transactions: list = []

    # What the peer does

    def receive(self, *messages: Request | Response, flow: Wire | None = None) -> list[str]:
        """Messages come from the peer; returned is what went back to it, in short."""
        for message in messages:
            self.layer.message_received(flow or self.wire, message)
        return (flow or self.wire).take()

    def is_called(self, **parts) -> InboundSession:
        """The peer's INVITE."""
        self.receive(request(**{"sdp": OFFER, **parts}))
        assert isinstance(self.session, InboundSession)
        return self.session

    def within(self, method: str, cseq: int = 2, **parts) -> Request:
        """A request of the peer's within the dialog."""
        dialog = self.session.dialog
        parts.setdefault("branch", f"z9hG4bK{method}{cseq}")
        parts.setdefault("callee", dialog.local)
        parts.setdefault("caller", dialog.remote)
        parts.setdefault("call_id", dialog.call_id)
        return request(method, cseq=cseq, **parts)

    def in_a_call(self) -> InboundSession:
        """A call that the peer made and that we answered."""
        session = self.is_called()
        session.answer(SDP)
        self.receive(self.within("ACK", 1))
        self.told.clear()
        return session

    def calls(self, sdp: bytes = SDP, neighbour: bool = True) -> tuple[OutboundSession, Request]:
        """Our call to the peer: the session, and its INVITE."""
        session = OutboundSession(self.agent, self, self.wire, neighbour)
        self.session = session
        session.invite("sip:peer@192.0.2.9", "<sip:us@192.0.2.1>", "<sip:peer@192.0.2.9>", sdp, 70)
        invite = self.wire.last
        self.wire.take()
        return session, invite

    def in_our_call(self, neighbour: bool = True) -> OutboundSession:
        """A call that we made and that the peer answered."""
        session, invite = self.calls(neighbour=neighbour)
        self.receive(response(invite, 200, sdp=SDP))
        for way in self.ways.values():
            way.take()
        self.told.clear()
        return session

    def answered(self, status: int, **parts) -> list[str]:
        """The peer's response to the last of our requests but ACK; returned is what went back to it."""
        sent = [message for message in self.wire.messages if isinstance(message, Request) and message.method != "ACK"]
        self.wire.take()
        return self.receive(response(sent[-1], status, **parts))

    def after(self, seconds: float) -> list[str]:
        """What goes to the peer while so much time passes."""
        self.clock.advance(seconds)
        return self.wire.take()

    def assert_idle(self) -> None:
        """Nothing is left of any call once the last timers have passed."""
        assert not self.agent.sessions
        assert self.agent.dialogs == 0
        self.clock.advance(64)
        assert len(self.layer) == 0
        assert self.clock.pending == []

    # Where flows come from (pbx.sip.user_agent.Flows)

    def flow_to(self, uri: Uri) -> Wire | None:
        """Another flow for each URI; the peer itself is at the end of its own, and unknown hosts of none."""
        if uri.host == PEER:
            return self.wire
        if uri.host == "unknown" or not uri.is_sip:
            return None
        return self.ways.setdefault(str(uri), Wire(self.clock, remote=(uri.host, uri.port or 5060)))

    # What the user agent tells (pbx.sip.user_agent.Exchange)

    def invited(self, transaction, request) -> None:
        """An INVITE."""
        self.transactions.append(transaction)
        self.session = InboundSession(self.agent, transaction, self)

    def registering(self, transaction, request) -> None:
        """A REGISTER."""
        self.told.append("registering")
        transaction.respond(request.response(200, "", "ours"))

    def requested(self, transaction, request) -> None:
        """A request of another method."""
        self.told.append(request.method)
        self.transactions.append(transaction)

    # What the session tells (pbx.sip.session.SessionUser)

    def session_progressed(self, session, status, sdp) -> None:
        self.told.append((status, sdp))

    def session_answered(self, session, sdp) -> None:
        self.told.append(("answered", sdp))

    def session_rejected(self, session, status, reason) -> None:
        self.told.append(("rejected", status))

    def session_offered(self, session, sdp) -> None:
        self.told.append(("offered", sdp))

    def session_informed(self, session, information) -> None:
        self.told.append((information.method, information.body))
        self.information = information

    def session_referred(self, session, referral) -> None:
        self.told.append(("referred", str(referral.target)))
        self.referral = referral

    def session_due(self, session) -> None:
        self.told.append("due")

    def session_ended(self, session, reason) -> None:
        self.told.append(("ended", reason))


def names(wire: Wire) -> list[str]:
    """What was sent, in short, without forgetting it."""
    return [name(message) for message in wire.messages]
