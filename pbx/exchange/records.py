"""Records of calls: what is kept of each that is over. They are made as the calls go on, and handed over at their ends.

Nothing here waits, and nothing is written here: that is the business of whoever keeps them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from twisted.internet.defer import Deferred

from pbx.exchange.branch import Branch
from pbx.exchange.causes import explain
from pbx.exchange.group import Callee
from pbx.exchange.observer import Ending, Observed, Unobserving
from pbx.exchange.outcome import Outcome
from pbx.exchange.party import Party
from pbx.exchange.record import CallRecord, Sound
from pbx.exchange.story import Story, codec_named
from pbx.exchange.target import Target
from pbx.media.quality import mean_opinion
from pbx.media.rtp import Address
from pbx.media.side import StreamFacts
from pbx.sip.timers import Clock, drift


class RecordStore(Protocol):
    """Who keeps records."""

    def keep(self, record: CallRecord) -> None:
        """A call is over."""


class Records(Unobserving):
    """The records of the calls that go on (`pbx.exchange.observer.Observer`).

    :param store: gets them when the calls are over.
    """

    __slots__ = ("_clock", "_store", "_stories")

    def __init__(self, clock: Clock, store: RecordStore) -> None:
        self._clock = clock
        self._store = store
        self._stories: dict[str, Story] = {}

    def of(self, call: str) -> CallRecord | None:
        """What is known of a call that goes on; None when there is none with this id."""
        story = self._stories.get(call)
        return None if story is None else story.record

    @property
    def running(self) -> list[CallRecord]:
        """What is known of all calls that go on, and of those whose sound is still being asked for."""
        return [story.record for story in self._stories.values()]

    def call_began(self, call: Observed) -> None:
        self._stories[call.id] = Story(call)

    def call_dials(self, call: Observed, targets: Sequence[Callee], timeout: float) -> None:
        self._stories[call.id].dials(targets, timeout, self._clock.seconds())

    def attempt_skipped(self, call: Observed, target: Target, code: int, text: str) -> None:
        self._stories[call.id].skips(target, code, text, self._clock.seconds())

    def attempt_began(self, call: Observed, branch: Branch) -> None:
        self._stories[call.id].begins(branch, self._clock.seconds())

    def attempt_rang(self, call: Observed, branch: Branch, status: int) -> None:
        self._stories[call.id].rings(branch, self._clock.seconds())

    def attempt_answered(self, call: Observed, branch: Branch) -> None:
        self._stories[call.id].answers(branch, self._clock.seconds())
        if call.answered:
            self.call_answered(call)

    def attempt_ended(self, call: Observed, branch: Branch, code: int, text: str) -> None:
        self._stories[call.id].ends(branch, code, text, self._clock.seconds(), call.party.offer)

    def call_dialled(self, call: Observed, outcome: Outcome) -> None:
        self._stories[call.id].outcome = outcome

    def call_answered(self, call: Observed) -> None:
        record = self._stories[call.id].record
        if record.answered_at is None:
            record.answered_at = self._clock.seconds()

    def call_entered(self, call: Observed, place: str) -> None:
        self._stories[call.id].enters(place)

    def party_joined(self, call: Observed, party: Party) -> None:
        self._stories[call.id].is_joined(party, self._clock.seconds())
        if call.answered:
            self.call_answered(call)

    def party_held(self, call: Observed, party: Party, is_held: bool) -> None:
        self._stories[call.id].holds(party is call.party, is_held, self._clock.seconds())

    def party_replaced(self, call: Observed, old: Party, new: Party) -> None:
        self._stories[call.id].is_transferred(call, self._clock.seconds())

    def party_left(self, call: Observed, party: Party, words: str) -> None:
        self._stories[call.id].leaves(words, self._clock.seconds())

    def call_ended(self, call: Observed, ending: Ending) -> None:
        self._stories[call.id].is_over(ending, self._clock.seconds())
        self._heard_of(call.streams(), call.id)

    def _heard_of(self, facts: Deferred[list[tuple[StreamFacts, ...]]], call: str) -> None:
        # Where another process has the sound and does not say what it was like, the record tells nothing of it.
        facts.addErrback(lambda failure: []).addCallback(self._finish, call)

    def _finish(self, sides: list[tuple[StreamFacts, ...]], call: str) -> None:
        story = self._stories.pop(call)
        record = story.record
        sounds = [_sound(side) for side in sides]
        if sounds:
            record.codec, record.from_caller = sounds[0]
        if len(sounds) > 1:
            record.codec, record.from_callee = sounds[-1]
        explain(story)
        if moved := drift(self._clock):
            record.move(moved)
        self._store.keep(record)


def _sound(facts: Sequence[StreamFacts]) -> tuple[str, Sound]:
    """The codec of a side's audio, and what came of it."""
    for one in facts:
        if one.kind == "audio":
            opinion = mean_opinion(one.codec, one.packets_in, one.lost, one.jitter)
            since = None if one.source is None else one.latched_at or None
            place = _shown(one.signalled), _shown(one.source), since
            return codec_named(one.codec), Sound(one.packets_in, one.lost, one.jitter, opinion, *place)
    return "", Sound()


def _shown(address: Address | None) -> str:
    if address is None:
        return ""
    return f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"
