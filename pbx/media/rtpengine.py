"""The relay whose bridged calls are forwarded by rtpengine; where we are the other end ourselves, the ports are ours.

rtpengine gives ports and nothing else: it is shown descriptions that are filtered already, and of what it makes of them
only addresses are read. Each pair of sides is a call of its own there. A phone that goes from us to another phone, or
back, is offered its new address by SIP, as it is when it changes anything else.

We relay ourselves what rtpengine would not let us hear or hide: calls that somebody listens in on, calls with SRTP,
calls of phones that tell of their keys by INFO alone; and a call while one of its phones holds it, so that the other
one hears our music.

While rtpengine is asked, a side may be closed: then the answer is of no interest, and its Deferred never fires.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, DeferredLock, fail, gatherResults, succeed
from twisted.python.failure import Failure

from pbx.media import description
from pbx.media.errors import NoPorts
from pbx.media.keying import SEALED
from pbx.media.ng import Instance, Instances, reason_of
from pbx.media.port import Sockets
from pbx.media.relay import Relay, Result
from pbx.media.rtp import Address
from pbx.media.side import Offer, Side, StreamFacts
from pbx.media.stream import Stream
from pbx.sip import sdp
from pbx.sip.errors import InvalidState, Malformed
from pbx.sip.identifiers import Identifiers
from pbx.sip.sdp import Media, SessionDescription
from pbx.sip.timers import Clock


class Talk:
    """A call of rtpengine's: two sides.

    :ivar begun: whether it was answered once, so that rtpengine knows both.
    :ivar facts: what rtpengine knew of it when it was deleted; None before.
    """

    __slots__ = ("begun", "call_id", "facts", "instance", "lock")

    def __init__(self, instance: Instance, call_id: str) -> None:
        self.instance = instance
        self.call_id = call_id
        self.lock = DeferredLock()  # its commands, one after the other
        self.begun = False
        self.facts: Deferred[dict[str, Any]] | None = None


class RtpengineRelay(Relay):
    """All media of the exchange, with rtpengine between the phones.

    :param instances: those that there are.
    """

    def __init__(
        self,
        sockets: Sockets,
        clock: Clock,
        codecs: Iterable[str],
        identifiers: Identifiers,
        srtp: str,
        instances: Instances,
    ) -> None:
        super().__init__(sockets, clock, codecs, identifiers, srtp)
        self._instances = instances
        self._tokens = identifiers

    def offer(self, offerer: Side, answerer: Side, sdp: bytes) -> Result[bytes]:
        """Pass an offer on; see `Relay.offer`."""
        if offerer.closed or answerer.closed or offerer is answerer:
            raise InvalidState(f"offer from {offerer} to {answerer}")
        try:
            passes = offerer.srtp.passes and answerer.srtp.passes
            streams, lines = description.read_offer(sdp, self._codecs, offerer.srtp, passes, offerer.may_inform)
        except Malformed as malformed:
            return fail(malformed)
        if _is_ours(streams, offerer, answerer):
            return super().offer(offerer, answerer, sdp)
        self.withdraw(answerer)
        offer = answerer.offer = Offer(offerer, streams, sdp)
        offer.forwarded = True
        offerer.open_offers += 1
        answerer.open_offers += 1
        asked = self._forwarded_offer(offerer, answerer, _described(streams, lines), [])
        placed = asked.addCallback(self._offered, offerer, answerer, offer, lines)
        return placed.addErrback(self._not_offered, offerer, answerer, offer)

    def answer(self, answerer: Side, offerer: Side, sdp: bytes) -> Result[bytes]:
        """Pass an answer on; see `Relay.answer`."""
        offer, talk = answerer.offer, self._talk(offerer, answerer)
        if offer is None or not offer.forwarded or talk is None or offer.offerer is not offerer or offerer.closed:
            answered = super().answer(answerer, offerer, sdp)
            if talk is not None and answerer.other is offerer:
                self._delete(talk)  # both phones are with us now
            return answered
        try:
            streams, lines = description.read_answer(sdp, offer.streams)
        except Malformed as malformed:
            return fail(malformed)
        self._settle(answerer, offer)
        earlier = offerer.offer
        if earlier is not None and earlier.offerer is answerer:
            self._settle(offerer, earlier)
        self._answer_keys(offerer, offer.streams, streams, lines)
        for asked, given in zip(offer.streams, streams, strict=True):
            asked.active = given.active
        command = {
            "command": "answer",
            "from-tag": offerer.tag,
            "to-tag": answerer.tag,
            "sdp": _described(streams, lines),
        }
        talk.begun = True
        return self._ask(talk, command).addCallback(self._answered, offerer, answerer, (offer.sdp, sdp), lines)

    def part(self, side: Side) -> None:
        """Connect a side to nobody; what rtpengine forwarded until now, it forgets."""
        for talk in side.talks:
            self._delete(talk)
        super().part(side)

    def statistics(self, sides: Sequence[Side]) -> Deferred[list[tuple[StreamFacts, ...]]]:
        """The facts of each stream of each side.

        Of what was at rtpengine, loss and jitter are those that the other phone has reported (RTCP), 0 where it has
        not, and strangers are not counted.
        """
        return gatherResults([self._statistics(side) for side in sides])

    def _statistics(self, side: Side) -> Deferred[tuple[StreamFacts, ...]]:
        if not side.talks:
            return succeed(side.statistics())
        found = gatherResults([self._told_of(talk, side.tag) for talk in side.talks])
        return found.addCallback(lambda parts: _together([*parts, side.statistics()]))

    def _told_of(self, talk: Talk, tag: str) -> Deferred[tuple[StreamFacts, ...]]:
        """What rtpengine knows of one side of a call, or knew; nothing where it does not answer."""
        if talk.facts is None:
            found = self._ask(talk, {"command": "query"})
        else:
            found = Deferred()
            talk.facts.addBoth(_told, found)
        return found.addCallbacks(_facts, lambda _: (), callbackArgs=(tag,))

    def close(self, side: Side) -> None:
        """Release a side's ports, and its calls at rtpengine. No harm if done before."""
        if not side.closed:
            for talk in side.talks:
                self._delete(talk)
        super().close(side)

    # Asking

    def _forwarded_offer(
        self, offerer: Side, answerer: Side, described: str, tried: list[Instance]
    ) -> Deferred[dict[str, Any]]:
        """Offer at the instance that has the pair already, else at the next; at another when that one fails."""
        talk = self._talk(offerer, answerer)
        if talk is None or not talk.instance.alive:
            instance = self._instances.choose(tried)
            if instance is None:
                return fail(NoPorts("no rtpengine answers, or none takes the call"))
            talk = Talk(instance, self._tokens.token())
            offerer.talks.append(talk)
            answerer.talks.append(talk)
        command = {
            "command": "offer",
            "from-tag": offerer.tag,
            **({"to-tag": answerer.tag} if talk.begun else {}),
            "sdp": described,
            "ICE": "remove",
            "rtcp-mux": ["demux"],
            "address-family": "IP6" if answerer.is_ipv6 else "IP4",
            "flags": ["trust-address"],
        }
        return self._ask(talk, command).addErrback(self._try_another, talk, offerer, answerer, described, tried)

    def _try_another(
        self, failure: Failure, talk: Talk, offerer: Side, answerer: Side, described: str, tried: list[Instance]
    ) -> Deferred[dict[str, Any]]:
        if offerer.closed or answerer.closed or not isinstance(failure.value, NoPorts):
            raise reason_of(failure)
        for side in (offerer, answerer):
            side.talks.remove(talk)
        self._delete(talk)
        return self._forwarded_offer(offerer, answerer, described, [*tried, talk.instance])

    def _ask(self, talk: Talk, command: dict[str, Any]) -> Deferred[dict[str, Any]]:
        whole = {**command, "call-id": talk.call_id}
        asked: Deferred[dict[str, Any]] = talk.lock.run(self._instances.ask, talk.instance, whole)
        return asked

    def _delete(self, talk: Talk) -> None:
        """Have rtpengine forget a call, and keep what it knew of it."""
        if talk.facts is None:
            talk.facts = self._ask(talk, {"command": "query"})
            talk.facts.addErrback(_nothing)
            self._ask(talk, {"command": "delete", "delete-delay": 0}).addErrback(_nothing)

    @staticmethod
    def _talk(one: Side, other: Side) -> Talk | None:
        """The call of a pair at rtpengine, if there is one."""
        talks: list[Talk] = [talk for talk in one.talks if talk in other.talks and talk.facts is None]
        return talks[-1] if talks else None

    # Answers

    def _offered(
        self, answer: dict[str, Any], offerer: Side, answerer: Side, offer: Offer, lines: list[Media]
    ) -> Deferred[bytes]:
        if offerer.closed or answerer.closed or answerer.offer is not offer:
            return Deferred()
        return succeed(answerer.show(lines, _placed(answer, lines)))

    def _not_offered(self, failure: Failure, offerer: Side, answerer: Side, offer: Offer) -> Deferred[bytes]:
        if offerer.closed or answerer.closed or answerer.offer is not offer:
            return Deferred()
        self.withdraw(answerer)
        raise reason_of(failure)

    def _answered(
        self, answer: dict[str, Any], offerer: Side, answerer: Side, agreed: tuple[bytes, bytes], lines: list[Media]
    ) -> Deferred[bytes]:
        if offerer.closed or answerer.closed:
            return Deferred()
        host = _placed(answer, lines)
        offerer.said, answerer.said = agreed
        for side in (offerer, answerer):
            side.leave()
        return succeed(offerer.show(lines, host))


