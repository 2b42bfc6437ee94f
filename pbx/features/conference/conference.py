"""A conference: what takes place in a room from the first who enters to the last who leaves.

At each beat it takes 20 ms of everybody, and gives everybody all the others.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Protocol

from twisted.logger import Logger

from pbx.features.conference.party import Party, Present
from pbx.features.conference.room import Room
from pbx.media import rtp
from pbx.media.beat import Beat
from pbx.media.clip import FRAME, Clip
from pbx.media.g711 import ULAW
from pbx.media.library import Library
from pbx.media.mixing import mix
from pbx.media.recorder import Recorder
from pbx.media.sources import Sequel
from pbx.media.voice import Voice
from pbx.sip.timers import Clock

# How a visit ends, or why there is none.
LEFT, REMOVED, ENDED, DEAF = "left", "removed", "ended", "deaf"
FULL, LOCKED = "full", "locked"

MOST_SOUNDS = 4  # tones and announcements that wait for one another; nobody wants to hear more of them

log = Logger()


class Place(Protocol):
    """What a conference needs of the exchange."""

    @property
    def beat(self) -> Beat: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def library(self) -> Library: ...

    def changed(self, conference: Conference, gone: Party | None = None) -> None:
        """Somebody joined, left or was muted, or the conference was locked or recorded; the last may have left."""


class Conference:
    """One conference.

    :param room: where it takes place.
    :ivar parties: in the order in which they came, by number.
    :ivar locked: whether nobody else may come in.
    """

    def __init__(self, place: Place, room: Room) -> None:
        self.room = room
        self.parties: dict[int, Party] = {}
        self.locked = False
        self._place = place
        self._came = 0  # parties so far
        self._sounds: deque[Sequel] = deque()
        self._recorder: Recorder | None = None
        self._beats = 0

    def __repr__(self) -> str:
        return f"<conference {self.room.name} of {len(self.parties)}>"

    @property
    def recording(self) -> Path | None:
        """The file into which it is recorded; None when it is not."""
        recorder = self._recorder
        return recorder.path if recorder is not None and recorder.recording else None

    @property
    def addresses(self) -> set[str]:
        """Where it can be reached: the room's name, and what those who are there have dialled for it."""
        return {self.room.name, *(party.number for party in self.parties.values())}

    def refusal(self, leads: bool) -> str:
        """Why somebody may not come in: `FULL` or `LOCKED`; "" when he may. No lock keeps a leader out."""
        if self.locked and not leads:
            return LOCKED
        return FULL if len(self.parties) >= self.room.max else ""

    def join(self, present: Present, number: str, voice: Voice, leads: bool) -> Party:
        """Let somebody in, for whom there is room.

        :param present: says who it is.
        :param number: what was dialled.
        :param voice: our end of its sound.
        :param leads: whether it may do with keys what only leaders may.
        """
        self._came += 1
        party = Party(self._came, present, number, voice, self._place.clock.wall(), leads)
        self.parties[party.id] = party
        if len(self.parties) == 1:
            self._place.beat.join(self)
            if self.room.recording:
                self.record(True)
        party.enter()
        self.sound(self._place.library.tone("join"))
        self._place.changed(self)
        return party

    def leave(self, party: Party, how: str = "") -> None:
        """Somebody leaves, or is made to. No harm if it is gone.

        :param how: why it has to; "" when it leaves by itself.
        """
        if self.parties.pop(party.id, None) is None:
            return
        if self.parties:
            self.sound(self._place.library.tone("leave"))
        else:
            self._close()
        self._place.changed(self, party)
        party.leave(how)

    def end(self) -> None:
        """Make everybody leave."""
        for party in list(self.parties.values()):
            self.leave(party, ENDED)

    def find(self, name: str) -> list[Party]:
        """The parties of a number in the conference, or of a caller's number."""
        party = self.parties.get(int(name)) if name.isascii() and name.isdigit() and len(name) < 6 else None
        if party is not None:
            return [party]
        return [party for party in self.parties.values() if party.caller.number == name]

    def mute(self, party: Party, muted: bool) -> None:
        """Let nobody hear a party, or everybody again; it is told so."""
        if party.muted != muted:
            party.muted = muted
            party.tell([self._place.library.prompt("conference/muted" if muted else "conference/unmuted")])
            self._place.changed(self)

    def lock(self, locked: bool) -> None:
        """Let nobody else in, or others again; all are told so."""
        if self.locked != locked:
            self.locked = locked
            self.sound(self._place.library.prompt("conference/locked" if locked else "conference/unlocked"))
            self._place.changed(self)

    def record(self, wanted: bool) -> str:
        """Record from now on, or record no more; all are told so.

        :returns: why that is not possible, in words; "" when it is done.
        """
        if wanted == (self.recording is not None):
            return ""
        if not wanted:
            self._stop_recording()
            self.sound(self._place.library.prompt("conference/not-recorded"))
        else:
            clock, library = self._place.clock, self._place.library
            path = library.new_recording(self.room.name, clock.wall())
            try:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._recorder = Recorder(clock, path)
            except OSError as error:
                why = error.strerror or str(error)
                log.error("conference {name} is not recorded: {path}: {why}", name=self.room.name, path=path, why=why)
                return why
            self.sound(library.prompt("conference/recorded"))
        self._place.changed(self)
        return ""

    def sound(self, clip: Clip) -> None:
        """Let everybody hear something, when what is heard already is over."""
        if len(self._sounds) < MOST_SOUNDS:
            self._sounds.append(Sequel([clip]))

    def beat(self, skipped: int) -> None:
        """The next 20 ms."""
        self._beats += skipped + 1
        for party in [party for party in self.parties.values() if party.voice.closed]:
            self.leave(party, DEAF)
        parties = list(self.parties.values())
        said = [party.say(skipped) for party in parties]
        talking = [party for party, frame in zip(parties, said, strict=True) if frame]
        everybody, others = mix([frame for frame in [*said, self._sounding()] if frame])
        for party in parties:
            party.hear(everybody)
        for party, heard in zip(talking, others, strict=False):
            party.hear(heard)
        if everybody and self._recorder is not None:
            time = self._beats * FRAME & 0xFFFFFFFF
            self._recorder.heard(ULAW, everybody, rtp.Header(0, self._beats & 0xFFFF, time, 0, False, 0, FRAME))

    def _sounding(self) -> bytes:
        """The next 20 ms of tones and announcements; b"" when there are none."""
        while self._sounds:
            frame = self._sounds[0].frame(ULAW)
            if frame is not None:
                return frame
            self._sounds.popleft()
        return b""

    def _close(self) -> None:
        self._place.beat.leave(self)
        self._stop_recording()
        self._sounds.clear()

    def _stop_recording(self) -> None:
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            recorder.stop()
