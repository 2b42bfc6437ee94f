"""Telling a phone by INFO of the keys that are pressed at the other one: one for each, and one after the other.

Of two that overtake each other the phone would refuse one (RFC 3261 12.2.2).
"""

from __future__ import annotations

from collections import deque

from pbx.media.dtmf import PLAIN, RELAY, write_information
from pbx.sip.lasting_session import LastingSession
from pbx.sip.message import Response
from pbx.sip.session import CONFIRMED

MOST_KEYS = 32  # that wait; more are pressed by nobody


class Telling:
    """What one phone is told.

    :param session: its session.
    """

    __slots__ = ("_keys", "_kind", "_session")

    def __init__(self, session: LastingSession) -> None:
        self._session = session
        self._kind = RELAY
        self._keys: deque[str] = deque()  # the first is on its way

    def tell(self, key: str) -> None:
        """Tell it of a key, one of `pbx.media.dtmf.KEYS`."""
        if len(self._keys) < MOST_KEYS:
            self._keys.append(key)
            if len(self._keys) == 1:
                self._send()

    def response_received(self, response: Response) -> None:
        """The phone answered. One that does not know the one dialect is told in the other from now on."""
        if response.status < 200:
            return
        if response.status == 415 and self._kind == RELAY:
            self._kind = PLAIN
        else:
            self._keys.popleft()
        self._send()

    def transaction_failed(self, method: str, status: int, reason: str) -> None:
        """The phone did not answer: by now nobody waits for the rest."""
        self._keys.clear()

    def _send(self) -> None:
        if self._session.state is not CONFIRMED:
            self._keys.clear()
        elif self._keys:
            self._session.inform(self._kind, write_information(self._kind, self._keys[0]), self)