def _is_ours(streams: Sequence[Stream], offerer: Side, answerer: Side) -> bool:
    """Whether we relay it ourselves."""
    if offerer.informs or answerer.informs or any(stream.informs for stream in streams):
        return True
    if offerer.tap is not None or answerer.tap is not None or answerer.srtp.offers or answerer.srtp.requires:
        return True
    if answerer.is_holding or any(stream.active and stream.kind == "audio" and not stream.hears for stream in streams):
        return True
    sealed = any(stream.active and (stream.keys or stream.profile in SEALED) for stream in streams)
    return sealed or any(side.is_srtp(place) for side in (offerer, answerer) for place in range(len(side.ports)))


def _described(streams: Sequence[Stream], lines: Sequence[Media]) -> str:
    """What rtpengine may know of a description: formats, and where the phone is."""
    shown = []
    for stream, line in zip(streams, lines, strict=True):
        rows, connection, port = line.lines, line.connection, line.port
        if line.port and stream.rtp is not None:
            connection, port = _connection(stream.rtp[0]), stream.rtp[1]
            rows = (*rows, f"a=rtcp:{stream.rtcp[1]}") if stream.rtcp is not None else rows
        rows = tuple([row for row in rows if row != description.MUX])
        shown.append(Media(line.kind, port, line.profile, line.formats, 1, connection or _connection("0.0.0.0"), rows))
    nowhere = _connection("0.0.0.0")
    told = SessionDescription(f"- 1 1 {nowhere}", "-", nowhere, ("t=0 0",), tuple(shown))
    return sdp.serialise(told).decode("utf-8", "replace")


