"""Parking: calls that wait in slots, each known by a number, until somebody dials that, or nobody has for too long."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from twisted.internet.defer import Deferred

from pbx.exchange.caller import Caller
from pbx.exchange.lamp import CONFIRMED, Lamp, LampDialog
from pbx.exchange.party import Party
from pbx.sip.timers import Clock, Timer

_FREE = Lamp()


class Parked:
    """One call that waits.

    :param slot: where.
    :param caller: who waits.
    :ivar taken: fires with who has retrieved it, answered and in no call; or with None when it has waited for too long.
    """

    __slots__ = ("_retriever", "_timer", "caller", "slot", "taken")

    def __init__(self, slot: str, caller: Caller, clock: Clock, timeout: float) -> None:
        self.slot = slot
        self.caller = caller
        self.taken: Deferred[Party | None] = Deferred()
        self._retriever: Party | None = None
        self._timer: Timer | None = clock.callLater(timeout, self._expired)

    def take(self, party: Party) -> None:
        """Retrieve it."""
        self.stop()
        self._retriever = party
        self.taken.callback(party)

    def give_up(self) -> None:
        """Who waits has left: whoever has just retrieved it did so in vain."""
        if self._retriever is not None:
            self._retriever.leave()
            self._retriever.hang_up()

    def stop(self) -> None:
        """Nobody waits for it any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expired(self) -> None:
        self._timer = None
        self.taken.callback(None)


class Parking:
    """All slots of one exchange that are taken.

    :ivar watchers: are told of each slot that is taken, or free again.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._parked: dict[str, Parked] = {}
        self.watchers: list[Callable[[str], object]] = []

    def __len__(self) -> int:
        """How many calls wait."""
        return len(self._parked)

    def find(self, slot: str) -> Parked | None:
        """What waits in a slot; None when it is free."""
        return self._parked.get(slot)

    def park(self, slots: Iterable[str], caller: Caller, timeout: float) -> Parked | None:
        """Let a call wait in the first of these slots that is free; None when none is.

        :param timeout: seconds for which it waits at most.
        """
        slot = next((slot for slot in slots if slot not in self._parked), None)
        if slot is None:
            return None
        parked = self._parked[slot] = Parked(slot, caller, self._clock, timeout)
        self._tell(slot)
        return parked

    def leave(self, parked: Parked) -> None:
        """A call waits no longer. No harm if done before."""
        parked.stop()
        if self._parked.get(parked.slot) is parked:
            del self._parked[parked.slot]
            self._tell(parked.slot)

    def _tell(self, slot: str) -> None:
        for watcher in self.watchers:
            watcher(slot)


class SlotLamps:
    """The lamps of slots: lit while a call waits there (`pbx.exchange.dialoginfo.Lit`).

    :param serves: whether a number can be dialled: any such number may be that of a slot.
    :param changed: is told of each slot whose lamp may have changed.
    """

    __slots__ = ("_parking", "_serves")

    def __init__(self, parking: Parking, serves: Callable[[str], bool], changed: Callable[[str], object]) -> None:
        self._parking = parking
        self._serves = serves
        parking.watchers.append(changed)

    def lamp(self, resource: str) -> Lamp | None:
        """The state of a slot; None where nobody could dial it."""
        parked = self._parking.find(resource)
        if parked is not None:
            return Lamp((LampDialog(f"parked-{parked.slot}", CONFIRMED, peer=parked.caller),))
        return _FREE if self._serves(resource) else None
