"""A stream of a session description, as far as the relay must remember it. A value."""

from __future__ import annotations

from dataclasses import dataclass, field

from pbx.media.rtp import Address
from pbx.media.sdes import Crypto
from pbx.sip.sdp import SENDRECV, Codec


@dataclass(slots=True)
class Stream:
    """One m-line.

    :param kind: "audio", "video", or whatever a refused one was.
    :param profile: "RTP/AVP", for instance.
    :param formats: its payload types; of an audio stream those that were let through.
    :param codecs: the encodings let through, names in lower case; empty for video, where all are.
    :param active: False when the stream is refused or removed.
    :param rtp: where this side wants its RTP; None when it does not say (hold) or names no unicast IP address.
    :param rtcp: where it wants its RTCP.
    :param known: the encodings of its payload types, of those that the line explains.
    :param mux: whether it can take RTCP where its RTP goes (RFC 5761).
    :param direction: as the line, or its session, says it.
    :param sends: whether it is to send, as far as this side says.
    :param hears: whether it is to be sent anything, as far as this side says: not while it holds.
    :param keys: its `a=crypto` lines, as they are.
    :param seals: of an offer, the keys in them that we can honour, where we may.
    :param offers: our keys that were offered to the other side along with this stream.
    :param sealed_only: whether it was offered as SRTP and as nothing else.
    :param sealed: the keys that were agreed upon, ours and this side's; None for no SRTP with us.
    :param passes: whether its keys go to the other side instead.
    :param informs: whether its phone has no telephone-event but takes INFO, and the other side is told otherwise: the
        telephone-event among its formats is ours.
    """

    kind: str
    profile: str
    formats: tuple[str, ...]
    codecs: tuple[str, ...] = ()
    active: bool = False
    rtp: Address | None = None
    rtcp: Address | None = None
    known: tuple[tuple[str, Codec], ...] = ()
    mux: bool = False
    direction: str = SENDRECV
    sends: bool = True
    hears: bool = True
    keys: tuple[str, ...] = field(default=(), repr=False)
    seals: tuple[Crypto, ...] = ()
    offers: tuple[Crypto, ...] = ()
    sealed_only: bool = False
    sealed: tuple[Crypto, Crypto] | None = None
    passes: bool = False
    informs: bool = False
