"""Keying: which streams are SRTP, and by whose keys (RFC 4568). Each phone shares keys with us, never with the other
phone, unless the exchange is told to pass them.

Keys go over encrypted signalling or not at all. A stream that begins as SRTP is never offered without again. Beside the
profiles of RFC 4568 section 7.1 there is what phones call optional SRTP: keys under RTP/AVP, which bind nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from pbx.media.sdes import Crypto, cryptos
from pbx.media.stream import Stream
from pbx.sip.errors import Malformed
from pbx.sip.sdp import Media

MODES = ("accept", "off", "offer", "require", "pass")
SEALED = {"RTP/SAVP": "RTP/AVP", "RTP/SAVPF": "RTP/AVPF"}
_SEALING = {plain: sealed for sealed, plain in SEALED.items()}
_OFFERED = ("AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32")  # RFC 4568 section 6.2: what everybody has

# Makes our key of a suite for one stream of one side; asked again for the same, it gives the same.
Maker = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class Terms:
    """What of SRTP there may be with one phone.

    :param takes: its keys are taken, and it may get ours.
    :param offers: it is offered SRTP whatever the other phone speaks.
    :param requires: without SRTP there is no stream.
    :param passes: keys may pass to and from a phone of the same terms.
    """

    takes: bool = False
    offers: bool = False
    requires: bool = False
    passes: bool = False


NO_SRTP = Terms()


@cache
def terms(mode: str, encrypted: bool) -> Terms:
    """The terms of a phone.

    :param mode: one of `MODES`.
    :param encrypted: whether its signalling is, up to us (RFC 4568 section 7: whoever reads the key hears the call).
    """
    required = mode == "require"
    if not encrypted or mode == "off":
        return Terms(requires=True) if required else NO_SRTP
    return Terms(True, mode == "offer" or required, required, mode == "pass")


def read_offer(stream: Stream, terms: Terms, passes: bool) -> None:
    """Judge the keys that a phone offers with a stream; without those that it needs, it is refused.

    :param passes: whether its keys go to the other phone.
    """
    stream.passes = passes and bool(stream.keys)
    if not stream.passes:
        stream.seals = cryptos(stream.keys) if terms.takes else ()
        if not stream.seals and (stream.profile in SEALED or terms.requires):
            stream.active = False


def write_offer(stream: Stream, line: Media, terms: Terms, began: bool, make: Maker) -> None:
    """Offer a phone keys with a stream, as its terms and the offer that it comes from want it.

    :param stream: of that offer; it remembers what was offered.
    :param began: whether this phone has that stream as SRTP already.
    :raises Malformed: 488, when it cannot be SRTP and has to.
    """
    if stream.passes:
        line.profile = stream.profile
        line.lines += stream.keys
        return
    if terms.requires and not terms.takes:
        raise Malformed(488, "SRTP is required, and signalling is not encrypted")
    stream.sealed_only = terms.takes and (terms.offers or began or stream.profile in SEALED)
    if terms.takes and (stream.sealed_only or stream.seals):
        stream.offers = tuple([Crypto(tag, suite, make(suite)) for tag, suite in enumerate(_OFFERED, 1)])
        line.lines += tuple([crypto.line for crypto in stream.offers])
        if stream.sealed_only:
            line.profile = _SEALING[line.profile]


def read_answer(stream: Stream, offered: Stream) -> None:
    """Judge the keys in an answer: of one of the lines that were offered (RFC 4568 section 5.1.3).

    :param offered: the stream that `write_offer` wrote, or that passed.
    """
    if offered.passes:
        stream.passes = bool(stream.keys)
        missing = stream.profile != offered.profile or (stream.profile in SEALED and not stream.keys)
        stream.active = stream.active and not missing
        return
    if offered.offers:
        ours = {(crypto.tag, crypto.suite): crypto for crypto in offered.offers}
        theirs = next((crypto for crypto in cryptos(stream.keys) if (crypto.tag, crypto.suite) in ours), None)
        if theirs is not None:
            stream.sealed = (ours[theirs.tag, theirs.suite], theirs)
    if stream.sealed is None and (offered.sealed_only or stream.profile in SEALED):
        stream.active = False


def write_answer(offered: Stream, answered: Stream, line: Media, make: Maker) -> None:
    """Answer the keys that a phone has offered: the first that we can honour (RFC 4568 section 5.1.2).

    :param answered: what the other side said, or we.
    :param line: the answer's, of the profile that was offered.
    """
    if not answered.active:
        return
    if offered.passes:
        offered.passes = answered.passes
        line.lines += answered.keys
    elif offered.seals:
        theirs = offered.seals[0]
        ours = Crypto(theirs.tag, theirs.suite, make(theirs.suite))
        offered.sealed = (ours, theirs)
        line.lines += (ours.line,)