def _connection(host: str) -> str:
    return f"IN {'IP6' if ':' in host else 'IP4'} {host}"


def _placed(answer: dict[str, Any], lines: Sequence[Media]) -> str:
    """Write rtpengine's ports into m-lines. Returns its host.

    :raises NoPorts: when there are none in what it says.
    """
    text = answer.get("sdp")
    try:
        found = sdp.parse(text.encode() if isinstance(text, str) else b"")
    except (Malformed, UnicodeError) as error:
        raise NoPorts("rtpengine answers with no description") from error
    host = ""
    for line, place in zip(lines, found.media, strict=False):
        if line.port:
            host, line.port = found.host(place), place.port
            line.lines = tuple([row for row in line.lines if row != description.MUX])
    active = [line for line in lines if line.port]
    if len(found.media) != len(lines) or not description.unicast(host) or not active:
        raise NoPorts("rtpengine answers with a description that does not fit")
    return host


def _nothing(failure: Failure) -> dict[str, Any]:
    """What a silent rtpengine knows."""
    if not isinstance(failure.value, NoPorts):
        raise reason_of(failure)
    return {}


def _told(answer: Any, waiting: Deferred[Any]) -> Any:
    waiting.callback(answer)
    return answer


def _facts(answer: dict[str, Any], tag: str) -> tuple[StreamFacts, ...]:
    """What a `query` says of one side's streams.

    rtpengine has loss and jitter (in ms) by the source (SSRC) that they were reported of.
    """
    other = next((other for other in _table(answer, "tags") if other != tag), "")
    mine, theirs = _streams(answer, tag), _streams(answer, other)
    facts = []
    for place, (kind, codec, stream) in enumerate(mine):
        counted = _table(stream, "stats")
        reported = _table(_table(answer, "SSRC"), str(stream.get("SSRC")))
        quality = _table(reported, "average MOS")
        sent = _table(theirs[place][2], "stats") if place < len(theirs) else {}
        came = _number(counted, "packets")
        facts.append(
            StreamFacts(
                kind, _number(stream, "local port"), _address(stream, "advertised endpoint"),
                _address(stream, "endpoint") if came else None, 0.0, came, _number(counted, "bytes"),
                _number(sent, "packets"), _number(sent, "bytes"), max(_number(reported, "cumulative loss"), 0),
                _number(quality, "jitter") / 1000, float(_number(stream, "last packet")) if came else 0.0,
                _number(counted, "errors"), 0, codec.partition("/")[0].lower(),
            )
        )  # fmt: skip
    return tuple(facts)


