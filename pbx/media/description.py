"""Offer and answer (RFC 3264) as one in the middle reads them: what a description means to the relay, and what of it
the other side may see. Values only; nothing of one side reaches the other but what the allow-lists here name.

Every stream keeps its place. One that cannot be relayed is refused in place, with port 0, towards both sides alike.
Audio is filtered by the configured codecs, in the order of whoever wrote it; video passes with all its formats.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton

from pbx.media import keying
from pbx.media.formats import EVENTS
from pbx.media.keying import NO_SRTP, SEALED, Terms
from pbx.media.sdes import CRYPTO
from pbx.media.stream import Stream
from pbx.sip import sdp
from pbx.sip.errors import Malformed
from pbx.sip.sdp import INACTIVE, RECVONLY, SENDONLY, SENDRECV, Codec, Media, SessionDescription

_KINDS = frozenset({"audio", "video"})
_PROFILES = frozenset({"RTP/AVP", "RTP/AVPF", *SEALED})
# Lines that may cross: with the payload type that they are about, and those about the stream as a whole.
_PAYLOAD_LINES = frozenset({"a=rtpmap", "a=fmtp", "a=rtcp-fb"})
_STREAM_LINES = frozenset({"a=ptime", "a=maxptime", "a=framerate", "a=label", "a=content", "b=AS", "b=TIAS"})
# Formats that say nothing by themselves: a stream of these alone is no use to anybody.
_SPEECHLESS = frozenset({"telephone-event", "cn"})
_OWN_CODECS = frozenset({"pcmu", "pcma"})
PLAIN = _OWN_CODECS | {EVENTS, "cn"}  # what we understand ourselves
_OWN_OFFER = (
    "a=rtpmap:0 PCMU/8000", "a=rtpmap:8 PCMA/8000", "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15",
    "a=ptime:20", "a=sendrecv",
)  # fmt: skip
_HELD = frozenset({"0.0.0.0", "::"})  # RFC 3264 section 8.4: hold as RFC 2543 spelt it
_HOLD = {SENDRECV: SENDONLY, SENDONLY: SENDONLY, INACTIVE: SENDONLY, RECVONLY: INACTIVE}
"""What a phone that does not want to hear anything is shown as, by the direction that it writes."""

_PAYLOADS = frozenset(map(str, range(128)))
_DYNAMIC = ("101", *map(str, range(96, 128)))  # RFC 3551 section 6; the first is everybody's for telephone-event
MUX = "a=rtcp-mux"
_MOST_STREAMS = 4  # each costs four sockets: an offer must not be able to take the whole range


def read_offer(
    body: bytes, allowed: frozenset[str], srtp: Terms = NO_SRTP, passes: bool = False, informs: bool = False
) -> tuple[list[Stream], list[Media]]:
    """Judge an offer. Returns its streams and the m-lines that the answerer may see, ports and keys still to be set.

    :param allowed: the configured codecs' names in lower case.
    :param srtp: what of SRTP there may be with the offerer.
    :param passes: whether its keys go to the answerer.
    :param informs: whether the offerer takes INFO: its keys, without telephone-event, are offered as such.
    :raises Malformed: 400 when it is no description, 488 when nothing of it can be relayed.
    """
    description = sdp.parse(body)
    streams: list[Stream] = []
    lines: list[Media] = []
    active = 0
    for media in description.media:
        stream = _stream(description, media)
        if stream.active and (stream.keys or srtp.requires or media.profile in SEALED):
            keying.read_offer(stream, srtp, passes)
        if stream.active and media.kind == "audio":
            kept = _kept(stream.known, allowed)
            if kept is None:
                stream.active = False
            else:
                stream.formats, stream.codecs = kept
            if informs and EVENTS in allowed:
                _inform(stream, _free(media.formats))
        if active == _MOST_STREAMS:
            stream.active = False
        active += stream.active
        streams.append(stream)
        # However it is spelt, hold is hold: the other phone is to hear our music meanwhile (RFC 3264 8.4).
        direction = stream.direction
        lines.append(_line(media, stream, stream.mux, direction if stream.hears else _HOLD[direction]))
    if active < len(streams):
        _require(description, streams)
    return streams, lines


def read_answer(body: bytes, asked: Sequence[Stream], informs: bool = False) -> tuple[list[Stream], list[Media]]:
    """Judge the answer to an offer. Returns its streams and the m-lines that the offerer may see.

    One with fewer streams than the offer breaks RFC 3264 section 6, but clearly refuses what it leaves out.

    :param asked: the offer's streams, as `read_offer` returned them.
    :param informs: whether the answerer takes INFO: a telephone-event that it does not take is taken for it.
    :raises Malformed: 400 when it is no description, 488 when it does not fit the offer.
    """
    description = sdp.parse(body)
    if len(description.media) > len(asked):
        raise Malformed(488, "Answer has more streams than the offer")
    streams, lines = [], []
    for media, offered in zip(description.media, asked, strict=False):
        if media.kind != offered.kind:
            raise Malformed(488, "Answer has another kind of stream than the offer")
        stream = _stream(description, media)
        if stream.active and not offered.active:
            stream.active = False
        if stream.active and media.kind == "audio":
            kept = _kept(stream.known, offered.codecs)
            if kept is None:
                raise Malformed(488, "Answer has no codec in common with the offer")
            stream.formats, stream.codecs = kept
            if informs and not offered.informs and EVENTS in offered.codecs:
                payload = offered.formats[offered.codecs.index(EVENTS)]
                # The answerer may use it for something else (RFC 3264 section 6.1).
                _inform(stream, payload if payload not in stream.formats else _free(stream.formats))
        if stream.active and (offered.passes or offered.offers or media.profile in SEALED):
            keying.read_answer(stream, offered)
        if media.port and offered.active and not stream.active:
            raise Malformed(488, "Answer has another profile than the offer")
        stream.mux = stream.mux and offered.mux  # RFC 5761 section 5.1.1: an answer only accepts it
        streams.append(stream)
        direction = stream.direction if offered.sends or offered.hears else INACTIVE  # RFC 3264 6.1
        line = _line(media, stream, offered.mux, direction, offered.informs)
        line.profile = offered.profile
        lines.append(line)
    for offered in asked[len(streams) :]:
        streams.append(Stream(offered.kind, offered.profile, offered.formats))
        lines.append(_refusal(offered))
    return streams, lines


def own_answer(body: bytes, srtp: Terms = NO_SRTP) -> tuple[list[Stream], list[Media]]:
    """Answer an offer with media that we end ourselves: the first audio stream that has G.711, and keys if it has them.

    :param srtp: what of SRTP there may be with the offerer.
    :raises Malformed: 400 when it is no description, 488 when it offers no G.711.
    """
    description = sdp.parse(body)
    streams: list[Stream] = []
    lines: list[Media] = []
    for media in description.media:
        stream = _stream(description, media)
        own: list[str] = []
        if stream.active:
            keying.read_offer(stream, srtp, passes=False)
        if stream.active and media.kind == "audio" and not any(other.active for other in streams):
            own = _own_choice(stream, media)
        stream.active = bool(own)
        streams.append(stream)
        if own:
            own.append(f"a={sdp.MIRRORED[stream.direction]}")
            lines.append(Media(media.kind, media.port, media.profile, stream.formats, lines=tuple(own)))
        else:
            lines.append(_refusal(stream))
    _require(description, streams)
    return streams, lines


def own_offer(shown: bytes) -> tuple[list[Stream], list[Media]]:
    """Offer media that we end ourselves: PCMU, PCMA and keys (RFC 4733), 20 ms a packet.

    :param shown: the description that this phone saw last, b"" when none: its streams keep their places, refused but
        for one (RFC 3264 section 8).
    """
    streams = [Stream(m.kind, m.profile, m.formats) for m in (sdp.parse(shown).media if shown else ())]
    place = next((place for place, stream in enumerate(streams) if stream.kind == "audio"), len(streams))
    payloads, names = ("0", "8", "101"), ("pcmu", "pcma", EVENTS)
    known = tuple([(payload, Codec(name, 8000)) for payload, name in zip(payloads, names, strict=True)])
    streams[place : place + 1] = [Stream("audio", "RTP/AVP", payloads, names, True, known=known)]
    lines = [_refusal(stream) for stream in streams]
    lines[place] = Media("audio", 1, "RTP/AVP", ("0", "8", "101"), lines=_OWN_OFFER)
    return streams, lines


def _stream(description: SessionDescription, media: Media) -> Stream:
    """What the line says of itself: whether it is of a kind that we relay, and where it is to be sent."""
    if media.port == 0 or media.kind not in _KINDS or media.profile not in _PROFILES:
        return Stream(media.kind, media.profile, media.formats)
    host = sdp.host(media.connection or description.connection)
    keys: list[str] = []
    for line in media.lines:
        if line.startswith(CRYPTO):
            keys.append(line)
    if keys:  # they are nobody else's, and of no use to what is read once and kept
        media.lines = tuple([line for line in media.lines if line not in keys])
    known, mux, elsewhere, direction = _said(media.formats, media.lines, description.lines)
    rtcp_host, rtcp_port = elsewhere or ("", media.port + 1)
    address = unicast(host)
    rtcp_address = unicast(rtcp_host) if rtcp_host else address
    return Stream(
        media.kind,
        media.profile,
        media.formats,
        active=True,
        rtp=(address, media.port) if address else None,
        rtcp=(rtcp_address, rtcp_port) if rtcp_address and rtcp_port < 65536 else None,
        known=known,
        mux=mux,
        direction=direction,
        sends=direction in (SENDRECV, SENDONLY),
        hears=direction in (SENDRECV, RECVONLY) and host not in _HELD,
        keys=tuple(keys),
    )


@lru_cache(maxsize=256)  # phones of one make say the same
def _said(
    formats: tuple[str, ...], lines: tuple[str, ...], session: tuple[str, ...]
) -> tuple[tuple[tuple[str, Codec], ...], bool, tuple[str, int] | None, str]:
    """What the lines under an m-line, and those of the session, say of it: the payload types that are explained, with
    their encodings, whether RTCP may share RTP's port, where else RTCP is to go, and the direction."""
    known = tuple(sdp.codecs(formats, lines).items())
    return known, MUX in lines, sdp.rtcp(lines), sdp.direction(lines + session)


