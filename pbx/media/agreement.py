"""An agreement: what offer and answer come to for one phone's end of a stream. A value; equal calls have the same."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from pbx.media.formats import EVENTS, NOTHING, Formats, formats
from pbx.media.g711 import LAWS, Law
from pbx.media.telephone_event import NONE
from pbx.sip.sdp import Codec

Known = tuple[tuple[str, Codec], ...]


class Speech(NamedTuple):
    """How we can speak to a phone ourselves, in G.711.

    :param law: in which we speak.
    :param payload_type: under which payload type.
    :param laws: what the phone may send: laws by payload type.
    :param has_events: whether the phone tells of its keys in RTP (RFC 4733).
    """

    law: Law
    payload_type: int
    laws: dict[int, Law]
    has_events: bool


class Agreement(NamedTuple):
    """What a phone may send, and what it may be sent.

    :param formats: what may come from it.
    :param speech: how we can speak to it ourselves; None when there is no G.711 in what was agreed upon.
    :param names: payload type and codec of all that it has named; nothing where nobody looked.
    :param pad: the payload type under which it is told of keys (RFC 4733); -1 where it is not told in RTP.
    :param informs: whether it is told, and tells, by INFO, while the phone at the other end does so in RTP.
    """

    formats: Formats = NOTHING
    speech: Speech | None = None
    names: tuple[tuple[str, str], ...] = ()
    pad: int = NONE
    informs: bool = False


@lru_cache(maxsize=256)
def agreement(
    own: tuple[str, ...],
    own_codecs: tuple[str, ...],
    own_known: Known,
    told: tuple[str, ...],
    told_codecs: tuple[str, ...],
    told_known: Known,
    informs: bool = False,
    passes: bool = False,
) -> Agreement:
    """What two descriptions of a stream come to for the phone that gave the first.

    Each side sends under the payload types that the other one named (RFC 3264 section 5.1).

    :param own: the payload types that the phone named, in its order.
    :param own_codecs: its codecs for them.
    :param own_known: the encodings of its payload types, as far as they are explained.
    :param told: the payload types that it was told.
    :param told_codecs: the codecs that it was told.
    :param told_known: their encodings.
    :param informs: whether the telephone-event that it named is ours.
    :param passes: whether nobody here can read what the packets carry.
    """
    agreed = formats(own + told, own_known + told_known)
    if passes:
        return Agreement(agreed.unread)
    has_events = EVENTS in own_codecs and EVENTS in told_codecs
    pad = int(own[own_codecs.index(EVENTS)]) if has_events else NONE
    laws = {int(number): LAWS[name] for name, number in zip(told_codecs, told, strict=False) if name in LAWS}
    speech = None
    for name, number in zip(own_codecs, own, strict=False):
        if name in LAWS and LAWS[name] in laws.values():
            speech = Speech(LAWS[name], int(number), laws, has_events and not informs)
            break
    names = tuple(zip(own, own_codecs, strict=False))
    return Agreement(agreed, speech, names, NONE if informs else pad, informs and pad != NONE)
