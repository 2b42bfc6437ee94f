"""What a call says about its sound while it lasts: one line when a phone that should be sending sound sends none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.logger import Logger

from pbx.media.rtp import Address
from pbx.media.side import Side, StreamFacts

_log = Logger(namespace="pbx.call")


class Presser(Protocol):
    """A party of the call."""

    pressed: Callable[[str], None] | None

    @property
    def side(self) -> Side: ...
    @property
    def other(self) -> Presser | None: ...

    def tell_key(self, key: str) -> None:
        """Tell its phone by INFO of a key that was pressed at the other one."""


class SoundWatch:
    """The user of one side's media.

    :param call: the call's id.
    :param role: "caller" or "callee".
    :param party: whose side it is.
    """

    __slots__ = ("_call", "_party", "_role")

    def __init__(self, call: str, role: str, party: Presser) -> None:
        self._call = call
        self._role = role
        self._party = party

    def key_received(self, side: Side, key: str) -> None:
        """A key was pressed. Where we are the other end of the sound, whoever asked for keys has it already."""
        if side.voice is not None:
            return
        other = self._party.other
        if other is not None and side.other is other.side and other.side.informs:
            other.tell_key(key)
        if self._party.pressed is not None:
            self._party.pressed(key)

    def fell_silent(self, side: Side, facts: StreamFacts) -> None:
        """Nothing comes from the phone. Say what the administrator would ask first: what it said, and what we saw."""
        _log.info(
            "call {call}: no {kind} comes from the {party}: its SDP says {signalled}, it was heard from {source}",
            call=self._call,
            kind=facts.kind,
            party=self._role,
            signalled=_shown(facts.signalled),
            source=_shown(facts.source),
        )

    def heard_again(self, side: Side, facts: StreamFacts) -> None:
        """Something comes again."""
        _log.info(
            "call {call}: {kind} comes from the {party} again, from {source}",
            call=self._call,
            kind=facts.kind,
            party=self._role,
            source=_shown(facts.source),
        )


def _shown(address: Address | None) -> str:
    if address is None:
        return "nowhere"
    return f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"
