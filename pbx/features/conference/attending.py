"""Attending a conference: the way of one call into the room, through it and out again."""

from __future__ import annotations

from hmac import compare_digest
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from pbx.exchange.caller import Caller
from pbx.features.conference.conference import ENDED, FULL, LOCKED, REMOVED
from pbx.features.conference.conferences import Conferences
from pbx.features.conference.key_commands import KeyCommands
from pbx.features.conference.room import LONGEST_PIN, Room
from pbx.media.sounds import Playable, Prompt
from pbx.media.voice import Voice

REFUSED = "refused"  # the PIN was wrong too often
TRIES = 3

_LAST_WORDS = {
    FULL: "conference/full", LOCKED: "conference/locked", REMOVED: "conference/removed", ENDED: "conference/ended",
    REFUSED: "goodbye",
}  # fmt: skip

log = Logger()


class Conversation(Protocol):
    """One call: `pbx.dialplan.Call` is one. Whatever waits raises `HungUp` when the caller leaves."""

    @property
    def caller(self) -> Caller: ...
    @property
    def number(self) -> str: ...

    async def play(self, *sounds: Playable) -> None:
        """Answer, and play sounds."""

    async def ask(self, *sounds: Playable, digits: int = 1, timeout: float = 5, tries: int = 1) -> str | None:
        """Answer, play sounds, and wait for keys."""


class Speaking(Protocol):
    """Our own end of the caller's sound."""

    @property
    def identity(self) -> Caller: ...
    def voice(self, early: bool) -> Deferred[Voice | None]:
        """Answer, and speak."""

    def act_as_focus(self, conference: str) -> None:
        """Tell the caller's phone that we are the focus of a conference; "" for none any more."""


async def attend(
    call: Conversation, speaking: Speaking, conferences: Conferences, room: Room, pin: str, leads: bool
) -> str:
    """Let a caller take part, until it leaves or has to.

    :param pin: what lets it in; "" where nothing is asked for.
    :param leads: whether it may do with keys what only leaders may.
    :returns: how it ended: "left", "removed", "ended" or "deaf"; or why there was nothing to end: "full", "locked" or
        "refused".
    """
    speaking.act_as_focus(room.name)
    try:
        how = conferences.open(room).refusal(leads)
        if not how and pin and not await _knows(call, pin):
            log.warn("conference {name}: {number} does not know the PIN", name=room.name, number=call.caller.number)
            how = REFUSED
        if not how:
            how = await _take_part(call, speaking, conferences, room, leads)
    finally:
        speaking.act_as_focus("")
    if how in _LAST_WORDS:
        await call.play(Prompt(_LAST_WORDS[how]))
    return how


async def _knows(call: Conversation, pin: str) -> bool:
    for tried in range(TRIES):
        question = [Prompt("wrong-pin")] if tried else []
        keys = await call.ask(*question, Prompt("enter-pin"), digits=LONGEST_PIN)
        if keys is not None and compare_digest(keys, pin):
            return True
    return False


async def _take_part(call: Conversation, speaking: Speaking, conferences: Conferences, room: Room, leads: bool) -> str:
    voice = await speaking.voice(False)
    assert voice is not None  # only an early one may be missing
    conference = conferences.open(room)
    if conference.recording is not None:
        await call.play(Prompt("conference/recorded"))
        conference = conferences.open(room)
    if refusal := conference.refusal(leads):
        return refusal
    party = conference.join(speaking, call.number, voice, leads)
    voice.want_keys(KeyCommands(conference, party, conferences.library, conferences.clock).pressed)
    try:
        return await party.left
    finally:
        voice.want_keys(None)
        conference.leave(party)
