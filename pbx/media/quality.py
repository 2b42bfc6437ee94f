"""How speech sounds after a network has carried it: the E-model (ITU-T G.107), as far as one who forwards RTP can know.

Of its impairments two are measured, loss and jitter. What is not known here (the delay of the way, echo, noise) has the
recommendation's default values, so that a way without faults has R = 93.2.
"""

from __future__ import annotations

_BEST = 93.2  # R of a way without faults (G.107 table 3, all parameters by default)
_FRAME = 0.02  # seconds of speech in a packet
_NOTICED = 0.1773  # seconds of delay from which a talk suffers doubly (G.107, as simplified by R. Cole, J. Rosenbluth)

# What a codec costs without loss, and how well it bears loss (Ie and Bpl of ITU-T G.113 appendix I, with concealment).
_CODECS = {"g729": (11.0, 19.0), "gsm": (20.0, 10.0), "ilbc": (11.0, 32.0), "g723": (15.0, 16.1)}
_OTHER = (0.0, 25.1)  # G.711; of wideband codecs it is what they are worth on this scale


def mean_opinion(codec: str, packets: int, lost: int, jitter: float) -> float | None:
    """The mean opinion score (MOS-CQE) of one direction, 1.0 to 4.5; None where nothing came.

    :param codec: its name in SDP.
    :param packets: those that came.
    :param lost: those that did not.
    :param jitter: seconds (RFC 3550 6.4.1).
    """
    if packets <= 0:
        return None
    impairment, robustness = _CODECS.get(codec.lower(), _OTHER)
    loss = 100 * max(0, lost) / (packets + max(0, lost))  # per cent
    effective = impairment + (95 - impairment) * loss / (loss + robustness)  # G.107 7.5, random loss
    delay = _FRAME + 2 * jitter  # the receiver's buffer has to hold what is late
    waiting = 24 * delay + 110 * max(0.0, delay - _NOTICED)
    return _score(_BEST - waiting - effective)


def _score(rating: float) -> float:
    """From the rating factor R to the opinion (G.107 annex B)."""
    if rating <= 0:
        return 1.0
    rating = min(rating, 100.0)
    return max(1.0, round(1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6, 2))
