"""The exchange's side of a call: what verbs ask of it. The exchange has the real one, tests have a scripted one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from twisted.internet.defer import Deferred

from pbx.dialplan.colleague_verbs import ColleaguesCall
from pbx.dialplan.colleague_verbs import Features as ColleagueFeatures
from pbx.dialplan.driver import DrivenCall
from pbx.dialplan.leg_verbs import LeggedCall
from pbx.dialplan.sound_verbs import Speaking
from pbx.exchange.board import CallUser, KeysUser
from pbx.exchange.caller import Caller
from pbx.exchange.detour import Guide
from pbx.exchange.diverting import Diverting
from pbx.exchange.group import Callee
from pbx.exchange.outcome import Outcome
from pbx.exchange.party import Party
from pbx.features.conference.conferences import Conferences
from pbx.features.voicemail.boxes import Voicemail
from pbx.sip.headers import Field


class Features(ColleagueFeatures, Protocol):
    """What the features keep for all calls of an exchange."""

    @property
    def conferences(self) -> Conferences: ...
    @property
    def voicemail(self) -> Voicemail: ...


class Bridge(ColleaguesCall, LeggedCall, DrivenCall, Protocol):
    """The exchange's side of a call."""

    user: CallUser | None
    last_outcome: Outcome | None

    @property
    def features(self) -> Features: ...
    @property
    def caller(self) -> Caller: ...
    @property
    def number(self) -> str: ...
    @property
    def answered(self) -> bool: ...
    @property
    def speaking(self) -> Speaking: ...
    @property
    def fields(self) -> Sequence[Field]: ...
    @property
    def diverting(self) -> Diverting: ...

    def dial(
        self,
        targets: Sequence[Callee],
        timeout: float,
        progress_within: float | None = None,
        caller_id: str = "",
        *,
        intercom: bool = False,
        guide: Guide | None = None,
    ) -> Deferred[Outcome]:
        """Ring all targets; fires when the attempt failed, or when the call that it became has ended.

        :param guide: knows the way of what callees send on while others ring.
        """

    def reject(self, status: int, reason: str | None, *, words: str = "") -> None:
        """End the call, not yet answered, with a status.

        :param words: why, for our own records.
        """

    def enter(self, place: str) -> None:
        """The caller is let into a place of ours, in words."""

    def redirect(self, uris: Sequence[str], status: int) -> None:
        """End the call, not yet answered, with other addresses to try."""

    def forbid(self, event: str) -> None:
        """End the call, not yet answered, with 403, and with a line in the security log."""


class TakenCall(Bridge, Protocol):
    """A call that a plan takes."""

    keys: KeysUser | None

    def consult(self, party: Party, keys: str) -> Bridge | None:
        """Let the plan do for one of the two what it asks for by keys; None when that is not possible now."""
