"""A phone of a `Sim`, in the words of a test: what its user does, sees and hears."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from pbx.exchange.record import CallRecord
from pbx.media.clip import Clip
from pbx.sip.message import Request
from pbx.sip.server_transaction import InviteServerTransaction
from pbx.sip.transaction_layer import ServerTransaction
from pbx.testing.clock import VirtualClock
from pbx.testing.exchange import SimulatedExchange
from pbx.testing.lamp_key import LampKey
from pbx.testing.phone import Phone
from pbx.testing.phone_call import PhoneCall
from pbx.testing.sim_transfers import connect, send_on

REACTION = 1.0  # seconds until somebody who waits for a call has picked up
LOOK = 0.25  # seconds that a look at a lamp takes
SECOND_LOOK = 1.25  # seconds after a change of a lamp, in which the next one is told, too
POLITE = 10.0  # seconds for which somebody lets others finish
PAUSE = 0.5  # seconds after which they have
PATIENCE = 64.0  # seconds that a test waits for what it expects


class World(Protocol):
    """The simulation."""

    clock: VirtualClock
    exchange: SimulatedExchange

    def phone(self, number: str) -> SimPhone: ...
    def settle(self) -> None: ...
    def advance(self, seconds: float) -> None: ...
    def until(self, condition: Callable[[], object], within: float = ...) -> bool: ...


class SimPhone:
    """One phone.

    :ivar phone: the endpoint below, for what has no word here.
    """

    def __init__(self, sim: World, phone: Phone) -> None:
        self.phone = phone
        self._sim = sim
        self._shown = ""
        self._expects = False
        self._keys: dict[str, LampKey] = {}
        phone.agent.exchange = self

    # What its user does

    def dials(self, number: str) -> SimPhone:
        """Dial, and wait for a moment."""
        self.phone.invites(number)
        self._sim.settle()
        return self

    def answer(self) -> None:
        """Pick up."""
        assert self.ringing, f"{self!r} does not ring"
        self.phone.answers()
        self._sim.settle()

    def answer_when_ringing(self) -> None:
        """Pick up as soon as it rings, each time."""
        self._expects = True
        if self.ringing:
            self._sim.clock.callLater(REACTION, self._pick_up)

    def decline(self) -> None:
        """Press the red button."""
        assert self.ringing, f"{self!r} does not ring"
        self.phone.declines()
        self._sim.settle()

    def hang_up(self) -> None:
        """Hang up, or give up."""
        self.phone.hangs_up()
        self._sim.settle()

    def is_busy(self, busy: bool = True) -> None:
        """Refuse calls from now on, or take them again."""
        self.phone.busy = busy

    def says(self, seconds: float, frequency: float = 440.0) -> None:
        """Say something, which takes its time, once nobody else is heard any more; after ten seconds all the same."""
        sound, end = self.call.sound, self._sim.clock.seconds() + POLITE
        while self._sim.clock.seconds() < end:
            before = sound.came
            self._sim.advance(PAUSE)
            if sound.is_quiet_since(before):
                break
        self.phone.says(seconds, frequency)
        self._sim.settle()

    def presses(self, keys: str) -> None:
        """Press keys, a quarter of a second each."""
        self.phone.presses(keys)
        self._sim.settle()

    def transfer(self, to: str) -> int:
        """Send whom it talks to to a number, and hang up (REFER); return the status of that, 200 when it is done."""
        status = send_on(self._sim.clock, self.phone, to)
        self._sim.settle()
        return status

    def attended_transfer(self, to: str, *, while_ringing: bool = False) -> int:
        """Put whom it talks to on hold, call somebody, who picks up, and connect the two (REFER with Replaces).

        :param to: a colleague's extension, or what the plan answers itself.
        :param while_ringing: whether it does not wait until that one picks up.
        :returns: the status of that, 200 when it is done; 180 while it rings.
        """
        first = self.call
        try:
            colleague = self._sim.phone(to)
        except LookupError:
            colleague = None  # where the plan itself is
        self._sim.until(lambda: self.phone.may_offer)
        self.phone.holds()
        self._sim.until(lambda: self.phone.may_offer)
        self.phone.call = None
        self.dials(to)
        self._sim.until(lambda: self.phone.may_offer or (colleague is not None and colleague.ringing))
        if colleague is not None and colleague.ringing and not while_ringing:
            colleague.answer()
        status = connect(self._sim.clock, self.phone, to, first)
        self._sim.settle()
        return status

    # What its user sees and hears

    @property
    def call(self) -> PhoneCall:
        """Its latest call."""
        assert self.phone.call is not None, f"{self!r} has had no call"
        return self.phone.call

    @property
    def cdr(self) -> CallRecord:
        """The record of its latest call, as it is so far: `phone.cdr.trunk`, `phone.cdr.sentence`.

        :raises LookupError: when it has made and taken none.
        """
        office, number = self._sim.exchange, self.phone.number
        histories = office.exchange.histories
        running = [history.record() for history in histories.running] if histories is not None else []
        known = [*office.records.rows, *running]
        mine = [record for record in known if number in (record.caller, record.reached)]
        if not mine:
            raise LookupError(f"{self!r} is in no record")
        return max(mine, key=lambda record: record.began_at)

    @property
    def ringing(self) -> bool:
        """Whether it rings."""
        return self.phone.ringing

    @property
    def connected(self) -> bool:
        """Whether it is in an answered call."""
        return self.phone.talking

    @property
    def idle(self) -> bool:
        """Whether no call goes on."""
        return self.phone.idle

    @property
    def display(self) -> str:
        """Who its display says it is connected to, or who has called last: the name, or the number."""
        call = self.phone.call
        return (call.named if call is not None else "") or self._shown

    @property
    def cancelled_because(self) -> str:
        """Why its last call ended before it was answered: "answered elsewhere", or other words."""
        why = self.call.why
        return "answered elsewhere" if "cause=200" in why else why

    def lamp(self, name: str) -> bool:
        """Whether a lamp is lit: "mwi", for voice messages; "102", of an extension that rings or is in a call; "*60",
        of a switch that is on, by its code.

        :raises LookupError: when the exchange has no such lamp.
        """
        if name == "mwi":
            return bool(self.phone.lamp(name))
        return self.shows(name) in ("ringing", "busy", "on hold")

    def shows(self, number: str) -> str:
        """What the lamp beside the key for a number says: "idle", "ringing", "busy", "on hold" or "unregistered".

        :raises LookupError: when the exchange has no such lamp.
        """
        key = self._keys.get(number)
        if key is None:
            key = self._keys[number] = LampKey(self.phone, number)
            self._sim.until(lambda: key.state or key.watch.over, PATIENCE)
        # What happened just now may have yet to be told: no lamp is told more often than once a second.
        self._sim.advance(max(LOOK, key.watch.told_at + SECOND_LOOK - self._sim.clock.seconds()))
        if key.watch.over:
            raise LookupError(f"the exchange has no lamp {number}: {key.watch.status}, {key.watch.over}")
        return key.state

    def watches_no_more(self) -> None:
        """Take away all keys with lamps."""
        for key in self._keys.values():
            key.watch.ends()
        self._keys.clear()

    def sees(self, status: int) -> bool:
        """Whether its call ends with a status; it waits for that."""
        self._sim.until(lambda: self.phone.idle, PATIENCE)
        return self.phone.idle and self.call.status == status

    def hears(self, prompt: str | Clip, within: float = 10.0) -> bool:
        """Whether it hears a prompt, whole and without a gap; it waits for that, and not a moment longer."""
        return self.phone.hears(prompt, within)

    def talks_to(self, other: SimPhone) -> bool:
        """Whether each of the two hears what the other says."""
        return self.connected and other.connected and self._sim.exchange.talk(self.phone, other.phone)

    def __repr__(self) -> str:
        return repr(self.phone)

    # What the user agent tells (pbx.sip.user_agent.Exchange)

    def invited(self, transaction: InviteServerTransaction, request: Request) -> None:
        """A call came in."""
        sender = request.sender()
        self._shown = sender.display or sender.uri.user
        self.phone.invited(transaction, request)
        if self._expects and self.phone.ringing:
            self._sim.clock.callLater(REACTION, self._pick_up)

    def registering(self, transaction: ServerTransaction, request: Request) -> None:
        """A REGISTER came."""
        self.phone.registering(transaction, request)

    def requested(self, transaction: ServerTransaction, request: Request) -> None:
        """Another request came."""
        self.phone.requested(transaction, request)

    def _pick_up(self) -> None:
        if self.phone.ringing:
            self.phone.answers()
