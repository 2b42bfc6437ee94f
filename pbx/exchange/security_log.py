"""The security log: one line an event, with a stable name, and a count of each name that nothing can suppress.

A line never holds more than printable ASCII of what a stranger wrote, and a flood of events writes a bounded number of
lines a minute: what was left out is counted, and said in a line of its own.
"""

from __future__ import annotations

from collections import Counter

from twisted.logger import Logger

from pbx.sip.timers import Clock

LINES = 30
"""Lines of one name in a minute."""

_MINUTE = 60.0
_LONGEST = 64  # characters of a value

_log = Logger(namespace="pbx.security")


class SecurityLog:
    """Writes events.

    :param clock: the time.
    :ivar counts: how often each event happened.
    """

    __slots__ = ("_clock", "_minute", "_written", "counts")

    def __init__(self, clock: Clock) -> None:
        self.counts: Counter[str] = Counter()
        self._clock = clock
        self._minute = 0.0
        self._written: Counter[str] = Counter()

    def tell(self, event: str, address: str, **facts: object) -> None:
        """Write an event.

        :param event: its name, one of those in docs/operating.
        :param address: who caused it.
        :param facts: what else is known, in a stable order.
        """
        self.counts[event] += 1
        now = self._clock.seconds()
        if now >= self._minute + _MINUTE:
            self._catch_up()
            self._minute = now
        self._written[event] += 1
        if self._written[event] <= LINES:
            _write(event, {"address": address, **facts})

    def _catch_up(self) -> None:
        """A minute is over: say what it had too much of."""
        for event, times in self._written.items():
            if times > LINES:
                _write("suppressed", {"name": event, "lines": times - LINES})
        self._written.clear()


def _write(event: str, facts: dict[str, object]) -> None:
    shown = {name: escaped(str(fact)) for name, fact in facts.items()}
    words = "".join([f' {name}="{fact}"' for name, fact in shown.items()])
    _log.warn("security: {event}{words}", event=event, words=words, **shown)


def escaped(text: str) -> str:
    """Return a text in printable ASCII, without quotes or line ends, and cut to what a line has room for."""
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST - 3]}..."
    return text.encode("unicode_escape", "backslashreplace").decode("ascii").replace('"', "\\x22")
