"""What would happen if somebody called: the real plan is run in a simulation, once for each way in which the phones
that it rings may react. Nothing rings, and nothing is changed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred

from pbx.dialplan.plan import Plan
from pbx.dialplan.surroundings import Surroundings
from pbx.exchange.caller import Source
from pbx.exchange.directory import NO_ALIASES
from pbx.exchange.extension import Extension
from pbx.exchange.group import Callee, GroupTarget
from pbx.exchange.numbering import Numbering
from pbx.exchange.target import ExtensionTarget, Target, TrunkTarget
from pbx.exchange.transfer import Transfer
from pbx.testing.sim import NUMBERING, Sim
from pbx.testing.sim_phone import SimPhone
from pbx.testing.sim_trunk import SimTrunk

REACTIONS = ("answered", "busy", "declined", "not answered", "unreachable")
ANYBODY = "+15550000000"  # who calls over a trunk, where nobody is named
PATIENCE = 300.0  # seconds of a call that are looked at
TALK = 5.0  # seconds that an answered call lasts

_OWN = frozenset(("number", "ha1_md5", "ha1_sha256", "enabled", "max_calls", "max_contacts", "tls_only"))


class _Observed:
    """A bridge that is looked at: what the plan asks of it is written down."""

    def __init__(self, bridge: Any, said: list[str], rung: list[Target]) -> None:
        self.__dict__.update(bridge=bridge, said=said, rung=rung)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.bridge, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self.bridge, name, value)

    def dial(
        self,
        targets: Sequence[Callee],
        timeout: float,
        progress_within: float | None = None,
        caller_id: str = "",
        *,
        intercom: bool = False,
    ) -> Any:
        """The plan rings somebody."""
        self.rings(targets, timeout, caller_id, intercom)
        return self.bridge.dial(targets, timeout, progress_within, caller_id, intercom=intercom)

    @property
    def legs(self) -> _ObservedLegs:
        """The legs of the call."""
        return _ObservedLegs(self.bridge.legs, self)

    def rings(self, targets: Sequence[Callee], timeout: float, caller_id: str, intercom: bool) -> None:
        """Write down who is rung."""
        shown = (f" as {caller_id}" if caller_id else "") + (" by intercom" if intercom else "")
        self.said.append(f"rings {', '.join(map(str, targets))}{shown} for {timeout:g} s")
        for target in targets:
            self.rung.extend(target.members if isinstance(target, GroupTarget) else (target,))

    def redirect(self, uris: Sequence[str], status: int = 302) -> None:
        """The plan sends the caller elsewhere."""
        self.said.append(f"sends the caller to {', '.join(uris)}")
        self.bridge.redirect(uris, status)


class _ObservedLegs:
    """The legs of a call that is looked at."""

    def __init__(self, legs: Any, bridge: _Observed) -> None:
        self._legs = legs
        self._bridge = bridge

    def __getattr__(self, name: str) -> Any:
        return getattr(self._legs, name)

    def ring(
        self,
        targets: Sequence[Callee],
        timeout: float,
        progress_within: float | None,
        caller_id: str,
        intercom: bool = False,
    ) -> Any:
        """The plan rings somebody apart."""
        self._bridge.rings(targets, timeout, caller_id, intercom)
        return self._legs.ring(targets, timeout, progress_within, caller_id, intercom)


class _Observer:
    """A plan that is looked at (`pbx.exchange.switchboard.Dialplan`)."""

    def __init__(self, plan: Plan[Any]) -> None:
        self.plan = plan
        self.said: list[str] = []
        self.rung: list[Target] = []

    def serves(self, source: Source, number: str) -> bool:
        """Whether it takes such calls."""
        return self.plan.serves(source, number)

    def may_transfer(self, transfer: Transfer) -> Deferred[bool]:
        """Whether a transfer may be."""
        return self.plan.may_transfer(transfer)

    def run(self, bridge: Any) -> None:
        """Take the call, and look."""
        self.plan.run(_Observed(bridge, self.said, self.rung))


class _Call(NamedTuple):
    """The call that is made.

    :ivar caller: the extension, or the number, that calls; "" for one that is withheld.
    :ivar trunk: the trunk over which it comes; "" for none.
    :ivar number: the one that is called.
    """

    source: Source
    caller: str
    trunk: str
    number: str


def explain(
    plan: Plan[Any],
    extensions: Mapping[str, Extension],
    caller: str,
    number: str,
    at: str = "",
    trunks: Collection[str] = (),
    numbering: Numbering = NUMBERING,
    aliases: Mapping[str, str] = NO_ALIASES,
) -> Iterator[str]:
    """Yield lines for people.

    :param extensions: by number.
    :param caller: an extension; a trunk ("acme"), or somebody who calls over it ("+15551234567@acme"); whoever is none
        of these is a stranger.
    :param at: "2026-12-25 10:00"; "" for now.
    :param trunks: the names of all trunks.
    :param numbering: how numbers are dialled here.
    :param aliases: the number that each other name means.
    :raises ValueError: when that is no time.
    """
    surroundings = plan.surroundings
    plan.settle(numbering)
    call = _call(extensions, caller, number, trunks, numbering, aliases)
    kinds = {Source.INTERNAL: "extension", Source.INBOUND: "over a trunk", Source.ANONYMOUS: "a stranger"}
    meant = f", which is {call.number}" if call.number != number else ""
    yield f"{caller} ({kinds[call.source]}) calls {number}{meant}{f' at {at}' if at else ''}"
    yield from _routes(plan, call, extensions.get(caller))
    if plan.find(call.source, call.number, call.trunk) is None:
        return
    rung: list[Target] = []
    users: dict[str, Mapping[str, Any]] = {
        "extensions": {one.number: _columns(one) for one in extensions.values()},
        "trunks": {name: {} for name in trunks},
        "aliases": aliases,
    }
    for reaction in reversed(REACTIONS):
        sim = Sim(plan, users, at or f"{datetime.now():%Y-%m-%d %H:%M:%S}", trace=False, numbering=numbering)
        lines, more = _tried(sim, surroundings, call, reaction, rung)
        if not more and not rung:
            yield f"then    {'; '.join(lines)}"
            return
        rung = list(dict.fromkeys([*rung, *more]))
        yield f"if {reaction}: {'; '.join(lines)}"


def _call(
    extensions: Mapping[str, Extension],
    caller: str,
    number: str,
    trunks: Collection[str],
    numbering: Numbering,
    aliases: Mapping[str, str],
) -> _Call:
    """Who calls whom, as the exchange decides it."""
    who, _, trunk = caller.rpartition("@")
    if caller not in extensions and trunk in trunks:
        return _Call(Source.INBOUND, who, trunk, numbering.normal(number))
    meant = number if number in extensions else aliases.get(number, number)
    return _Call(Source.INTERNAL if caller in extensions else Source.ANONYMOUS, caller, "", meant)


def _routes(plan: Plan[Any], call: _Call, extension: Extension | None) -> Iterator[str]:
    """Which route takes the call, and why no other does."""
    found = plan.find(call.source, call.number, call.trunk)
    if found is None:
        yield f"no route of {call.source.value} callers takes it"
    else:
        route, values = found
        given = "".join(f", {name}={value!r}" for name, value in values.items())
        yield f"route   {route.pattern.text!r} at {route.path}:{route.line}: {route.function.__name__}{given}"
        if route.allow:
            has = extension is not None and extension.may(route.allow)
            yield f"needs   {route.allow!r} in the class of service, which the caller {'has' if has else 'has not'}"
    for source, routes in plan.sources.items():
        for route in routes:
            if found is None or route is not found[0]:
                why = "it does not match"
                if source is not call.source:
                    why = f"it is for {source.value} callers"
                elif route.pattern.match(call.number) is not None:
                    why = "it matches, and is less specific"
                yield f"not     {route.pattern.text!r} at line {route.line}: {why}"
    for trunk, did, route in plan.inbound_routes:
        if found is None or route.function is not found[0].function or route.line != found[0].line:
            why = "it is for another number" if did is not None else "another one takes this number"
            if trunk != call.trunk:
                why = f"it is for calls over the trunk {trunk}"
            yield f"not     {did or 'all other numbers'!r} of {trunk} at line {route.line}: {why}"


def _tried(
    sim: Sim, surroundings: Surroundings, call: _Call, reaction: str, rung: Sequence[Target]
) -> tuple[list[str], list[Target]]:
    """Make the call; return what happened, and who was rung."""
    plan = sim.plan
    plan.surroundings = replace(surroundings, outside=sim.database)
    observer = _Observer(plan)
    sim.exchange.exchange.switchboard.dialplan = observer
    phones: list[SimPhone] = []
    if reaction != "unreachable":
        meant = sim.exchange.exchange.directory.number_of
        numbers = [meant(one.number) for one in rung if isinstance(one, ExtensionTarget)]
        phones = [sim.phone(one) for one in numbers if one != call.caller and sim.has_extension(one)]
        for phone in phones:
            _react(phone, reaction)
        for one in rung:
            if isinstance(one, TrunkTarget) and sim.has_trunk(one.trunk):
                _provide(sim.trunk(one.trunk), reaction)
    if call.trunk:
        dialling = sim.trunk(call.trunk).call(call.caller or ANYBODY, to=call.number, withheld=not call.caller)
    else:
        internal = call.source is Source.INTERNAL
        dialling = sim.phone(call.caller) if internal else sim.stranger(call.caller)
        dialling.dials(call.number)
    if reaction == "declined":
        for phone in phones:
            if sim.until(lambda phone=phone: phone.ringing, 1.0):  # type: ignore[misc]
                phone.decline()
    if sim.until(lambda: dialling.connected or dialling.idle, PATIENCE) and dialling.connected:
        observer.said.append("the caller is answered")
        sim.advance(TALK)
        dialling.hang_up()
    elif dialling.idle:
        observer.said.append(f"the caller gets {dialling.call.status}")
    plan.surroundings = surroundings
    return observer.said, observer.rung


def _react(phone: SimPhone, reaction: str) -> None:
    if reaction == "answered":
        phone.answer_when_ringing()
    elif reaction == "busy":
        phone.is_busy()


def _provide(trunk: SimTrunk, reaction: str) -> None:
    if reaction == "answered":
        trunk.answers()
    elif reaction == "not answered":
        trunk.rings()
    else:
        trunk.fails(486 if reaction == "busy" else 603)


def _columns(extension: Extension) -> dict[str, Any]:
    """Its row, as a `Sim` takes it; passwords are the simulation's own."""
    row = {one.name: getattr(extension, one.name) for one in fields(Extension) if one.name not in _OWN}
    return {**row, "class_of_service": " ".join(sorted(extension.class_of_service))}