def _together(parts: Sequence[tuple[StreamFacts, ...]]) -> tuple[StreamFacts, ...]:
    """The facts of streams that were here and there, the present ones last."""
    facts = []
    for place in range(max(map(len, parts))):
        first, *later = [part[place] for part in parts if place < len(part)]
        for one in later:
            first = _one_after(first, one)
        facts.append(first)
    return tuple(facts)


def _one_after(first: StreamFacts, then: StreamFacts) -> StreamFacts:
    heard = then if then.packets_in else first
    return then._replace(
        source=heard.source,
        latched_at=first.latched_at or then.latched_at,
        packets_in=first.packets_in + then.packets_in,
        octets_in=first.octets_in + then.octets_in,
        packets_out=first.packets_out + then.packets_out,
        octets_out=first.octets_out + then.octets_out,
        lost=first.lost + then.lost,
        jitter=heard.jitter,
        heard_at=heard.heard_at,
        garbage=first.garbage + then.garbage,
        strange=first.strange + then.strange,
        codec=then.codec or first.codec,
    )


def _streams(answer: dict[str, Any], tag: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Kind, codec and RTP stream of each m-line; what does not have that form is left out."""
    medias = _table(_table(answer, "tags"), tag).get("medias")
    found = []
    for media in medias if isinstance(medias, list) else ():
        streams = media.get("streams") if isinstance(media, dict) else None
        if isinstance(streams, list) and streams and isinstance(streams[0], dict):
            codec = media.get("codec")
            found.append((str(media.get("type")), codec if isinstance(codec, str) else "", streams[0]))
    return found


def _table(table: dict[str, Any], key: str) -> dict[str, Any]:
    found = table.get(key)
    return found if isinstance(found, dict) else {}


def _number(table: dict[str, Any], key: str) -> int:
    found = table.get(key)
    return found if isinstance(found, int) else 0


def _address(stream: dict[str, Any], key: str) -> Address | None:
    found = _table(stream, key)
    host, port = found.get("address"), _number(found, "port")
    return (host, port) if isinstance(host, str) and port else None
