"""What would happen if somebody called: the real plan is run in a simulation, once for each way in which the phones
that it rings may react. Nothing rings, and nothing is changed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from twisted.internet.defer import Deferred

from pbx.dialplan.plan import Plan
from pbx.dialplan.surroundings import Surroundings
from pbx.exchange.caller import Source
from pbx.exchange.extension import Extension
from pbx.exchange.group import Callee, GroupTarget
from pbx.exchange.numbering import Numbering
from pbx.exchange.target import ExtensionTarget, Target, TrunkTarget
from pbx.exchange.transfer import Transfer
from pbx.testing.sim import NUMBERING, Sim
from pbx.testing.sim_phone import SimPhone
from pbx.testing.sim_trunk import SimTrunk

REACTIONS = ("answered", "busy", "declined", "not answered", "unreachable")
PATIENCE = 300.0  # seconds of a call that are looked at
TALK = 5.0  # seconds that an answered call lasts


class _Observed:
    """A bridge that is looked at: what the plan asks of it is written down."""

    def __init__(self, bridge: Any, said: list[str], rung: list[Target]) -> None:
        self.__dict__.update(bridge=bridge, said=said, rung=rung)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.bridge, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self.bridge, name, value)

    def dial(
        self, targets: Sequence[Callee], timeout: float, progress_within: float | None = None, caller_id: str = ""
    ) -> Any:
        """The plan rings somebody."""
        shown = f" as {caller_id}" if caller_id else ""
        self.said.append(f"rings {', '.join(map(str, targets))}{shown} for {timeout:g} s")
        for target in targets:
            self.rung.extend(target.members if isinstance(target, GroupTarget) else (target,))
        return self.bridge.dial(targets, timeout, progress_within, caller_id)

    def redirect(self, uris: Sequence[str], status: int = 302) -> None:
        """The plan sends the caller elsewhere."""
        self.said.append(f"sends the caller to {', '.join(uris)}")
        self.bridge.redirect(uris, status)


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


def explain(
    plan: Plan[Any],
    extensions: Mapping[str, Extension],
    caller: str,
    number: str,
    at: str = "",
    trunks: Collection[str] = (),
    numbering: Numbering = NUMBERING,
) -> Iterator[str]:
    """Yield lines for people.

    :param extensions: by number.
    :param caller: an extension; whoever is none is a stranger.
    :param at: "2026-12-25 10:00"; "" for now.
    :param trunks: the names of all trunks.
    :param numbering: how numbers are dialled here.
    :raises ValueError: when that is no time.
    """
    surroundings = plan.surroundings
    plan.settle(numbering)
    source = Source.INTERNAL if caller in extensions else Source.ANONYMOUS
    kind = "extension" if caller in extensions else "a stranger"
    yield f"{caller} ({kind}) calls {number}{f' at {at}' if at else ''}"
    yield from _routes(plan, source, number, extensions.get(caller))
    if plan.find(source, number) is None:
        return
    rung: list[Target] = []
    for reaction in reversed(REACTIONS):
        users = {"extensions": {one.number: _columns(one) for one in extensions.values()}, "trunks": _providers(trunks)}
        sim = Sim(plan, users, at or f"{datetime.now():%Y-%m-%d %H:%M:%S}", trace=False, numbering=numbering)
        lines, more = _tried(sim, surroundings, caller, number, reaction, rung)
        if not more and not rung:
            yield f"then    {'; '.join(lines)}"
            return
        rung = list(dict.fromkeys([*rung, *more]))
        yield f"if {reaction}: {'; '.join(lines)}"


def _routes(plan: Plan[Any], source: Source, number: str, extension: Extension | None) -> Iterator[str]:
    found = plan.find(source, number)
    if found is None:
        yield f"no route of {source.value} callers takes it"
    else:
        route, values = found
        given = "".join(f", {name}={value!r}" for name, value in values.items())
        yield f"route   {route.pattern.text!r} at {route.path}:{route.line}: {route.function.__name__}{given}"
        if route.allow:
            has = extension is not None and extension.may(route.allow)
            yield f"needs   {route.allow!r} in the class of service, which the caller {'has' if has else 'has not'}"
    for other_source, routes in plan.sources.items():
        for route in routes:
            if found is None or route is not found[0]:
                why = "it does not match"
                if other_source is not source:
                    why = f"it is for {other_source.value} callers"
                elif route.pattern.match(number) is not None:
                    why = "it matches, and is less specific"
                yield f"not     {route.pattern.text!r} at line {route.line}: {why}"


def _tried(
    sim: Sim, surroundings: Surroundings, caller: str, number: str, reaction: str, rung: Sequence[Target]
) -> tuple[list[str], list[Target]]:
    """Make the call; return what happened, and who was rung."""
    plan = sim.plan
    plan.surroundings = replace(surroundings, outside=sim.database)
    observer = _Observer(plan)
    sim.exchange.exchange.switchboard.dialplan = observer
    phones: list[SimPhone] = []
    if reaction != "unreachable":
        numbers = [one.number for one in rung if isinstance(one, ExtensionTarget)]
        phones = [sim.phone(one) for one in numbers if one != caller and sim.has_extension(one)]
        for phone in phones:
            _react(phone, reaction)
        for one in rung:
            if isinstance(one, TrunkTarget) and sim.has_trunk(one.trunk):
                _provide(sim.trunk(one.trunk), reaction)
    dialling = sim.phone(caller) if sim.has_extension(caller) else sim.stranger(caller)
    dialling.dials(number)
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


def _providers(trunks: Collection[str]) -> dict[str, Any]:
    return {name: {} for name in trunks}


def _columns(extension: Extension) -> dict[str, Any]:
    return {
        "name": extension.name,
        "class_of_service": " ".join(sorted(extension.class_of_service)),
        "caller_id": extension.caller_id,
    }
