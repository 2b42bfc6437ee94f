"""Legs: parties that a call has rung without connecting them to anybody yet. We are the other end of their sound until
they are connected, go to another call, or hang up; those that are left when the call ends are hung up with it.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail

from pbx.exchange.party import Party
from pbx.media.relay import Relay
from pbx.sip.errors import Malformed
from pbx.sip.headers import Field


class Legs:
    """Those of one call."""

    __slots__ = ("_parties", "_relay")

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._parties: list[Party] = []

    def __contains__(self, party: Party) -> bool:
        """Whether it waits here."""
        return party in self._parties

    def answered(self, party: Party, sdp: bytes) -> Deferred[None]:
        """Somebody took the offer of ours that it was rung with.

        :param sdp: its answer.
        :returns: fires when we can speak to it; a failure says why not, and then it is not kept.
        """
        self._parties.append(party)
        if party.session.owes_ack or not sdp:
            agreed: Deferred[None] = fail(Malformed(488, "the callee described no session"))
        else:
            agreed = self._relay.set_remote(party.side, sdp)
        return agreed

    def keep(self, party: Party) -> None:
        """A party that was connected waits from now on, hearing nobody."""
        self._relay.part(party.side)
        self._parties.append(party)

    def release(self, party: Party) -> bool:
        """It waits no longer: it is gone, or somebody else's now. Returns whether it did."""
        waited = party in self._parties
        if waited:
            self._parties.remove(party)
        return waited

    def drop(self, party: Party, more: tuple[Field, ...] = ()) -> None:
        """Hang up one that waits; nothing where it does not."""
        if self.release(party):
            party.leave()
            party.hang_up(more)

    def drop_all(self, more: tuple[Field, ...]) -> None:
        """The call is over.

        :param more: fields of the BYEs.
        """
        for party in list(self._parties):
            self.drop(party, more)
