"""A trial of one trunk, for whoever sets it up: what works, and what does not, each in a sentence."""

from __future__ import annotations

from typing import NamedTuple

from twisted.internet.defer import Deferred

from pbx.exchange.link import Link
from pbx.sip.timers import Clock, Timer

PATIENCE = 8.5
"""Seconds that it takes at most: the command waits for ten."""

REMEDIES = {
    401: "check the user name and the password",
    403: "check the user name and the password; the provider may want calls from another address",
    404: "check the user name: the provider does not know it",
    407: "check the user name and the password",
    408: "check the host, the transport, and whether a firewall stands between",
}


class Finding(NamedTuple):
    """One thing that was tried.

    :ivar what: "REGISTER", "OPTIONS" or "settings".
    :ivar works: whether it does; None where that is not known.
    :ivar sentence: for people.
    """

    what: str
    works: bool | None
    sentence: str


class Trial:
    """One such trial."""

    __slots__ = ("_clock", "_done", "_findings", "_link", "_open", "_started", "_timer")

    def __init__(self, link: Link, clock: Clock) -> None:
        self._link = link
        self._clock = clock
        self._findings: list[Finding] = []
        self._open: set[str] = set()
        self._done: Deferred[list[dict[str, object]]] = Deferred()
        self._started = clock.seconds()
        self._timer: Timer | None = None

    def start(self) -> Deferred[list[dict[str, object]]]:
        """Try it; fires with a row for each finding."""
        link = self._link
        name = link.trunk.name
        if not link.trunk.enabled:
            self._find("settings", False, f"{name} is disabled; enable it with `pbx trunk set {name} --enable`")
        elif link.trunk.trouble:
            self._find("settings", False, link.trunk.trouble)
        else:
            self._open.add("OPTIONS")
            link.watchers.append(self._told)
            self._timer = self._clock.callLater(PATIENCE, self._over)
            if link.registration is not None:
                self._open.add("REGISTER")
                link.registration.hurry()
            link.ask()
        if not self._open:
            self._over()
        return self._done

    def _told(self, method: str, status: int, words: str) -> None:
        if method not in self._open:
            return
        self._open.discard(method)
        link, seconds = self._link, self._clock.seconds() - self._started
        name, way = link.trunk.name, link.trunk.server
        if method == "REGISTER" and status < 300:
            self._find(method, True, f"{name} is registered as {link.trunk.aor} at {way}")
        elif method == "REGISTER":
            remedy = REMEDIES.get(status, "ask the provider")
            self._find(method, False, f"{name} refuses to register us: {status} {words}; {remedy}")
        elif not status:
            self._find(method, None, f"{way} does not answer OPTIONS; {REMEDIES[408]}, unless the provider knows none")
        elif status in (408, 430, 503):
            self._find(method, False, f"{way} answers OPTIONS with {status} {words}; ask the provider")
        else:
            self._find(method, True, f"{way} answers OPTIONS with {status} within {seconds * 1000:.0f} ms")
        if not self._open:
            self._over()

    def _find(self, what: str, works: bool | None, sentence: str) -> None:
        self._findings.append(Finding(what, works, sentence))

    def _over(self) -> None:
        if self._timer is not None and self._open:
            self._timer = None
        elif self._timer is not None:
            self._timer.cancel()
        if self._told in self._link.watchers:
            self._link.watchers.remove(self._told)
        for method in sorted(self._open):
            words = f"{self._link.trunk.name} does not answer {method}; {REMEDIES[408]}"
            self._find(method, None if method == "OPTIONS" else False, words)
        self._open.clear()
        self._done.callback([finding._asdict() for finding in self._findings])
