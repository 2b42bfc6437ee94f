"""Lines: the trunks, as an administrator sees them through the control socket."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred

from pbx.exchange.link import Link
from pbx.exchange.trial import Trial
from pbx.exchange.trunks import Trunks
from pbx.faults import Fault
from pbx.rows import Row, moment
from pbx.sip.timers import Clock


class Lines:
    """The trunks of the running server."""

    def __init__(self, trunks: Trunks, clock: Clock) -> None:
        self._trunks = trunks
        self._clock = clock

    @property
    def commands(self) -> dict[str, Callable[..., object]]:
        """What the control socket may ask for."""
        return {"trunks": self.listed, "test_trunk": self.test}

    def listed(self) -> list[Row]:
        """Return a row for each trunk: what `pbx trunks` shows."""
        return [_row(link) for link in self._trunks.links.values()]

    def test(self, name: str) -> Deferred[list[Row]]:
        """Try a trunk, and return what works and what does not: what `pbx trunk test NAME` shows.

        :raises Fault: there is no such trunk.
        """
        link = self._trunks.links.get(name)
        if link is None:
            raise Fault("", 0, f"there is no trunk {name}", "`pbx trunk list` shows all")
        return Trial(link, self._clock).start()


def _row(link: Link) -> Row:
    registration, trip = link.registration, link.round_trip
    return {
        "name": link.trunk.name,
        "host": link.trunk.host,
        "state": link.state,
        "calls": link.calls,
        "max_calls": link.trunk.max_calls,
        "round_trip": None if trip is None else round(trip * 1000, 1),
        "registered_until": moment(registration.expires_at)
        if registration is not None and link.is_registered
        else None,
        "error": link.error,
    }
