"""One call of a simulated phone, as its user sees it: what the session tells is kept for the test to look at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from pbx.media.sdes import CRYPTO, Crypto, cryptos
from pbx.sip import sdp
from pbx.sip.headers import Field, parse_address
from pbx.sip.inbound_session import InboundSession
from pbx.sip.information import Information
from pbx.sip.message import Request
from pbx.sip.refer import Referral
from pbx.sip.session import CONFIRMED, EARLY, Session
from pbx.sip.transaction_layer import ServerTransaction
from pbx.testing.sound import LAWS, Sound

_SEALED = "RTP/SAVP"
_SUITE = "AES_CM_128_HMAC_SHA1_80"
_EVENTS = " 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15"


class Owner(Protocol):
    """What a call needs of its phone."""

    inside: str
    payload_types: tuple[int, ...]
    has_events: bool
    srtp: str
    refuses: int
    told: list[tuple[str, bytes]]
    takes: int

    def retries(self, call: PhoneCall) -> bool:
        """Dial again, once, with credentials for the challenge of a refusal."""


class Called(InboundSession):
    """The session of a call that came: an UPDATE without an offer may say who calls now (RFC 3311)."""

    def request_received(self, transaction: ServerTransaction, request: Request) -> None:
        """A request came in its dialog."""
        if request.method == "UPDATE" and isinstance(self.user, PhoneCall):
            self.user.name(request.fields)
        super().request_received(transaction, request)


class PhoneCall:
    """One call of a phone, as its user sees it.

    :ivar state: "calling", "early" (it rings at the other end), "ringing" (here), "talking", "over".
    :ivar status: the last final status that came for our INVITE; 0 when none came.
    :ivar progress: the provisional statuses that came, in order.
    :ivar fields: the header fields of the last final response to our INVITE, or of what ended the call.
    :ivar forwards: Max-Forwards of the INVITE that came.
    :ivar invite: that INVITE; None in a call that the phone makes.
    :ivar named: whom the other side has said we are connected to, since the call began (RFC 3325); "" for nobody.
    :ivar referral: the last REFER that came, for a test to accept or refuse; None before.
    :ivar holding: whether we have put the other side on hold.
    :ivar held: whether the other side has put us on hold.
    :ivar profile: the RTP profile that it writes.
    :ivar crypto: the key that it writes (RFC 4568); None for none.
    :ivar ended_by: "us", "them", or "" while it goes on.
    :ivar why: the words that came with the end: of its Reason field, where there was one.
    """

    def __init__(self, phone: Owner, sound: Sound) -> None:
        self.sound = sound
        self.session: Session | None = None
        self.state = "calling"
        self.status = 0
        self.progress: list[int] = []
        self.fields: Sequence[Field] = ()
        self.ended_by = ""
        self.why = ""
        self.forwards = 0
        self.invite: Request | None = None
        self.named = ""
        self.referral: Referral | None = None
        self.held = self.holding = False
        self.profile = _SEALED if phone.srtp == "required" else "RTP/AVP"
        self.crypto = Crypto(1, _SUITE, sound.new_key(_SUITE)) if phone.srtp else None
        self._phone = phone
        self._version = 0
        self.offered = True
        self.retried = False

    def describe(self, direction: str = "sendrecv") -> bytes:
        """A session description of ours."""
        self._version += 1
        host = self._phone.inside
        where = f"IN {'IP6' if ':' in host else 'IP4'} {host}"
        key = f"{self.crypto.line}\r\n" if self.crypto else ""
        return (
            f"v=0\r\no=- 1 {self._version} {where}\r\ns=-\r\nc={where}\r\nt=0 0\r\n"
            f"m=audio {self.sound.port} {self.profile} {' '.join(map(str, self._phone.payload_types))}"
            f"{_EVENTS if self._phone.has_events else ''}\r\n{key}a={direction}\r\n"
        ).encode()

    def take(self, description: bytes) -> None:
        """Send where a description of the other side says."""
        session = sdp.parse(description) if description else None
        if session is not None and session.media:
            line = session.media[0]
            self.sound.target = (session.host(line), line.port) if line.port else None
            self.held = session.direction(line) in ("sendonly", "inactive")
            spoken = [number for number in map(int, line.formats) if number in self._phone.payload_types]
            self.sound.law = next((LAWS[number] for number in spoken if number in LAWS), self.sound.law)
            self._take_key(line)

    def name(self, fields: Iterable[Field]) -> None:
        """Show whom a message of the other side names."""
        for key, _, value in fields:
            if key == "p-asserted-identity":
                identity = parse_address(value)
                self.named = identity.display or identity.uri.user

    def rekey(self) -> None:
        """Take another key; it is told with the next description."""
        assert self.crypto is not None
        self.crypto = Crypto(self.crypto.tag, self.crypto.suite, self.sound.new_key(self.crypto.suite))

    def _take_key(self, line: sdp.Media) -> None:
        """Seal packets by the first key that the other side names, and by ours; or leave them as they are."""
        theirs = next(iter(cryptos([row for row in line.lines if row.startswith(CRYPTO)])), None)
        if theirs is None or not self._phone.srtp:
            self.crypto = None
        else:
            if self.crypto is None or (self.crypto.tag, self.crypto.suite) != (theirs.tag, theirs.suite):
                self.crypto = Crypto(theirs.tag, theirs.suite, self.sound.new_key(theirs.suite))
            self.profile = line.profile
        self.sound.seal_by(self.crypto, theirs)

    # What the session tells (pbx.sip.session.SessionUser)

    def session_progressed(self, session: Session, status: int, description: bytes) -> None:
        """It rings, or there is early media."""
        self.state = "early"
        self.progress.append(status)
        self.take(description)

    def session_answered(self, session: Session, description: bytes) -> None:
        """They answered, or took an offer of ours; or the ACK of our 2xx brought their answer."""
        self.status = 200
        if session.state is EARLY:
            self.take(description)
            return
        self.state = "talking"
        self.fields = session.take_fields()
        self.name(self.fields)
        self.take(description)
        if session.owes_ack:
            session.ack(self.describe())

    def session_rejected(self, session: Session, status: int, reason: str) -> None:
        """They refused."""
        self.status = status
        if session.state is EARLY:
            return
        self.fields = session.take_fields()
        if session.state is CONFIRMED:
            return
        if status == 401 and self._phone.retries(self):
            return
        self.over("them", reason)

    def session_offered(self, session: Session, description: bytes) -> None:
        """A re-INVITE."""
        self.name(session.take_fields())
        if self._phone.refuses:
            session.refuse(self._phone.refuses)
            return
        self.take(description)
        hears = "inactive" if self.holding else "recvonly"
        session.accept(self.describe(hears if self.held else "sendonly" if self.holding else "sendrecv"))

    def session_informed(self, session: Session, information: Information) -> None:
        """They tell something."""
        self._phone.told.append((information.method, information.body))
        information.answer(self._phone.takes)

    def session_referred(self, session: Session, referral: Referral) -> None:
        """They ask for a transfer."""
        self.referral = referral

    def session_due(self, session: Session) -> None:
        """It is our turn to say that the call goes on."""
        session.offer(self.describe())

    def session_ended(self, session: Session, reason: str) -> None:
        """They hung up, or gave up."""
        self.fields = session.take_fields()
        self.over("them", next((value for key, _, value in self.fields if key == "reason"), reason))

    def over(self, by: str, why: str = "") -> None:
        """The call is over."""
        self.state = "over"
        self.ended_by = by
        self.why = why
        self.sound.close()