@lru_cache(maxsize=256)
def _kept(
    known: tuple[tuple[str, Codec], ...], allowed: frozenset[str] | tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """Of an audio stream's payload types those that may pass, and their codecs; None when none of them carries speech.

    Codecs are compared by name alone: phones write the rate of G.722 and the channels of Opus in several ways.
    """
    kept = [(payload, codec.name) for payload, codec in known if codec.name in allowed and payload in _PAYLOADS]
    names = tuple([name for _, name in kept])
    return None if _SPEECHLESS.issuperset(names) else (tuple([payload for payload, _ in kept]), names)


def _inform(stream: Stream, payload: str) -> None:
    """Give an audio stream without telephone-event one, unless nobody in between can read what passes.

    :param payload: its payload type; "" when none is free.
    """
    if not stream.active or stream.passes or EVENTS in stream.codecs or not payload:
        return
    rates = {codec.rate for number, codec in stream.known if number in stream.formats}
    rate = 8000 if 8000 in rates else min(rates)  # that of the sound (RFC 4733 section 2.1)
    stream.informs = True
    stream.known = (*stream.known, (payload, Codec(EVENTS, rate)))
    stream.formats, stream.codecs = (*stream.formats, payload), (*stream.codecs, EVENTS)


def _free(formats: tuple[str, ...]) -> str:
    """A payload type for telephone-event among these; "" when there is none."""
    return next((payload for payload in _DYNAMIC if payload not in formats), "")


def _explained(payload: str, rate: int) -> tuple[str, str]:
    """What says that a payload type is telephone-event: the sixteen keys."""
    return f"a=rtpmap:{payload} {EVENTS}/{rate}", f"a=fmtp:{payload} 0-15"


def _own_choice(stream: Stream, media: Media) -> list[str]:
    """Leave in an audio stream its first G.711 and its keys. Returns the lines that say so; none without G.711."""
    codecs = media.codecs()
    speech = next((payload for payload, codec in codecs.items() if codec.name in _OWN_CODECS), None)
    if speech is None:
        return []
    keys = next((payload for payload, codec in codecs.items() if codec == (EVENTS, 8000, 1)), None)
    lines = [f"a=rtpmap:{speech} {codecs[speech].name.upper()}/8000"]
    stream.formats, stream.codecs = (speech,), (codecs[speech].name,)
    if keys is not None:
        lines += _explained(keys, 8000)
        stream.formats, stream.codecs = (speech, keys), (*stream.codecs, EVENTS)
    lines.append("a=ptime:20")
    if stream.mux:
        lines.append(MUX)
    return lines


def _line(media: Media, stream: Stream, mux: bool, direction: str, mute: bool = False) -> Media:
    """The m-line that the other side may see. Its port says only whether the stream is refused.

    :param mux: whether that side is offered, or has offered, to share RTP's port with RTCP: each of them by itself.
    :param direction: as that side is to see it.
    :param mute: whether that side is not to see a telephone-event that it has not offered.
    """
    if not stream.active:
        return _refusal(stream)
    shown, own = stream.formats, (MUX,) if mux else ()
    if mute:
        shown = tuple([one for one, codec in zip(shown, stream.codecs, strict=True) if codec != EVENTS])
    if stream.informs:
        own = (*_explained(shown[-1], stream.known[-1][1].rate), *own)
    lines = (*_crossing(media.lines, shown), *own, f"a={direction}")
    plain = SEALED.get(media.profile, media.profile)
    return Media(media.kind, media.port, plain, shown, lines=lines)


@lru_cache(maxsize=256)
def _crossing(lines: tuple[str, ...], formats: tuple[str, ...]) -> tuple[str, ...]:
    """Of the lines under an m-line those that the other side may see, when these payload types are left of it."""
    crossing = []
    for line in lines:
        name, _, value = line.partition(":")
        if name in _PAYLOAD_LINES:
            payload = value.partition(" ")[0]
            if payload in formats or payload == "*":
                crossing.append(line)
        elif name in _STREAM_LINES:
            crossing.append(line)
    return tuple(crossing)


def _refusal(stream: Stream) -> Media:
    return Media(stream.kind, 0, stream.profile, stream.formats or ("0",))


def _require(description: SessionDescription, streams: Sequence[Stream]) -> None:
    """Refuse an offer of which nothing is left; when it offered audio, some audio must be left."""
    asked = {media.kind for media in description.media if media.port}
    left = {stream.kind for stream in streams if stream.active}
    if asked and (not left or "audio" in asked - left):
        raise Malformed(488, "No stream of the offer can be relayed")


@lru_cache(maxsize=1024)
def unicast(host: str) -> str:
    """A unicast IP address as sockets spell it; "" for a name, for a group, for "nowhere"."""
    family = AF_INET6 if ":" in host else AF_INET
    try:
        packed = inet_pton(family, host)
    except (OSError, ValueError):
        return ""
    group = packed[0] == 0xFF or not any(packed) if family == AF_INET6 else packed[0] == 0 or packed[0] >= 224
    return "" if group else inet_ntop(family, packed)
