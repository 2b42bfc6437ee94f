"""Session timers (RFC 4028): a session lasts only as long as one side says, now and then, that it does.

The machine runs for one dialog; each INVITE and UPDATE, ours or the peer's, agrees on its interval anew. A peer that
knows nothing of it is refreshed by us.
"""

from __future__ import annotations

from collections.abc import Callable
from math import floor

from pbx.sip.errors import Malformed, Refused
from pbx.sip.grammar import Parameters
from pbx.sip.headers import MIN_SE, SESSION_EXPIRES, Field, Row
from pbx.sip.message import Request, Response
from pbx.sip.timers import Clock, Timer

TAG = "timer"
INTERVAL = 1800  # seconds that a session lasts without refresh, where nobody wishes otherwise (RFC 4028 4.2)
SHORTEST = 90  # seconds: shorter ones are refused (RFC 4028 section 5)
_LONGEST = 86_400  # seconds
_MARGIN = 32  # seconds before the end at which the other side is hung up (RFC 4028 section 10)
ASKED = SESSION_EXPIRES.field(INTERVAL)


class SessionTimer:
    """The timer of one dialog.

    :param refresh: called when it is time for us to refresh the session.
    :param expired: called once, when nobody did.
    :ivar interval: seconds from one refresh to the end.
    :ivar ours: whether it is us who refresh.
    :ivar due: whether our refresh is due, and has not happened yet.
    :ivar shortest: the shortest interval that the peer, or a proxy, takes.
    """

    __slots__ = ("_clock", "_deadline", "_expired", "_refresh", "_timer", "due", "interval", "ours",
                 "shortest")  # fmt: skip

    def __init__(self, clock: Clock, refresh: Callable[[], None], expired: Callable[[], None]) -> None:
        self.interval = INTERVAL
        self.ours = True
        self.due = False
        self.shortest = 0
        self._clock = clock
        self._refresh = refresh
        self._expired = expired
        self._timer: Timer | None = None
        self._deadline = 0

    def run(self, interval: int, ours: bool) -> None:
        """The session was refreshed, or has begun.

        :param ours: whether the next refresh is ours: after half the time (RFC 4028 section 10).
        """
        self.stop()
        self.interval = interval
        self.ours = ours
        self.due = False
        now = self._clock.seconds()
        # On whole seconds: a clock keeps the place of a timer that was cancelled, and most of these are.
        self._deadline = floor(now + interval - min(_MARGIN, interval / 3))
        if ours:
            self._timer = self._clock.callLater(floor(now + interval / 2) - now, self._due)
        else:
            self._timer = self._clock.callLater(self._deadline - now, self._over)

    def again(self, delay: float) -> None:
        """Our refresh was impossible or refused: try again, unless it is too late by then.

        :param delay: seconds.
        """
        self.stop()
        left = max(0.0, self._deadline - self._clock.seconds())
        if delay < left:
            self._timer = self._clock.callLater(delay, self._due)
        else:
            self._timer = self._clock.callLater(left, self._over)

    def stop(self) -> None:
        """The session is over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def fields(self) -> tuple[Field, ...]:
        """What a refresh says, or any request that could be one (RFC 4028 7.4): who refreshes, seen from us."""
        refresher = "uac" if self.ours else "uas"
        asked = SESSION_EXPIRES.field(f"{max(self.interval, self.shortest)};refresher={refresher}")
        return (asked, MIN_SE.field(self.shortest)) if self.shortest else (asked,)

    def _due(self) -> None:
        self._timer = self._clock.callLater(max(0.0, self._deadline - self._clock.seconds()), self._over)
        self.due = True
        self._refresh()

    def _over(self) -> None:
        self._timer = None
        self._expired()

    def __repr__(self) -> str:
        return f"<session timer of {self.interval} s, refreshed by {'us' if self.ours else 'the peer'}>"


def granted(request: Request, understood: bool) -> tuple[int, bool]:
    """What our 2xx to an INVITE or UPDATE grants: the interval, and whether it is us who refresh (RFC 4028 section 9).

    :param understood: whether the peer knows session timers.
    :raises Refused: 422 when it asks for less than we allow.
    :raises Malformed: 400.
    """
    asked = request.one(SESSION_EXPIRES)
    if asked is None or (asked[0] < SHORTEST and not understood):
        # What a proxy asked for in the name of a peer that would not understand the 422 is as if not asked for.
        return INTERVAL, not understood
    seconds, parameters = asked
    if seconds < SHORTEST:
        raise Refused(422, MIN_SE.field(SHORTEST))
    floor = request.one(MIN_SE)
    interval = min(seconds, max(INTERVAL, floor[0] if floor is not None else 0), _LONGEST)
    return interval, not understood or (parameters.get("refresher") or "").lower() == "uas"


def agreed(response: Response) -> tuple[int, bool]:
    """What the peer's 2xx says: the interval, and whether it is us who refresh (RFC 4028 7.2).

    One that says nothing, or nothing that can be read, knows no session timers.
    """
    said = _said(response, SESSION_EXPIRES)
    if said is None:
        return INTERVAL, True
    seconds, parameters = said
    return min(max(seconds, SHORTEST), _LONGEST), (parameters.get("refresher") or "").lower() != "uas"


def shortest_of(response: Response) -> int:
    """The interval with which a request refused by 422 may be sent again (RFC 4028 7.3); 0 when it says none."""
    said = _said(response, MIN_SE)
    return min(max(said[0], SHORTEST), _LONGEST) if said is not None else 0


def granting(interval: int, ours: bool) -> Field:
    """The field of our 2xx."""
    return SESSION_EXPIRES.field(f"{interval};refresher={'uas' if ours else 'uac'}")


def _said(response: Response, row: Row[tuple[int, Parameters]]) -> tuple[int, Parameters] | None:
    try:
        return response.one(row)
    except Malformed:
        return None
