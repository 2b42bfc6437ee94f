"""A simulated phone: a complete SIP endpoint on the stack of the exchange, scripted by a test in its user's words.

    alice.invites("1002"); bob.answers(); alice.hangs_up()

What a person would see and hear is in its properties; what it sends is decided by the real transactions and sessions.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from pbx.exchange.privacy import ANONYMOUS
from pbx.media.clip import Clip
from pbx.media.dtmf import tone
from pbx.media.g711 import ULAW
from pbx.media.library import Library
from pbx.sip.addresses import bracketed
from pbx.sip.correspondence import Correspondence
from pbx.sip.digest import Challenge, parse_challenge
from pbx.sip.flow import Flow, contact_of
from pbx.sip.headers import AUTHORIZATION, CALL_ID, CONTACT, CSEQ, EXPIRES, FROM, MAX_FORWARDS, TO, Field
from pbx.sip.identifiers import Identifiers
from pbx.sip.inbound_session import InboundSession
from pbx.sip.message import NO_BODY, Request, Response, with_body
from pbx.sip.outbound_session import OutboundSession
from pbx.sip.replacement import replaced
from pbx.sip.server_transaction import InviteServerTransaction
from pbx.sip.timers import Timer
from pbx.sip.transaction_layer import ServerTransaction, TransactionLayer
from pbx.sip.user_agent import UserAgent
from pbx.testing.clock import VirtualClock
from pbx.testing.line import BEHIND, Line
from pbx.testing.network import Address, Network
from pbx.testing.phone_call import Called, PhoneCall
from pbx.testing.reply import Once, Reply
from pbx.testing.sound import Sound

FIRST_MEDIA_PORT = 20_000
KEY_TIME = 0.25  # seconds from one key to the next
COMEBACK = 1.0  # seconds until a phone that has lost its connection makes another


class Phone:
    """One phone.

    :param number: its extension.
    :param host: its address on the network.
    :param exchange: the exchange's host, where it registers and sends its calls.
    :param payload_types: the codecs it speaks, as static RTP payload types.
    :param domain: the host of its own address (From); "" for the exchange's.
    :param behind_nat: the address that it believes to have, and writes into Contact and session descriptions, while
        its packets come from `host` and from other ports; "" without a NAT.
    :param outside: what that NAT adds to the phone's ports; each phone behind it has others.
    :param has_events: whether it tells of keys in RTP (RFC 4733).
    :param srtp: whether its sound is SRTP: "required", "optional", or "" for never.
    :param library: the prompts that its user knows.
    :param transport: "UDP", "TCP" or "TLS". A phone that loses its connection registers again.
    :ivar address: where the network reaches its SIP.
    :ivar call: its latest call; None before the first.
    :ivar registered: whether its last REGISTER was taken.
    :ivar register_status: the final status of that REGISTER.
    :ivar register_fields: the header fields of that answer.
    :ivar busy: whether it refuses calls with 486; it does so in a call, too.
    :ivar refuses: the status with which it refuses re-INVITEs; 0 while it takes them.
    :ivar told: the methods and bodies of the MESSAGEs and INFOs that came.
    :ivar takes: the status with which it answers these.
    :ivar has_lamp: whether it has a lamp for voice messages, and takes NOTIFYs about them that it has not asked for.
    :ivar notified: what they said.
    :ivar withheld: whether it says in From that its user wants to be anonymous (RFC 3323 4.1.1.3).
    """

    def __init__(
        self,
        clock: VirtualClock,
        network: Network,
        number: str,
        password: str,
        host: str,
        exchange: str,
        payload_types: tuple[int, ...] = (0, 8),
        domain: str = "",
        behind_nat: str = "",
        transport: str = "UDP",
        outside: int = BEHIND,
        has_events: bool = True,
        srtp: str = "",
        library: Library | None = None,
    ) -> None:
        source = random.Random(f"{number} {host}")
        identifiers = Identifiers(source.randbytes)
        self.number = number
        self.host = host
        self.inside = behind_nat or host
        self.payload_types = payload_types
        self.has_events = has_events
        self.srtp = srtp
        self.password = password
        self.registered = False
        self.register_status = 0
        self.register_fields: list[Field] = []
        self.call: PhoneCall | None = None
        self.busy = False
        self.refuses = 0
        self.told: list[tuple[str, bytes]] = []
        self.takes = 200
        self.withheld = False
        self.has_lamp = True
        self.notified: list[bytes] = []
        self.layer = TransactionLayer(clock, identifiers)
        self._clock = clock
        self._network = network
        self._identifiers = identifiers
        self._server = bracketed(exchange)
        self._domain = domain or self._server
        self._line = Line(clock, network, self.layer, exchange, host, self.inside, transport, self._line_lost, outside)
        self.address: Address = self._line.address
        self.flow: Flow = self._line.flow
        self.agent = UserAgent(clock, identifiers, self.layer, self._line.transports)
        self.agent.exchange = self
        self.agent.requests |= {"NOTIFY"}  # about voice messages, unasked
        self._comeback: Timer | None = None
        self._gone = False
        self._call_id = identifiers.token()
        self._cseq = 0
        self._media_port = FIRST_MEDIA_PORT
        self._challenge: Challenge | None = None
        self._count = 0
        self._library = library or Library()

    # What its user does

    def registers(self, expires: int = 3600, contact: str = "", more: tuple[Field, ...] = (), q: float = 1.0) -> None:
        """Register, or with 0 unregister.

        :param expires: seconds.
        :param contact: another Contact value than the phone's own address.
        :param more: further fields.
        :param q: how much it is preferred to the other phones of its extension.
        """
        preference = f";q={q:g}" if q != 1.0 else ""
        self._send_register(expires, (contact or contact_of(self.flow)) + preference, more)

    def invites(
        self, number: str, *, offer: bool = True, forwards: int = 70, more: tuple[Field, ...] = ()
    ) -> PhoneCall:
        """Dial.

        :param offer: whether the INVITE carries an offer.
        :param forwards: Max-Forwards.
        :param more: further fields of the INVITE.
        """
        call = PhoneCall(self, self._sound())
        call.offered = offer
        self.call = call
        self._invite(call, number, forwards, more)
        return call

    def answers(self) -> None:
        """Pick up."""
        call = self._current()
        session = call.session
        assert isinstance(session, InboundSession)
        if session.sdp:
            call.take(session.sdp)
        call.state = "talking"
        session.answer(call.describe())

    def declines(self, status: int = 603, more: tuple[Field, ...] = ()) -> None:
        """Press the red button while it rings.

        :param more: further fields of the response: of a 3xx, where the call is to go.
        """
        call = self._current()
        assert call.session is not None
        call.session.reject(status, "", more)
        call.over("us")

    def sends_early_media(self, status: int = 183) -> None:
        """Say something before answering."""
        call = self._current()
        session = call.session
        assert isinstance(session, InboundSession)
        call.take(session.sdp)
        session.progress(status, call.describe())

    def hangs_up(self) -> None:
        """Hang up; before the answer, give up, or decline."""
        call = self._current()
        session = call.session
        if call.state == "ringing":
            self.declines()
            return
        if isinstance(session, OutboundSession):
            session.cancel()
        elif session is not None:
            session.hang_up()
        call.over("us")

    def holds(self) -> None:
        """Put the other side on hold."""
        self._current().holding = True
        self._offers(self._current().describe("sendonly"))

    def resumes(self) -> None:
        """Take it back."""
        self._current().holding = False
        self._offers(self._current().describe())

    def rekeys(self) -> None:
        """Tell the other side another key for its SRTP."""
        call = self._current()
        call.rekey()
        self._offers(call.describe())

    def asks_for_an_offer(self) -> None:
        """Send a re-INVITE without a session description, as some phones do to resume."""
        self._offers(b"")

    def says(self, seconds: float, frequency: float = 440.0) -> None:
        """Say something, and let the time pass that it takes.

        :param frequency: of the tone that it is, Hz.
        """
        self._current().sound.says(frequency, seconds)
        self._clock.advance(seconds)

    def presses(self, keys: str, form: str = "events") -> None:
        """Press keys, and let the time pass that it takes: a quarter of a second each.

        :param form: how the phone tells of them: "events" (RFC 4733), "INFO" or "tones".
        """
        sound = self._current().sound
        for key in keys:
            if form == "events":
                sound.presses(key)
            elif form == "INFO":
                self.informs(f"Signal={key}\r\nDuration=100\r\n".encode(), "application/dtmf-relay")
            else:
                tones = Clip(ULAW.encode(tone(key, 0.1)))
                sound.says_all(tones.frames(ULAW))
            self._clock.advance(KEY_TIME)

    def hears(self, prompt: str | Clip, within: float = 10.0) -> bool:
        """Whether it hears a prompt, whole and without a gap; it waits for that, and not a moment longer.

        :param prompt: its name, or what it sounds like.
        :param within: seconds.
        """
        clip = self._library.prompt(prompt) if isinstance(prompt, str) else prompt
        return self._clock.advance_until(lambda: self._current().sound.contains(clip), within)

    def vanishes(self) -> None:
        """Lose the network, for good: nothing arrives any more, and nothing goes out."""
        self._gone = True
        self._line.cut()

    def leaves(self) -> None:
        """Close its connections, for good."""
        self.registered = False
        self._line.transports.stop()
        if self._comeback is not None:
            self._comeback.cancel()
            self._comeback = None

    def asks(
        self,
        method: str,
        number: str = "",
        more: tuple[Field, ...] = (),
        body: bytes = b"",
        kind: str = "text/plain",
        forwards: int = 70,
    ) -> Reply:
        """Send a request of any method outside all calls, for example OPTIONS.

        :param number: whom it is for; "" for the exchange itself.
        :param more: further fields.
        :param body: its body, of that Content-Type.
        :param forwards: Max-Forwards.
        """
        reply = Reply()
        self._ask(method, self.address_of(number), more, reply.take, body, kind, forwards)
        return reply

    def informs(
        self, body: bytes, kind: str = "text/plain", method: str = "INFO", more: tuple[Field, ...] = ()
    ) -> Reply:
        """Send an INFO, or a MESSAGE, in the call."""
        reply = Reply()
        session = self._current().session
        assert session is not None and session.dialog is not None
        request = session.dialog.request(method, more, body, kind)
        self.layer.request(session.dialog.flow, request, Once(reply.take))
        return reply

    def address_of(self, number: str) -> str:
        """The URI of a number at the exchange; of the exchange itself for ""; a whole URI is one already."""
        if number.startswith("sip:"):
            return number
        number = number.replace("#", "%23")  # as a phone does (RFC 3261 25.1)
        return f"sip:{number}@{self._server}" if number else f"sip:{self._server}"

    def correspondence(self, number: str) -> Correspondence:
        """Requests to a number at the exchange that belong together."""
        target = self.address_of(number)
        return Correspondence(self._identifiers, self.flow, target, self.aor, f"<{target}>")

    # What its user sees and hears

    @property
    def aor(self) -> str:
        """Its own address, as it stands in From."""
        return ANONYMOUS if self.withheld else f"<sip:{self.number}@{self._domain}>"

    def lamp(self, name: str) -> bool | None:
        """Whether a lamp is lit; None while nobody has said.

        :param name: "mwi": the one for voice messages.
        """
        if name != "mwi":
            raise ValueError(f'a phone has the lamp "mwi", and not {name!r}')
        return self.notified[-1].startswith(b"Messages-Waiting: yes\r\n") if self.notified else None

    @property
    def ringing(self) -> bool:
        """Whether it rings."""
        return self.call is not None and self.call.state == "ringing"

    @property
    def hears_ringing(self) -> bool:
        """Whether it says that it rings at the other end."""
        return self.call is not None and self.call.state == "early"

    @property
    def talking(self) -> bool:
        """Whether it is in an answered call."""
        return self.call is not None and self.call.state == "talking"

    @property
    def may_offer(self) -> bool:
        """Whether it can hold, resume, or ask for an offer: it is in a call, and no INVITE goes on in it."""
        session = self.call.session if self.call is not None and self.talking else None
        return session is not None and session.may_offer

    @property
    def idle(self) -> bool:
        """Whether no call goes on."""
        return self.call is None or self.call.state == "over"

    # What the user agent tells (pbx.sip.user_agent.Exchange)

    def invited(self, transaction: InviteServerTransaction, request: Request) -> None:
        """A call came in; one that is to take the place of another one is taken (RFC 3891 section 3)."""
        replaces = replaced(self.agent, request)
        if replaces is None and (not self.idle or self.busy):
            transaction.respond(request.response(486, "", self._identifiers.token()))
            return
        call = PhoneCall(self, self._sound())
        session = Called(self.agent, transaction, call)
        call.session = session
        call.forwards = request.max_forwards
        call.invite = request
        call.state = "ringing"
        self.call = call
        if replaces is None:
            session.progress(180)
            return
        self.answers()
        before = replaces.user
        replaces.hang_up()
        if isinstance(before, PhoneCall):
            before.over("us")

    def registering(self, transaction: ServerTransaction, request: Request) -> None:
        """A phone is no registrar."""
        transaction.respond(request.response(405, "", self._identifiers.token()))

    def requested(self, transaction: ServerTransaction, request: Request) -> None:
        """A MESSAGE came; others are refused."""
        status = 405
        if request.method == "MESSAGE":
            self.told.append(("MESSAGE", request.body))
            status = self.takes
        elif request.method == "NOTIFY" and request.first("event") == "message-summary" and self.has_lamp:
            self.notified.append(request.body)
            status = 200
        elif request.method == "NOTIFY":
            status = 481
        transaction.respond(request.response(status, "", self._identifiers.token()))

    def retries(self, call: PhoneCall) -> bool:
        """Dial again, once, with credentials for the challenge of a refusal."""
        self.take_challenge(call.fields)
        if call.retried or self._challenge is None:
            return False
        call.retried = True
        self._invite(call, *self._dialled)
        return True

    # Inside

    def _line_lost(self) -> None:
        if self.registered and not self._gone and self._comeback is None:
            self._comeback = self._clock.callLater(COMEBACK, self._come_back)

    def _come_back(self) -> None:
        self._comeback = None
        self.registers()

    def _invite(self, call: PhoneCall, number: str, forwards: int, more: tuple[Field, ...]) -> None:
        self._dialled = (number, forwards, more)
        target = self.address_of(number)
        session = OutboundSession(self.agent, call, self.flow, neighbour=True)
        call.session = session
        credentials = self.credentials("INVITE", target)
        description = call.describe() if call.offered else b""
        me = self.aor
        session.invite(target, me, f"<{target}>", description, forwards, (*more, *credentials))

    def _offers(self, description: bytes) -> None:
        session = self._current().session
        assert session is not None
        session.offer(description)

    def _current(self) -> PhoneCall:
        assert self.call is not None, f"{self.number} has no call"
        return self.call

    def _sound(self) -> Sound:
        self._media_port += 2
        port = self._media_port
        sources = int(self._identifiers.token()[:8], 16)
        return Sound(self._network, self._clock, self.host, port + self._line.outside, port, sources)

    def _send_register(self, expires: int, contact: str, more: tuple[Field, ...]) -> None:
        challenged = self._challenge is not None

        def answered(response: Response) -> None:
            self.register_status = response.status
            self.register_fields = response.fields
            if response.status == 401 and (
                not challenged or "stale=true" in (response.first("www-authenticate") or "")
            ):
                self.take_challenge(response.fields)
                self._send_register(expires, contact, more)
            else:
                self.registered = response.status == 200 and expires > 0

        fields = (CONTACT.field(contact), EXPIRES.field(expires), *more)
        self._ask("REGISTER", f"sip:{self._server}", fields, answered)

    def _ask(
        self,
        method: str,
        target: str,
        more: tuple[Field, ...],
        answered: Callable[[Response], None],
        body: bytes = b"",
        kind: str = "",
        forwards: int = 70,
    ) -> None:
        me = self.aor
        self._cseq += 1
        fields = [
            FROM.field(f"{me};tag={self._identifiers.token()}"),
            TO.field(me if method == "REGISTER" else f"<{target}>"),
            CALL_ID.field(self._call_id),
            CSEQ.field(f"{self._cseq} {method}"),
            MAX_FORWARDS.field(forwards),
            *more,
            *self.credentials(method, target),
        ]
        if body:
            with_body(fields, kind, body)
        else:
            fields.append(NO_BODY)
        self.layer.request(self.flow, Request(method, target, fields, body), Once(answered))

    def take_challenge(self, fields: Sequence[Field]) -> None:
        """Answer the challenge among the fields of a refusal from now on."""
        challenges = [parse_challenge(value) for key, _, value in fields if key == "www-authenticate"]
        self._challenge = next((one for one in challenges if one is not None and one.answerable), None)
        self._count = 0

    def credentials(self, method: str, target: str) -> tuple[Field, ...]:
        """The credentials of the next request, as fields; none without a challenge."""
        if self._challenge is None:
            return ()
        self._count += 1
        cnonce = self._identifiers.token()
        return (
            AUTHORIZATION.field(
                self._challenge.answer(self.number, self.password, method, target, cnonce, self._count)
            ),
        )

    def __repr__(self) -> str:
        return f"<phone {self.number} at {self.host}: {self.call.state if self.call else 'idle'}>"
