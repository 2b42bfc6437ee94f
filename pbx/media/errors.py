"""The one way in which media fails that is neither the peer's fault nor our own misuse."""

from __future__ import annotations


class NoPorts(Exception):
    """No RTP/RTCP port pair is left, or the machine has no descriptors. The caller gets 503.

    :param why: a sentence for the log, without a full stop.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why
