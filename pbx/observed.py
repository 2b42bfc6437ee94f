"""A plan that is looked at while it takes a call: what it asks of the exchange is written down, and done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred

from pbx.dialplan.plan import Plan
from pbx.exchange.caller import Caller, Source
from pbx.exchange.detour import Guide
from pbx.exchange.group import Callee, GroupTarget
from pbx.exchange.presentation import to_network
from pbx.exchange.target import Target, TrunkTarget
from pbx.exchange.transfer import Transfer
from pbx.exchange.trunk import Trunk
from pbx.media.clip import Clip
from pbx.sip.headers import parse_address


class ObservedPlan:
    """The plan (`pbx.exchange.switchboard.Dialplan`).

    :param trunks: as whom it shows callers to them.
    :ivar said: what it did, in words.
    :ivar rung: whom it rang.
    :ivar place: where it has let the caller in: what is heard there is not the plan's matter; "" for nowhere.
    """

    def __init__(self, plan: Plan[Any], trunks: Mapping[str, Trunk]) -> None:
        self.plan = plan
        self.trunks = trunks
        self.said: list[str] = []
        self.rung: list[Target] = []
        self.place = ""

    def find(self, source: Source, number: str) -> object | None:
        """What it does with such calls."""
        return self.plan.find(source, number)

    def may_transfer(self, transfer: Transfer) -> Deferred[bool]:
        """Whether a transfer may be."""
        return self.plan.may_transfer(transfer)

    def run(self, bridge: Any, found: Any = None) -> None:
        """Take the call, and look."""
        seen: Any = _Bridge(bridge, self, bridge.caller)
        self.plan.run(seen, found)

    def rings(
        self,
        caller: Caller,
        targets: Sequence[Callee],
        timeout: float,
        progress_within: float | None,
        caller_id: str,
        intercom: bool,
    ) -> None:
        """It rings somebody."""
        self.place = ""
        names = ", ".join([f"{target}{self._as_whom(caller, target, caller_id)}" for target in targets])
        patience = "" if progress_within is None else f", {progress_within:g} s without progress"
        self.said.append(f"rings {names}{' by intercom' if intercom else ''} for {timeout:g} s{patience}")
        for target in targets:
            self.rung.extend(target.members if isinstance(target, GroupTarget) else (target,))

    def _as_whom(self, caller: Caller, target: Callee, caller_id: str) -> str:
        """As whom the caller is shown, where that may not be what it is to its colleagues."""
        trunk = self.trunks.get(target.trunk) if isinstance(target, TrunkTarget) else None
        if trunk is None:
            return f" as {caller_id}" if caller_id else ""
        sender, more = to_network(caller, caller_id, trunk)
        identities = [parse_address(value) for value in (sender, *(value for _, _, value in more if "<" in value))]
        return f" as {' of '.join(dict.fromkeys(one.uri.user or 'nobody' for one in identities))}"


class _Seen:
    """Something of the exchange that is looked at.

    :param caller: whose call it is.
    """

    def __init__(self, real: Any, plan: ObservedPlan, caller: Caller) -> None:
        self.__dict__.update(real=real, plan=plan, caller=caller)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self.real, name, value)


class _Bridge(_Seen):
    """The call itself."""

    @property
    def legs(self) -> _Legs:
        """The legs of the call."""
        return _Legs(self.real.legs, self.plan, self.caller)

    @property
    def speaking(self) -> _Speaking:
        """Our end of the caller's sound."""
        return _Speaking(self.real.speaking, self.plan, self.caller)

    def dial(
        self,
        targets: Sequence[Callee],
        timeout: float,
        progress_within: float | None = None,
        caller_id: str = "",
        *,
        intercom: bool = False,
        guide: Guide | None = None,
    ) -> Any:
        """The plan rings somebody."""
        self.plan.rings(self.caller, targets, timeout, progress_within, caller_id, intercom)
        return self.real.dial(targets, timeout, progress_within, caller_id, intercom=intercom, guide=guide)

    def redirect(self, uris: Sequence[str], status: int = 302) -> None:
        """The plan sends the caller elsewhere."""
        self.plan.said.append(f"sends the caller to {', '.join(uris)}")
        self.real.redirect(uris, status)

    def enter(self, place: str) -> None:
        """The plan lets the caller in somewhere."""
        self.plan.place = place
        self.plan.said.append(f"goes to {place}")
        self.real.enter(place)


class _Legs(_Seen):
    """The legs of the call."""

    def ring(
        self,
        targets: Sequence[Callee],
        timeout: float,
        progress_within: float | None,
        caller_id: str,
        intercom: bool = False,
        guide: Guide | None = None,
    ) -> Any:
        """The plan rings somebody apart."""
        self.plan.rings(self.caller, targets, timeout, progress_within, caller_id, intercom)
        return self.real.ring(targets, timeout, progress_within, caller_id, intercom, guide)


class _Speaking(_Seen):
    """Our end of the caller's sound."""

    @property
    def library(self) -> _Library:
        """The sounds that there are."""
        return _Library(self.real.library, self.plan, self.caller)


class _Library(_Seen):
    """The sounds that there are."""

    async def read(self, name: str) -> Clip:
        """Something is about to be heard."""
        if not self.plan.place:
            self.plan.said.append(f"plays {name}")
        clip: Clip = await self.real.read(name)
        return clip
