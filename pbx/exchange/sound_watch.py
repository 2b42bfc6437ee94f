"""What a call says about its sound while it lasts: one line when a phone that should be sending sound sends none."""

from __future__ import annotations

from twisted.logger import Logger

from pbx.media.rtp import Address
from pbx.media.side import Side, StreamFacts

_log = Logger(namespace="pbx.call")


class SoundWatch:
    """The user of one side's media.

    :param call: the call's id.
    :param party: "caller" or "callee".
    """

    __slots__ = ("_call", "_party")

    def __init__(self, call: str, party: str) -> None:
        self._call = call
        self._party = party

    def key_received(self, side: Side, key: str) -> None:
        """A key was pressed: whoever asked for keys has it already."""

    def fell_silent(self, side: Side, facts: StreamFacts) -> None:
        """Nothing comes from the phone. Say what the administrator would ask first: what it said, and what we saw."""
        _log.info(
            "call {call}: no {kind} comes from the {party}: its SDP says {signalled}, it was heard from {source}",
            call=self._call,
            kind=facts.kind,
            party=self._party,
            signalled=_shown(facts.signalled),
            source=_shown(facts.source),
        )

    def heard_again(self, side: Side, facts: StreamFacts) -> None:
        """Something comes again."""
        _log.info(
            "call {call}: {kind} comes from the {party} again, from {source}",
            call=self._call,
            kind=facts.kind,
            party=self._party,
            source=_shown(facts.source),
        )


def _shown(address: Address | None) -> str:
    if address is None:
        return "nowhere"
    return f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"
