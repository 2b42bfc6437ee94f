"""Rooms: what the running server tells the `pbx` command of conferences, and does to them when it is told to."""

from __future__ import annotations

from collections.abc import Callable

from pbx.faults import Fault
from pbx.features.conference.conference import REMOVED, Conference
from pbx.features.conference.conferences import Conferences
from pbx.features.conference.party import Party
from pbx.rows import Row, moment

_LIST = "`pbx conferences` shows who is where"


class Rooms:
    """The conferences, as an administrator sees them."""

    def __init__(self, conferences: Conferences) -> None:
        self._conferences = conferences

    @property
    def commands(self) -> dict[str, Callable[..., object]]:
        """What the control socket may ask for."""
        return {
            "conferences": self.listed,
            "conference_mute": self.mute,
            "conference_kick": self.kick,
            "conference_lock": self.lock,
            "conference_record": self.record,
            "conference_end": self.end,
        }

    def listed(self, room: str | None = None) -> list[Row]:
        """Return a row for each party, or for each of one room."""
        return [
            _row(conference, party)
            for conference in self._conferences
            if room in {None, conference.room.name}
            for party in conference.parties.values()
        ]

    def mute(self, room: str, party: str | None, muted: bool) -> list[Row]:
        """Let nobody hear a party, or all parties; or everybody again.

        :raises Fault: there is no such party.
        """
        conference = self._conference(room)
        found = list(conference.parties.values()) if party is None else _parties(conference, party)
        for one in found:
            conference.mute(one, muted)
        return [_row(conference, one) for one in found]

    def kick(self, room: str, party: str) -> list[Row]:
        """Remove a party.

        :raises Fault: there is none.
        """
        conference = self._conference(room)
        found = _parties(conference, party)
        removed = [_row(conference, one) for one in found]
        for one in found:
            conference.leave(one, REMOVED)
        return removed

    def lock(self, room: str, locked: bool) -> list[Row]:
        """Let nobody else in, or others again.

        :raises Fault: nobody is in this room.
        """
        self._conference(room).lock(locked)
        return self.listed(room)

    def record(self, room: str, wanted: bool) -> list[Row]:
        """Record from now on, or no more.

        :raises Fault: that is not possible.
        """
        why = self._conference(room).record(wanted)
        if why:
            raise Fault("", 0, f"{room} cannot be recorded: {why}", "see [media] recordings")
        return self.listed(room)

    def end(self, room: str) -> list[Row]:
        """Make everybody leave.

        :raises Fault: nobody is in this room.
        """
        conference = self._conference(room)
        removed = self.listed(room)
        conference.end()
        return removed

    def _conference(self, room: str) -> Conference:
        conference = self._conferences.find(room)
        if conference is None:
            raise Fault("", 0, f"nobody is in a room {room}", _LIST)
        return conference


def _parties(conference: Conference, party: str) -> list[Party]:
    found = conference.find(str(party))
    if not found:
        raise Fault("", 0, f"there is no party {party} in {conference.room.name}", _LIST)
    return found


def _row(conference: Conference, party: Party) -> Row:
    recording = conference.recording
    return {
        "room": conference.room.name,
        "party": party.id,
        "number": party.caller.number,
        "name": party.caller.name,
        "source": party.caller.source.value,
        "since": moment(party.joined_at),
        "talks": party.talks,
        "muted": party.muted,
        "leader": party.leads,
        "locked": conference.locked,
        "recording": None if recording is None else str(recording),
    }
