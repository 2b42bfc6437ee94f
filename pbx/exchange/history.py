"""A history: what has happened to one call, event by event. Its story is told when somebody asks for it.

On the way of a call nothing is made of an event. Most stories are told many at once, when their records are written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pbx.exchange.caller import Caller
from pbx.exchange.record import CallRecord
from pbx.exchange.story import Story
from pbx.sip.timers import Clock

MOST_UNTOLD = 100  # events that wait; a phone may hold and resume for as long as a call may last


class History:
    """One call's.

    :param beginning: what a `Story` begins with.
    :ivar id: the call's.
    :ivar call_ids: the Call-IDs of its sessions, where it is traced.
    """

    __slots__ = ("_beginning", "_clock", "_story", "_untold", "call_ids", "id")

    def __init__(self, clock: Clock, beginning: tuple[str, Caller, str, str, float, str]) -> None:
        self.id = beginning[0]
        self.call_ids: list[str] = []
        self._clock = clock
        self._beginning = beginning
        self._story: Story | None = None
        self._untold: list[tuple[Callable[..., None], float, tuple[Any, ...]]] = []

    def note(self, event: Callable[..., None], *facts: object) -> None:
        """Something happens.

        :param event: tells a story of it, and is given the moment in the clock's seconds, and these facts.
        :param facts: nothing that changes later.
        """
        untold = self._untold
        untold.append((event, self._clock.seconds(), facts))
        if len(untold) > MOST_UNTOLD:
            self.record()

    def record(self) -> CallRecord:
        """What is known of the call. It tells the story as far as that has come."""
        story = self._story
        if story is None:
            story = self._story = Story(*self._beginning)
        untold, self._untold = self._untold, []
        for event, now, facts in untold:
            event(story, now, *facts)
        return story.record
