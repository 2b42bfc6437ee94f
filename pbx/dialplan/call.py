"""A call as its dialplan sees it: who calls whom, and the verbs.

Verbs are coroutines. They check their arguments, so that a mistake is one clear sentence at the line that made it, and
leave the work to the bridge. Once the caller has left, every verb raises `HungUp`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Any, Generic, cast

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from pbx.dialplan.bridge import Bridge
from pbx.dialplan.checks import (
    check_seconds,
    check_status,
    check_targets,
    check_timer,
    checked_caller_id,
    checked_redirection,
)
from pbx.dialplan.colleague_verbs import ColleagueVerbs
from pbx.dialplan.detours import Beside, Detours
from pbx.dialplan.driver import Driver
from pbx.dialplan.forwarding import Forwarded, forwarded
from pbx.dialplan.holidays import Moment
from pbx.dialplan.leg_verbs import LegVerbs
from pbx.dialplan.sound_verbs import SoundVerbs
from pbx.dialplan.surroundings import Surroundings
from pbx.dialplan.work_verbs import WorkVerbs
from pbx.exchange.caller import Caller
from pbx.exchange.diversion import Diversion
from pbx.exchange.group import Callee, GroupTarget
from pbx.exchange.outcome import Failed, Outcome
from pbx.exchange.target import UriTarget
from pbx.features.conference.attending import attend
from pbx.features.conference.room import Room, checked_pin
from pbx.features.voicemail.boxes import Voicemail
from pbx.features.voicemail.leaving import leave
from pbx.features.voicemail.listening import visit
from pbx.features.voicemail.mailbox import BUSY, UNAVAILABLE, MailboxTarget
from pbx.media.library import Library

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    # `Call` alone is a call without state of its own.
    State = TypeVar("State", default=None)
else:
    from typing import TypeVar

    State = TypeVar("State")

RING_LIMIT = 60.0  # seconds that `dial` rings
FOLLOW_LIMIT = 20  # numbers that a caller may dial anew within one call
PROGRESS_LIMIT = 6.0  # seconds until `dial_first` gives up who shows no sign of progress

log = Logger(namespace="dialplan")


Route = Callable[["Call[State]", str], Coroutine[Any, Any, object] | None]


class Call(SoundVerbs, LegVerbs, WorkVerbs, ColleagueVerbs, Generic[State]):
    """One call.

    :param bridge: the exchange's side of it.
    :param driver: steps the coroutine that this call is given to.
    :param new_state: makes the plan's own state of a call, at its first use.
    :param surroundings: what the plan finds around it.
    :param route: what the plan does with a call and a number; None, or its giving None, is nothing.
    :param rights: with whose rights it goes through the plan; None for the caller's.
    """

    __slots__ = (
        "_bridge", "_driver", "_followed", "_new_state", "_peer", "_random", "_rights", "_route", "_state",
        "_surroundings",
    )  # fmt: skip

    _bridge: Bridge
    _driver: Driver
    _state: State

    def __init__(
        self,
        bridge: Bridge,
        driver: Driver,
        new_state: Callable[[], State],
        surroundings: Surroundings,
        route: Route[State] | None = None,
        rights: Caller | None = None,
    ) -> None:
        self._route = route
        self._rights = rights
        self._followed = 0
        self._bridge = self._sounding = bridge
        self._live = None
        self._driver = driver
        self._surroundings = surroundings
        self._random: Random | None = None
        self._peer = None
        self._new_state = new_state

    @property
    def id(self) -> str:
        """The id under which logs and records know this call."""
        return self._bridge.id

    @property
    def caller(self) -> Caller:
        """Who calls: `number`, `name`, `source`."""
        return self._bridge.caller

    @property
    def user(self) -> Caller:
        """The extension that calls: `number`, `name`, `did`, `may("international")`; in a call that was forwarded, the
        one that has forwarded it.

        :raises RuntimeError: when it is none of ours that calls.
        """
        if self._rights is None:
            self._require_internal("user")
        return self.rights

    def may_dial(self, number: str) -> bool:
        """Whether a route takes a number, and the caller may take that."""
        coroutine = self._route(self, number) if self._route is not None else None
        if coroutine is not None:
            coroutine.close()
        return coroutine is not None

    @property
    def rights(self) -> Caller:
        """With whose rights this call goes through the plan: the caller's, or the forwarding extension's."""
        return self._rights or self._bridge.caller

    @property
    def diversions(self) -> tuple[Diversion, ...]:
        """Who has sent this call on before it came here, the last one first: `by`, `to`, `reason`."""
        return self._bridge.diverting.diversions

    @property
    def number(self) -> str:
        """The number that the caller dialled, or to which the call was forwarded."""
        return self._bridge.number

    @property
    def library(self) -> Library:
        """The sounds that there are."""
        return self._bridge.speaking.library

    @property
    def answered(self) -> bool:
        """Whether the caller has been answered."""
        return self._bridge.answered

    def field(self, name: str) -> str | None:
        """A header field of the caller's INVITE: `call.field("User-Agent")`.

        What a stranger writes there is not to be believed.

        :param name: whatever its capitals.
        :returns: its value, the first of several; None when there is none.
        """
        key = name.lower()
        return next((value for other, _, value in self._bridge.fields if other == key), None)

    @property
    def subject(self) -> str:
        """What the caller says that it is about (RFC 3261 20.36); "" for nothing."""
        return self.field("subject") or ""

    @property
    def priority(self) -> str:
        """How urgent the caller says it is (RFC 3261 20.26): "emergency", "urgent", "normal", "non-urgent" or other."""
        return (self.field("priority") or "normal").lower()

    @property
    def random(self) -> Random:
        """Chance: `call.random.choice(...)`. In a test it is the same in every run; it is no source of secrets."""
        if self._random is None:
            self._random = Random(self.id)
        return self._random

    @property
    def now(self) -> Moment:
        """The time by the exchange's clock, with the machine's time zone; it knows the holidays."""
        time = datetime.fromtimestamp(self._bridge.clock.wall(), UTC).astimezone()
        return Moment.of(time, self._surroundings.holidays)

    @property
    def state(self) -> State:
        """What the plan keeps about this call: made by `Plan(state=...)`."""
        try:
            return self._state
        except AttributeError:
            self._state = self._new_state()
            return self._state

    async def dial(
        self,
        *targets: Callee,
        timeout: float = RING_LIMIT,
        progress_within: float | None = None,
        caller_id: str | None = None,
        intercom: bool = False,
    ) -> Outcome:
        """Ring the targets, all at once; connect the first that answers; return when the conversation has ended.

        After `Answered` the caller may still be there, when the other side hung up first. The caller is not answered
        before the callee answers.

        :param targets: `ext("101")`, `group("101", "102")`, `uri("sip:...")`, `trunk("acme").to(number)`.
        :param timeout: seconds to ring.
        :param progress_within: seconds within which each has to show a sign of progress, or is given up; None for as
            long as it rings.
        :param caller_id: the number that they are shown; None for the caller's own.
        :param intercom: whether phones of ours are asked to answer by themselves, so that their users hear it at once.
        """
        check_targets("dial", targets)
        check_timer("dial", "timeout", timeout)
        if progress_within is not None:
            check_timer("dial", "progress_within", progress_within)
        shown = checked_caller_id("dial", caller_id) if caller_id is not None else ""
        await self._begin("dial")
        return await self._dial(targets, timeout, progress_within, shown, intercom)

    async def dial_first(
        self,
        *targets: Callee,
        ring_for: float = RING_LIMIT,
        progress_within: float | None = PROGRESS_LIMIT,
        retry_on: Callable[[Failed], bool] = Failed.network,
        caller_id: str | None = None,
    ) -> Outcome:
        """Ring the targets one after the other, until one does not fail: `trunk("acme").to(n), trunk("backup").to(n)`.

        The next one is tried only where the one before has failed: it was busy, declined or not answered by somebody,
        and then it is over. The outcome's `attempts` are those of all.

        :param targets: in the order in which they are tried.
        :param ring_for: seconds for which each rings.
        :param progress_within: seconds within which each has to show a sign of progress; None for as long as it rings.
        :param retry_on: whether the next one is to be tried after a failure.
        :param caller_id: the number that they are shown; None for the caller's own.
        """
        check_targets("dial_first", targets)
        check_timer("dial_first", "ring_for", ring_for)
        if progress_within is not None:
            check_timer("dial_first", "progress_within", progress_within)
        if not callable(retry_on):
            raise TypeError(f"dial_first(): retry_on is a function such as Failed.network, not {retry_on!r}")
        shown = checked_caller_id("dial_first", caller_id)
        outcome: Outcome | None = None
        for target in targets:
            await self._begin("dial_first")
            before = outcome.attempts if outcome is not None else ()
            outcome = await self._dial((target,), ring_for, progress_within, shown)
            outcome = replace(outcome, attempts=(*before, *outcome.attempts))
            if not (isinstance(outcome, Failed) and retry_on(outcome)):
                break
        assert outcome is not None
        return outcome

    async def answer(self) -> None:
        """Answer the caller. Without effect on a call that is answered."""
        await self._begin("answer")
        if not self._bridge.answered:
            await self._bridge.speaking.answer()

    async def reject(self, status: int = 603, reason: str | None = None) -> None:
        """End the call with a status. A call that is answered is hung up instead.

        :param status: 400 to 699 (RFC 3261 21.4 to 21.6).
        :param reason: words in place of the status's own.
        """
        check_status("reject", status, 400, 699)
        if reason is not None and not (isinstance(reason, str) and reason.isprintable()):
            raise ValueError(f"reject(): reason is one line of text, not {reason!r}")
        await self._begin("reject")
        if self._bridge.answered:
            self._bridge.hang_up()
        else:
            self._bridge.reject(status, reason)

    async def redirect(self, *targets: UriTarget | str, status: int = 302) -> None:
        """End the call by telling the caller's phone other addresses to call (RFC 3261 8.3).

        :param targets: SIP URIs, the preferred one first.
        :param status: 300 to 399; 301 means for ever.
        :raises RuntimeError: when the call is answered.
        """
        uris = checked_redirection(targets, status)
        await self._begin("redirect")
        if self._bridge.answered:
            raise RuntimeError("redirect() is for calls that are not answered")
        self._bridge.redirect(uris, status)

    async def conference(self, room: Room, pin: str | None = None, leader: bool = False) -> str:
        """Answer, and let the caller talk to all others who are in a room, until it leaves or has to.

        :param room: `room("sales")`.
        :param pin: the digits that let this caller in; "" asks it for none, None for those that the room itself has.
        :param leader: whether it may lock, record and end the conference, and remove others, by keys.
        :returns: how it ended: "left" (by key), "removed", "ended", "deaf" (its sound was taken away by a new offer);
            or why it did not get in: "full", "locked", "refused" (three wrong PINs).
        """
        if not isinstance(room, Room):
            raise TypeError(f'conference() takes a room such as room("sales"), not {room!r}')
        wanted = checked_pin("conference", pin)
        await self._begin("conference")
        self._bridge.enter(f"conference {room.name}")
        wanted = room.pin if wanted is None else wanted
        return await attend(self, self._bridge.speaking, self._bridge.features.conferences, room, wanted, leader)

    async def voicemail(self, mailbox: MailboxTarget, greeting: str = UNAVAILABLE) -> None:
        """Answer, play the mailbox's greeting, and take a message. Returns when that is done.

        Without effect where there is no such mailbox: an extension that has none is not answered.

        :param mailbox: `mailbox("sales")`.
        :param greeting: why there is nobody: "unavailable" or "busy".
        """
        if not isinstance(mailbox, MailboxTarget):
            raise TypeError(f'voicemail() takes a mailbox such as mailbox("sales"), not {mailbox!r}')
        if greeting not in (UNAVAILABLE, BUSY):
            raise ValueError(f'voicemail(): greeting is "unavailable" or "busy", not {greeting!r}')
        await self._begin("voicemail")
        self._bridge.enter(f"voicemail {mailbox.name}")
        await leave(self, self._voicemail, mailbox.name, greeting)

    async def voicemail_menu(self, mailbox: MailboxTarget | None = None) -> None:
        """Answer, and let the caller hear the messages in a mailbox; it is asked for the PIN where there is one.

        :param mailbox: None for that of the calling extension; other callers are asked for one.
        """
        if mailbox is not None and not isinstance(mailbox, MailboxTarget):
            raise TypeError(f'voicemail_menu() takes a mailbox such as mailbox("sales"), not {mailbox!r}')
        await self._begin("voicemail_menu")
        self._bridge.enter("the voicemail menu")
        found = self._voicemail.find(mailbox.name) if mailbox is not None else None
        await visit(self, self._voicemail, found)

    async def follow(self, number: str) -> bool:
        """Do what the plan does when this caller dials a number. Returns False when it does nothing.

        :param number: for which there may be a route, that the caller may take.
        """
        await self._begin("follow")
        self._followed += 1
        coroutine = self._route(self, number) if self._route and self._followed <= FOLLOW_LIMIT else None
        if coroutine is None:
            return False
        await coroutine
        return True

    async def hang_up(self) -> None:
        """End the call. Without effect after `reject` and `redirect`."""
        await self._driver.take_turn()
        if not self._bridge.ended:
            self._bridge.hang_up()

    async def sleep(self, seconds: float) -> None:
        """Wait, by the exchange's clock."""
        check_seconds("sleep", "seconds", seconds)
        await self._begin("sleep")
        over: Deferred[None] = Deferred()
        timer = self._bridge.clock.callLater(seconds, over.callback, None)
        try:
            await over
        finally:
            if not over.called:
                timer.cancel()

    def log(self, event: str, **facts: object) -> None:
        """Write a line about this call into the log: `call.log("declined", by=who)`. Always allowed.

        :param event: what happened, in a word or a sentence.
        :param facts: what else is worth knowing, by name.
        """
        words = "".join(f" {name}={fact}" for name, fact in facts.items())
        log.info("call {call}: {event}{words}", call=self.id, event=event, words=words, facts=facts)

    def __repr__(self) -> str:
        return f"<Call {self.id} {self.caller.number} to {self.number}>"

    @property
    def _voicemail(self) -> Voicemail:
        return self._bridge.features.voicemail

    async def _dial(
        self,
        targets: Sequence[Callee],
        timeout: float,
        progress_within: float | None,
        caller_id: str,
        intercom: bool = False,
    ) -> Outcome:
        # One extension by itself sends the call on once it has not answered; any other one does so while others ring.
        alone = len(targets) == 1 and not (isinstance(targets[0], GroupTarget) and targets[0].forwarding)
        if intercom or alone:
            outcome = await self._bridge.dial(targets, timeout, progress_within, caller_id, intercom=intercom)
            return outcome if outcome.diversion is None else await forwarded(self._bridge, outcome, self._routed)
        detours, found = self._detours(), None
        try:
            found = await self._bridge.dial(targets, timeout, progress_within, caller_id, guide=detours)
        finally:
            detours.conclude(found)
        return found

    def _detours(self) -> Detours:
        return Detours(self._bridge, self._surroundings.stint, self._routed)

    def _routed(
        self, bridge: Forwarded | Beside, rights: Caller, driver: Driver | None = None
    ) -> Coroutine[Any, Any, object] | None:
        """What the plan does with this call under another number."""
        if self._route is None:
            return None
        driver = driver or self._driver
        call = Call(cast(Bridge, bridge), driver, lambda: self.state, self._surroundings, self._route, rights)
        return self._route(call, bridge.number)

    async def _begin(self, verb: str) -> None:
        await self._driver.take_turn()
        if self._bridge.ended:
            raise RuntimeError(f"{verb}() on a call that has ended; return after reject(), redirect() and hang_up()")
