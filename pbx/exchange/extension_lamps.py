"""The lamps of extensions: which of them are called or in a call, and which have no phone.

It notes each phone's sessions as calls are observed, and makes nothing of them until a phone asks: a call whose parties
nobody watches costs two entries of a table.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Protocol

from pbx.exchange.branch import Branch
from pbx.exchange.caller import Caller, Source
from pbx.exchange.directory import Directory
from pbx.exchange.lamp import CONFIRMED, EARLY, TERMINATED, Lamp, LampDialog, Stage
from pbx.exchange.location import Change, Location, has_turned
from pbx.exchange.observer import Ending, Observed, Unobserving
from pbx.exchange.outcome import Outcome
from pbx.exchange.party import Party
from pbx.exchange.turns import Turns
from pbx.sip.session import Session


class Watched(Protocol):
    """Who watches: the event package `dialog`."""

    def changed(self, resource: str) -> None:
        """The state of a number may have changed, or the number is gone."""

    def is_watched(self, resource: str) -> bool:
        """Whether any phone shows a number."""


class Line:
    """One session of an extension's phone, in one call.

    :param number: the extension's.
    :param peer: who is at the other end; None for who calls, or what was dialled.
    """

    __slots__ = ("call", "id", "is_held", "is_incoming", "number", "peer", "session", "stage")

    def __init__(
        self,
        id: int,
        call: Observed,
        number: str,
        session: Session,
        is_incoming: bool,
        stage: Stage,
        peer: Caller | None,
    ) -> None:
        self.id = id
        self.call = call
        self.number = number
        self.session = session
        self.is_incoming = is_incoming
        self.stage = stage
        self.peer = peer
        self.is_held = False

    def dialog(self) -> LampDialog:
        """It as it is now."""
        dialog, call = self.session.dialog, self.call
        ids = (dialog.call_id, dialog.remote_tag, dialog.local_tag) if dialog is not None else ("", "", "")
        peer = self.peer or (call.caller if self.is_incoming else Caller(call.number, "", Source.INTERNAL))
        return LampDialog(str(self.id), self.stage, self.is_incoming, *ids, peer, self.is_held)


class ExtensionLamps(Unobserving):
    """Those of all extensions (`pbx.exchange.observer.Observer`, `pbx.exchange.dialoginfo.Lit`).

    :param turns: are told of each extension that has talked, when it is done.
    :ivar watchers: are told of each extension whose lamp may have changed, whether anybody shows it or not.
    """

    __slots__ = ("_calls", "_directory", "_ended", "_ids", "_lines", "_location", "_turns", "_watched", "watchers")

    def __init__(self, watched: Watched, directory: Directory, location: Location, turns: Turns) -> None:
        self._watched = watched
        self._directory = directory
        self._location = location
        self._turns = turns
        self._ids = count(1)
        self.watchers: list[Callable[[str], object]] = []
        self._calls: dict[str, list[Line]] = {}  # by call
        self._lines: dict[str, list[Line]] = {}  # by extension
        self._ended: dict[str, LampDialog] = {}  # the last one of each extension that is watched
        location.watchers.append(self._moved)

    def __len__(self) -> int:
        """How many sessions of extensions there are."""
        return sum([len(lines) for lines in self._lines.values()])

    def lamp(self, resource: str) -> Lamp | None:
        """The state of an extension; None when there is none, or it is disabled."""
        extension = self._directory.find(resource)
        if extension is None or not extension.enabled:
            return None
        dialogs = [line.dialog() for line in self._lines.get(resource, ())]
        is_reachable = bool(dialogs) or bool(self._location.contacts(resource))
        if resource in self._ended and is_reachable:
            dialogs.append(self._ended[resource])
        return Lamp(tuple(dialogs), is_reachable)

    def is_talking(self, number: str) -> bool:
        """Whether an extension is in a call, or makes one; not while it only rings."""
        return any(line.stage is CONFIRMED for line in self._lines.get(number, ()))

    # What the calls tell

    def call_began(self, call: Observed) -> None:
        """A phone dials. Its lamp is that of a call from now on: one that blinked would ask colleagues to pick up."""
        if call.party.number:  # of who is transferred, not of the transferor, in whose name the call is made
            self._enter(call, call.party.number, call.party.session, False, CONFIRMED)

    def attempt_rang(self, call: Observed, branch: Branch, status: int) -> None:
        """A phone rings: not for the first time, perhaps, or with another dialog, which counts no less."""
        number = branch.destination.number
        if number and status > 100 and self._find(call.id, branch.session) is None:
            self._enter(call, number, branch.session, True, EARLY)

    def attempt_answered(self, call: Observed, branch: Branch) -> None:
        """A phone has answered, which perhaps has not even rung."""
        number = branch.destination.number
        line = self._find(call.id, branch.session) if number else None
        if line is not None:
            line.stage = CONFIRMED
            self._changed(number)
        elif number:
            self._enter(call, number, branch.session, True, CONFIRMED)

    def attempt_ended(self, call: Observed, branch: Branch, code: int, text: str) -> None:
        """A phone rings no more."""
        self._leave(call.id, branch.session)

    def call_dialled(self, call: Observed, outcome: Outcome) -> None:
        """Who was called is gone, or had nothing in common with the caller, who goes on alone."""
        for line in [line for line in self._calls.get(call.id, ()) if line.is_incoming]:
            self._leave(call.id, line.session)

    def party_joined(self, call: Observed, party: Party) -> None:
        """A phone has picked up what rang at others."""
        if party.number:
            self._enter(call, party.number, party.session, True, CONFIRMED, call.party.identity)

    def party_held(self, call: Observed, party: Party, is_held: bool) -> None:
        """A phone has put the other end on hold, or resumes."""
        line = self._find(call.id, party.session)
        if line is not None and line.is_held is not is_held:
            line.is_held = is_held
            self._changed(line.number)

    def party_replaced(self, call: Observed, old: Party, new: Party) -> None:
        """Another phone has the place of one."""
        former = self._find(call.id, old.session)
        self._leave(call.id, old.session)
        if new.number:
            is_incoming = former.is_incoming if former is not None else True
            other = new.other
            peer = other.identity if other is not None else None
            self._enter(call, new.number, new.session, is_incoming, CONFIRMED, peer)

    caller_replaced = party_replaced

    def party_left(self, call: Observed, party: Party, words: str) -> None:
        """A phone has hung up; the caller may go on."""
        self._leave(call.id, party.session)

    def call_ended(self, call: Observed, ending: Ending) -> None:
        """All of its phones are free again."""
        for line in self._calls.pop(call.id, ()):
            self._drop(line)

    # Inside

    def _enter(
        self, call: Observed, number: str, session: Session, is_incoming: bool, stage: Stage, peer: Caller | None = None
    ) -> None:
        line = Line(next(self._ids), call, number, session, is_incoming, stage, peer)
        self._calls.setdefault(call.id, []).append(line)
        self._lines.setdefault(number, []).append(line)
        self._changed(number)

    def _find(self, call: str, session: Session) -> Line | None:
        for line in self._calls.get(call, ()):
            if line.session is session:
                return line
        return None

    def _leave(self, call: str, session: Session) -> None:
        line = self._find(call, session)
        if line is not None:
            self._calls[call].remove(line)
            self._drop(line)

    def _drop(self, line: Line) -> None:
        number = line.number
        here = self._lines[number]
        here.remove(line)
        if not here:
            del self._lines[number]
        if line.stage is CONFIRMED:
            self._turns.idle(number)
        if self._watched.is_watched(number):
            line.stage = TERMINATED
            self._ended[number] = line.dialog()
            self._watched.changed(number)
        elif self._ended:
            self._ended.pop(number, None)
        for watcher in self.watchers:
            watcher(number)

    def _changed(self, number: str) -> None:
        if self._ended:
            self._ended.pop(number, None)
        self._watched.changed(number)
        for watcher in self.watchers:
            watcher(number)

    def _moved(self, number: str, changes: list[Change]) -> None:
        """Bindings have come or gone: perhaps the first, or the last."""
        if not self._watched.is_watched(number):
            self._ended.pop(number, None)
        elif has_turned(changes, len(self._location.contacts(number))):
            self._changed(number)
