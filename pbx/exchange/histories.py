"""Histories: what happens to calls is noted as they go on, by one observer for both: for the record of a call, which is
made when it is over, and for its ladder, where messages are traced.

Nothing here waits, and nothing is written here: that is the business of whoever keeps records.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from twisted.python.failure import Failure

from pbx.exchange.branch import Branch
from pbx.exchange.explanation import explain
from pbx.exchange.group import Callee
from pbx.exchange.history import History
from pbx.exchange.observer import By, Ending, Observed, Unobserving
from pbx.exchange.outcome import Outcome
from pbx.exchange.party import Party
from pbx.exchange.record import Sound
from pbx.exchange.story import Story, codec_named, shown
from pbx.exchange.target import Target
from pbx.exchange.tracing import LONGEST, Tracing, dials, ended, line_of_plan
from pbx.media.quality import mean_opinion
from pbx.media.relay import when
from pbx.media.side import StreamFacts
from pbx.sip.timers import Clock, drift


class RecordStore(Protocol):
    """Who keeps records."""

    def keep(self, history: History) -> None:
        """A call is over: its record may be made now, or later."""


class Histories(Unobserving):
    """Those of the calls that go on (`pbx.exchange.observer.Observer`).

    :param store: gets them when the calls are over; None: nobody does.
    :param tracing: of the last calls; None: nothing is traced.
    """

    __slots__ = ("_clock", "_histories", "_store", "_tracing")

    def __init__(self, clock: Clock, store: RecordStore | None, tracing: Tracing | None) -> None:
        self._clock = clock
        self._store = store
        self._tracing = tracing
        self._histories: dict[str, History] = {}

    @property
    def running(self) -> list[History]:
        """What is known of all calls that go on, and of those whose sound is still being asked for."""
        return list(self._histories.values())

    def call_began(self, call: Observed) -> None:
        caller, party = call.caller, call.party
        transferred = "" if party.identity is caller else _number(party)
        beginning = call.id, caller, call.host, call.number, call.begun_at, transferred
        history = self._histories[call.id] = History(self._clock, beginning)
        if self._tracing is not None:
            dialog = party.session.dialog
            if dialog is not None:
                history.call_ids.append(dialog.call_id)
            self._tracing.remember(call.id, history.call_ids)

    def call_dials(self, call: Observed, targets: Sequence[Callee], timeout: float) -> None:
        self._histories[call.id].note(Story.dials, targets, timeout)
        if self._tracing is not None:
            self._tracing.trace.note(call.id, line_of_plan(), dials, targets, timeout)

    def attempt_skipped(self, call: Observed, target: Target, code: int, text: str) -> None:
        self._histories[call.id].note(Story.skips, target, code, text)

    def attempt_began(self, call: Observed, branch: Branch) -> None:
        to = branch.destination
        address = to.flow.remote if to.flow is not None else None
        history = self._histories[call.id]
        history.call_ids.append(branch.session.call_id)
        history.note(Story.begins, id(branch), to.target, to.number, address)

    def attempt_rang(self, call: Observed, branch: Branch, status: int) -> None:
        flow = branch.session.flow
        self._histories[call.id].note(Story.rings, id(branch), flow.remote if flow is not None else None)

    def attempt_answered(self, call: Observed, branch: Branch) -> None:
        flow, history = branch.session.flow, self._histories[call.id]
        history.note(Story.answers, id(branch), flow.remote if flow is not None else None)
        if call.answered:
            history.note(Story.is_answered)

    def attempt_ended(self, call: Observed, branch: Branch, code: int, text: str) -> None:
        offer = call.party.offer if code == 488 else b""  # it is long, and matters to no other
        self._histories[call.id].note(Story.ends, id(branch), code, text, offer)
        self._trace(call, f"{branch.destination.target}: {code} {text[:LONGEST]}".rstrip())

    def call_dialled(self, call: Observed, outcome: Outcome) -> None:
        self._histories[call.id].note(Story.dialled, outcome)
        self._trace(call, f"the dialplan goes on: {outcome.text[:LONGEST]}")

    def call_answered(self, call: Observed) -> None:
        self._histories[call.id].note(Story.is_answered)
        if self._tracing is not None:
            # Where a callee has answered, it was no line of the dialplan.
            line = line_of_plan() if call.party.other is None else None
            self._tracing.trace.note(call.id, line, str, "the caller is answered")

    def call_entered(self, call: Observed, place: str) -> None:
        self._histories[call.id].note(Story.enters, place)
        if self._tracing is not None:
            self._tracing.trace.note(call.id, line_of_plan(), str, f"goes to {place}")

    def party_joined(self, call: Observed, party: Party) -> None:
        dialog, history = party.session.dialog, self._histories[call.id]
        history.note(Story.is_joined, _number(party), dialog.flow.remote if dialog is not None else None)
        if call.answered:
            history.note(Story.is_answered)

    def party_held(self, call: Observed, party: Party, is_held: bool) -> None:
        self._histories[call.id].note(Story.holds, party is call.party, is_held)

    def party_replaced(self, call: Observed, old: Party, new: Party) -> None:
        leader, other = call.party, call.party.other
        here = None if leader.identity is call.caller else _number(leader)
        self._histories[call.id].note(Story.is_transferred, here, "" if other is None else _number(other))
        self.caller_replaced(call, old, new)

    def caller_replaced(self, call: Observed, old: Party, new: Party) -> None:
        self._trace(call, "transferred")
        dialog = new.session.dialog
        if dialog is not None:
            self._histories[call.id].call_ids.append(dialog.call_id)

    def party_left(self, call: Observed, party: Party, words: str) -> None:
        self._histories[call.id].note(Story.leaves, words)
        self._trace(call, f"the callee has left: {words[:LONGEST]}")

    def call_ended(self, call: Observed, ending: Ending) -> None:
        if self._tracing is not None:
            line = line_of_plan() if ending.by is By.PLAN else None
            self._tracing.trace.note(call.id, line, ended, ending.by, ending.words[:LONGEST])
        if self._store is None:
            del self._histories[call.id]
            return
        self._histories[call.id].note(Story.is_over, ending)
        when(call.streams(), self._heard, self._heard, (call.id,), (call.id,))

    def _heard(self, sides: list[tuple[StreamFacts, ...]] | Failure, call: str) -> None:
        # Where another process has the sound and does not say what it was like, the record tells nothing of it.
        history = self._histories.pop(call)
        history.note(_finish, [] if isinstance(sides, Failure) else sides, self._clock)
        if self._store is not None:
            self._store.keep(history)

    def _trace(self, call: Observed, words: str) -> None:
        if self._tracing is not None:
            self._tracing.trace.note(call.id, None, str, words)


def _number(party: Party) -> str:
    """The number of a party; "" where it is withheld."""
    return "" if party.identity.is_private else party.identity.number


def _finish(story: Story, now: float, sides: Sequence[tuple[StreamFacts, ...]], clock: Clock) -> None:
    """All is known."""
    record = story.record
    if sides:
        record.codec, record.from_caller = _sound(sides[0])
    if len(sides) > 1:
        record.codec, record.from_callee = _sound(sides[-1])
    explain(story)
    if moved := drift(clock):
        record.move(moved)


def _sound(facts: Sequence[StreamFacts]) -> tuple[str, Sound]:
    """The codec of a side's audio, and what came of it."""
    for one in facts:
        if one.kind == "audio":
            opinion = mean_opinion(one.codec, one.packets_in, one.lost, one.jitter)
            since = None if one.source is None else one.latched_at or None
            place = shown(one.signalled), shown(one.source), since
            return codec_named(one.codec), Sound(one.packets_in, one.lost, one.jitter, opinion, *place)
    return "", Sound()
