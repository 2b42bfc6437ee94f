"""The keys of a phone, in whatever form it tells of them: in RTP (RFC 4733), by INFO, or in tones. Each counts once.

Some phones tell of a key in two forms at once. The form that is heard first counts, and the others do not, until offer
and answer agree anew.
"""

from __future__ import annotations

from pbx.media.dtmf import KEYS, Detector

_EVENTS, _INFORMATION, _TONES = "telephone-event", "INFO", "tones"


class Keys:
    """The keys of one phone. Each method returns the keys that are pressed by what it is told, "" when none is."""

    __slots__ = ("_detector", "_form")

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Offer and answer agree anew: any form may be heard."""
        self._form = ""
        self._detector: Detector | None = None

    def came_in_rtp(self) -> None:
        """A telephone-event has come, of which we may not have been told yet."""
        self._form = self._form or _EVENTS

    def told(self, key: str) -> str:
        """A telephone-event came. What is no key of the pad (flash) is none."""
        return self._counted(_EVENTS, key if key in KEYS else "")

    def informed(self, key: str) -> str:
        """An INFO about a key came."""
        return self._counted(_INFORMATION, key)

    def heard(self, pcm: bytes) -> str:
        """Sound came, from a phone that has no telephone-event."""
        if self._form not in ("", _TONES):
            return ""
        if self._detector is None:
            self._detector = Detector()
        return self._counted(_TONES, self._detector.hear(pcm))

    def _counted(self, form: str, keys: str) -> str:
        if keys:
            self._form = self._form or form
        return keys if self._form == form else ""
