"""The relay in Python: sides are joined in pairs, and offers and answers are rewritten so that both phones send to us.

An offer is pending from `offer` until `answer` or `withdraw`. Only an answer changes what flows: the ports that a
pending offer opened are idle, and whatever ends it without an answer leaves everything as it was.

Results are there at once; from another engine, which may be another process, they come as Deferreds, and so does each
failure. `when` goes on with either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeAlias, TypeVar

from twisted.internet.defer import Deferred, fail

from pbx.media import description, keying, srtp
from pbx.media.beat import Beat
from pbx.media.errors import NoPorts
from pbx.media.keying import NO_SRTP
from pbx.media.port import Sockets
from pbx.media.side import Offer, Side, StreamFacts
from pbx.media.stream import Stream
from pbx.media.voice import Voice
from pbx.sip.errors import InvalidState, Malformed
from pbx.sip.identifiers import Identifiers
from pbx.sip.sdp import Media
from pbx.sip.timers import Clock

_P = ParamSpec("_P")
_T = TypeVar("_T")

Result: TypeAlias = _T | Deferred[_T]
"""What an engine says, or will say."""


def when(
    result: Result[_T],
    then: Callable[..., object],
    otherwise: Callable[..., object],
    args: tuple[Any, ...] = (),
    otherwise_args: tuple[Any, ...] = (),
) -> None:
    """Go on with a result, at once where it is there.

    :param then: is given it, and more arguments.
    :param otherwise: is given the `Failure` in its place, and its own arguments.
    """
    if hasattr(result, "addCallbacks"):  # `isinstance` of this class, an abstract one, is a function of Python
        result.addCallbacks(then, otherwise, callbackArgs=args, errbackArgs=otherwise_args)
    else:
        then(result, *args)


def _told(verb: Callable[_P, _T]) -> Callable[_P, Result[_T]]:
    """What a verb returns, or how it fails, as a Deferred. Our own misuse is raised here and now."""

    @wraps(verb)
    def told(*args: _P.args, **kwargs: _P.kwargs) -> Result[_T]:
        try:
            return verb(*args, **kwargs)
        except (Malformed, NoPorts) as failure:
            return fail(failure)

    return told


class Relay:
    """All media of the exchange.

    Failures: `Malformed` (400 or 488: the description's fault) and `NoPorts` (none left: 503).

    :param sockets: where ports come from.
    :param clock: the time.
    :param codecs: the names of the audio codecs that may pass, in any case: "PCMA", "telephone-event", ...
    :param identifiers: where session ids and keys come from.
    :param srtp: what of SRTP there is: one of `pbx.media.keying.MODES`.
    :ivar beat: when our own voices speak.
    """

    def __init__(
        self, sockets: Sockets, clock: Clock, codecs: Iterable[str], identifiers: Identifiers, srtp: str = "accept"
    ) -> None:
        self._sockets = sockets
        self._clock = clock
        self._codecs = frozenset(map(str.lower, codecs))
        self._identifiers = identifiers
        self._srtp = srtp
        self.beat = Beat(clock)

    @property
    def ports_in_use(self) -> int:
        """UDP ports in use at present; a call with sound alone has four."""
        return self._sockets.in_use

    def side(self, host: str, shown_host: str, signalling_host: str = "", encrypted: bool = False) -> Side:
        """The media of a new session, without any port yet.

        :param host: the local address to bind, IPv6 without brackets.
        :param shown_host: what the phone is told to send to: the same, or what `advertise` says.
        :param signalling_host: the host from which the phone's SIP comes. Behind a NAT its sound comes from there too.
        :param encrypted: whether that comes over TLS.
        """
        session = int(self._identifiers.token()[:8], 16) & 0x7FFFFFFF  # some phones keep it in 32 bits
        terms = keying.terms(self._srtp, encrypted and srtp.is_there())
        return Side(self._sockets, self._clock, host, shown_host.strip("[]"), signalling_host, session, terms)

    @_told
    def offer(self, offerer: Side, answerer: Side, sdp: bytes) -> bytes:
        """Pass an offer on: the first of a call, or a later one from either side. Returns what the answerer is to see.

        One offerer may have several answerers at once (forking): its ports are the same for all of them. An offer to
        the same answerer that is still pending is withdrawn.
        """
        if offerer.closed or answerer.closed or offerer is answerer:
            raise InvalidState(f"offer from {offerer} to {answerer}")
        read = self._audible(sdp, offerer) if offerer.tap is not None or answerer.tap is not None else None
        if read is None:
            passes = offerer.srtp.passes and answerer.srtp.passes
            read = description.read_offer(sdp, self._codecs, offerer.srtp, passes, offerer.may_inform)
        streams, lines = read
        if answerer.open_offers:
            self.withdraw(answerer)
        offerer.reserve(streams)
        try:
            answerer.reserve(streams)
            if answerer.srtp is not NO_SRTP:
                self._offer_keys(answerer, streams, lines)
        except (Malformed, NoPorts):
            offerer.trim()
            answerer.trim()
            raise
        answerer.offer = Offer(offerer, streams, sdp)
        offerer.open_offers += 1
        answerer.open_offers += 1
        return answerer.show(lines)

    @_told
    def answer(self, answerer: Side, offerer: Side, sdp: bytes) -> bytes:
        """Pass an answer on and join the two sides. Returns it as the offerer is to see it.

        It may come again, changed too (in a 183 and then in the 200): the last one counts.
        """
        offer = answerer.offer
        if offer is None or offer.offerer is not offerer or offerer.closed or answerer.closed:
            raise InvalidState(f"answer from {answerer} to {offerer}")
        streams, lines = description.read_answer(sdp, offer.streams, answerer.may_inform)
        offerer.reserve(streams)
        self._settle(answerer, offer)
        earlier = offerer.offer
        if earlier is not None and earlier.offerer is answerer:
            # A call that we had answered before: the answer to its offer went on as an offer, so this settles both.
            self._settle(offerer, earlier)
        if offerer.srtp is not NO_SRTP:
            self._answer_keys(offerer, offer.streams, streams, lines)
        offerer.agree(offer.streams, streams)
        answerer.agree(streams, offer.streams)
        for asked, given in zip(offer.streams, streams, strict=True):
            # What is refused stays so until the next offer: its ports go now.
            asked.active = given.active
        offerer.join(answerer)
        offerer.said, answerer.said = offer.sdp, sdp
        return offerer.show(lines)

    def renew(self, offerer: Side, answerer: Side) -> Result[bytes]:
        """Offer again what was agreed upon. Returns what the answerer saw last (RFC 4028 7.4)."""
        return self.offer(offerer, answerer, offerer.said)

    def withdraw(self, answerer: Side) -> None:
        """The offer that is pending at a side came to nothing: everything is as it was before. No harm without one."""
        offer = answerer.offer
        if offer is not None and offer.pending:
            self._settle(answerer, offer)
            answerer.offer = None
            answerer.trim()
            if offer.offerer is not None:
                offer.offerer.trim()

    @_told
    def end(self, side: Side, offer: bytes | None) -> bytes:
        """Media that we end ourselves. Returns our answer, or, without an offer, our own offer (PCMU, PCMA, keys)."""
        if offer is None:
            return self._own_offer(side)
        return self._own_answer(side, offer)

    @_told
    def set_remote(self, side: Side, answer: bytes) -> None:
        """The answer to our own offer (RFC 3264; in an ACK, when the INVITE came without one)."""
        offer = side.offer
        if offer is None or offer.offerer is not None or side.closed:
            raise InvalidState(f"answer to {side}")
        streams, _ = description.read_answer(answer, offer.streams)
        self._settle(side, offer)
        side.agree(streams, offer.streams)
        side.rejoin()

    def voice(self, side: Side, voice: Voice | None = None) -> Voice | None:
        """Our own end of a side's sound; it hears us from now on, and no other side.

        None when no audio is agreed upon that we can speak: then it takes an offer of ours (`end`) first.

        :param voice: the one that is to speak, which another side has released; None for any.
        """
        return side.speak(self.beat, self._ssrc(), voice)

    def press(self, side: Side, key: str) -> bool:
        """Put a key that a phone has told of by INFO into the sound that goes from it to another one (RFC 4733).

        :param key: one of `pbx.media.dtmf.KEYS`.
        :returns: False where that one takes no keys in its sound, or not now.
        """
        return side.press(key, self.beat, self._ssrc())

    def release(self, side: Side) -> Voice | None:
        """Let our end of a side's sound go, as it is, to be that of another one (`voice`); None when there is none."""
        return side.release()

    def echo(self, side: Side) -> None:
        """Send a phone its own sound back."""
        side.join(side)

    def join(self, side: Side, other: Side) -> None:
        """Connect two sides whose descriptions are agreed upon. Who was connected to them before hears nothing more."""
        side.join(other)

    def part(self, side: Side) -> None:
        """Connect a side to nobody: whom it was connected to hears nothing of it, and it of nobody."""
        side.part()

    def statistics(self, sides: Sequence[Side]) -> Result[list[tuple[StreamFacts, ...]]]:
        """The facts of each stream of each side, also after `close`."""
        return list(map(Side.statistics, sides))

    def close(self, side: Side) -> None:
        """Release a side's ports; what they counted stays readable. No harm if done before."""
        if side.closed:
            return
        if side.open_offers:
            self.withdraw(side)
        if side.voice is not None:
            side.silence()
        if side.other is not None:
            side.part()
        side.closed = True
        side.user = side.tap = None
        side.offer = None  # it knows the other side, whose own last offer knows this one
        for port in side.ports:
            if port is not None:
                port.close()

    def _audible(self, sdp: bytes, offerer: Side) -> tuple[list[Stream], list[Media]] | None:
        """An offer for somebody who listens in; None when he will hear nothing of it, though the two will talk."""
        plain, informs = self._codecs & description.PLAIN, offerer.may_inform
        try:
            return description.read_offer(sdp, plain, offerer.srtp, informs=informs)
        except Malformed:
            return None

    def _offer_keys(self, answerer: Side, streams: Sequence[Stream], lines: Sequence[Media]) -> None:
        for place, (stream, line) in enumerate(zip(streams, lines, strict=True)):
            if stream.active:
                make = answerer.maker(place, self._random)
                keying.write_offer(stream, line, answerer.srtp, answerer.is_srtp(place), make)

    def _answer_keys(
        self, offerer: Side, offered: Sequence[Stream], answered: Sequence[Stream], lines: Sequence[Media]
    ) -> None:
        for place, (asked, given, line) in enumerate(zip(offered, answered, lines, strict=True)):
            keying.write_answer(asked, given, line, offerer.maker(place, self._random))

    def _ssrc(self) -> int:
        return int(self._identifiers.token()[:8], 16)

    def _random(self, octets: int) -> bytes:
        return bytes.fromhex("".join([self._identifiers.token() for _ in range(-(-octets // 8))]))[:octets]

    def _own_offer(self, side: Side) -> bytes:
        if side.closed:
            raise InvalidState(f"end of {side}")
        self.withdraw(side)
        streams, lines = description.own_offer(side.shown)
        side.reserve(streams)
        try:
            self._offer_keys(side, streams, lines)
        except Malformed:
            side.trim()
            raise
        side.offer = Offer(None, streams)
        side.open_offers += 1
        return side.show(lines)

    def _own_answer(self, side: Side, sdp: bytes) -> bytes:
        if side.closed:
            raise InvalidState(f"end of {side}")
        streams, lines = description.own_answer(sdp, side.srtp)
        side.reserve(streams)
        self._answer_keys(side, streams, streams, lines)
        side.agree(streams, streams)
        side.rejoin()
        return side.show(lines)

    @staticmethod
    def _settle(answerer: Side, offer: Offer) -> None:
        """An offer is no longer pending."""
        if offer.pending:
            offer.pending = False
            answerer.open_offers -= 1
            if offer.offerer is not None:
                offer.offerer.open_offers -= 1
