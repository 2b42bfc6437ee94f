"""All conferences of an exchange that go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pbx.features.conference.conference import Conference
from pbx.features.conference.party import Party
from pbx.features.conference.room import Room
from pbx.media.beat import Beat
from pbx.media.library import Library
from pbx.sip.timers import Clock

Watcher = Callable[[Conference, Party | None], None]


class Conferences:
    """Those of one exchange.

    :param beat: when they mix.
    :ivar watchers: each is called with a conference that has changed, and with the party that is gone, if one is.
    """

    def __init__(self, beat: Beat, library: Library, clock: Clock) -> None:
        self.beat = beat
        self.library = library
        self.clock = clock
        self.watchers: list[Watcher] = []
        self._conferences: dict[str, Conference] = {}

    def __len__(self) -> int:
        return len(self._conferences)

    def __iter__(self) -> Iterator[Conference]:
        return iter(list(self._conferences.values()))

    def find(self, name: str) -> Conference | None:
        """The conference in a room; None when nobody is there."""
        return self._conferences.get(name)

    def at(self, address: str) -> Conference | None:
        """The conference at an address: its room's name, or a number that was dialled for it."""
        found = self._conferences.get(address)
        return found or next((one for one in self._conferences.values() if address in one.addresses), None)

    def open(self, room: Room) -> Conference:
        """The conference in a room: the one that goes on there, or a new one, which somebody has to join at once."""
        return self._conferences.get(room.name) or Conference(self, room)

    def changed(self, conference: Conference, gone: Party | None = None) -> None:
        """Something about a conference has changed."""
        if conference.parties:
            self._conferences[conference.room.name] = conference
        else:
            del self._conferences[conference.room.name]
        for watcher in self.watchers:
            watcher(conference, gone)
