"""What parties do with keys while they talk: a star and a digit.

All may mute and unmute themselves (`*1`) and leave (`*0`). Leaders may besides lock and unlock (`*4`), begin and end
the recording (`*5`), remove who came last (`*7`), and end the conference (`*9`).
"""

from __future__ import annotations

from pbx.features.conference.conference import LEFT, REMOVED, Conference
from pbx.features.conference.party import Party
from pbx.media.library import Library
from pbx.sip.timers import Clock

STAR = "*"
PATIENCE = 3.0  # seconds from the star to the digit


class KeyCommands:
    """Those of one party."""

    __slots__ = ("_clock", "_conference", "_library", "_party", "_star_at")

    def __init__(self, conference: Conference, party: Party, library: Library, clock: Clock) -> None:
        self._conference = conference
        self._party = party
        self._library = library
        self._clock = clock
        self._star_at = -PATIENCE

    def pressed(self, key: str) -> None:
        """A key was pressed. Those that mean nothing are ignored: people press keys by mistake."""
        now = self._clock.seconds()
        if key == STAR:
            self._star_at = now
        elif now - self._star_at < PATIENCE:
            self._star_at = -PATIENCE
            self._command(key)

    def _command(self, key: str) -> None:
        conference, party = self._conference, self._party
        if key == "1":
            conference.mute(party, not party.muted)
        elif key == "0":
            conference.leave(party, LEFT)
        elif key not in "4579" or not party.leads:
            party.tell([self._library.prompt("invalid-choice")])
        elif key == "4":
            conference.lock(not conference.locked)
        elif key == "5":
            if conference.record(conference.recording is None):
                party.tell([self._library.prompt("sorry")])
        elif key == "7":
            others = [other for other in conference.parties.values() if other is not party]
            if others:
                conference.leave(others[-1], REMOVED)
        else:
            conference.end()
