"""What would happen if somebody called: the real plan is run in a simulation, once for each way in which the phones
that it rings may react. Nothing rings, and nothing is changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from zope.interface import implementer

from pbx.dialplan.plan import Plan
from pbx.dialplan.surroundings import Surroundings
from pbx.exchange.accounts import Accounts
from pbx.exchange.caller import Source
from pbx.exchange.extension import Extension
from pbx.exchange.numbering import Numbering
from pbx.exchange.target import ExtensionTarget, Target, TrunkTarget
from pbx.exchange.trunk import PLAIN
from pbx.features.voicemail.mailbox import Mailbox
from pbx.observed import ObservedPlan
from pbx.testing.sim import Sim
from pbx.testing.sim_phone import SimPhone
from pbx.testing.sim_trunk import SimTrunk

REACTIONS = ("answered", "busy", "declined", "not answered", "unreachable")
ANYBODY = "+15550000000"  # who calls over a trunk, where nobody is named
PATIENCE = 300.0  # seconds of a call that are looked at before it is answered
TALK = 60.0  # seconds of it after that

_OWN = frozenset(("number", "ha1_md5", "ha1_sha256", "max_calls", "max_contacts", "tls_only"))
_PROVIDER = ("caller_id", "number", "dids", "prefixes", "max_calls", "enabled")  # what is simulated of a trunk
_KINDS = {Source.INTERNAL: "extension", Source.INBOUND: "over a trunk", Source.ANONYMOUS: "a stranger"}


class Office(NamedTuple):
    """What the plan finds.

    :ivar numbering: how numbers are dialled here.
    :ivar prompts: the folder of the administrator's prompts; None for none.
    """

    accounts: Accounts
    mailboxes: Sequence[Mailbox] = ()
    numbering: Numbering = Numbering()
    prompts: Path | None = None

    @property
    def users(self) -> dict[str, Mapping[str, Any]]:
        """The same, as a `Sim` takes it."""
        return {
            "extensions": {one.number: _columns(one) for one in self.accounts.extensions},
            "aliases": self.accounts.aliases,
            "trunks": {one.name: {name: getattr(one, name) for name in _PROVIDER} for one in self.accounts.trunks},
            "mailboxes": {
                one.name: {name: value for name, value in asdict(one).items() if name != "name"}
                for one in self.mailboxes
            },
            "dialplan": asdict(self.numbering),
            "media": {} if self.prompts is None else {"prompts": self.prompts.absolute()},
        }


class _Call(NamedTuple):
    """The call that is made.

    :ivar caller: the extension, or the number, that calls; "" for one that is withheld.
    :ivar trunk: the trunk over which it comes; "" for none.
    :ivar number: the one that is called.
    :ivar extension: that of the caller; None for others.
    """

    source: Source
    caller: str
    trunk: str
    number: str
    extension: Extension | None = None


def explain(plan: Plan[Any], office: Office, caller: str, number: str, at: str = "") -> Iterator[str]:
    """Yield lines for people.

    :param caller: an extension; a trunk ("acme"), or somebody who calls over it ("+15551234567@acme"); whoever is none
        of these is a stranger.
    :param at: "2026-12-25 10:00"; "" for now.
    :raises ValueError: when that is no time.
    """
    surroundings = plan.surroundings
    users = office.users
    Sim(plan, users, at, trace=False)  # says whether that is a time, and settles the plan
    call = _call(office, caller, number)
    meant = f", which is {call.number}" if call.number != number else ""
    yield f"{caller} ({_KINDS[call.source]}) calls {number}{meant}{f' at {at}' if at else ''}"
    if call.extension is not None and not call.extension.enabled:
        yield f"then    the extension {call.caller} is disabled, and calls nobody"
        return
    yield from _routes(plan, call, surroundings)
    rung: list[Target] = []
    for reaction in reversed(REACTIONS):
        seen = _tried(Sim(plan, users, at, trace=False), surroundings, office, call, reaction, rung)
        if not seen.rung and not rung:
            yield f"then    {'; '.join(seen.said)}"
            return
        rung = list(dict.fromkeys([*rung, *seen.rung]))
        yield f"if {reaction}: {'; '.join(seen.said)}"


def _call(office: Office, caller: str, number: str) -> _Call:
    """Who calls whom, as the exchange decides it."""
    accounts, numbering = office.accounts, office.numbering
    extensions = {one.number: one for one in accounts.extensions}
    own = caller if caller in extensions else accounts.aliases.get(caller, caller)
    who, _, trunk = caller.rpartition("@")
    if own not in extensions and any(one.name == trunk for one in accounts.trunks):
        return _Call(Source.INBOUND, who, trunk, numbering.normal(number))
    meant = number if number in extensions else accounts.aliases.get(number, number)
    if own in extensions:
        return _Call(Source.INTERNAL, own, "", meant, extensions[own])
    return _Call(Source.ANONYMOUS, caller, "", meant)


def _routes(plan: Plan[Any], call: _Call, surroundings: Surroundings) -> Iterator[str]:
    """Which route takes the call, and why no other does."""
    found = plan.find(call.source, call.number, call.trunk)
    switch = surroundings.switches.by_code(call.number) if call.source is Source.INTERNAL else None
    if switch is not None and (found is None or not found[0].pattern.is_literal):
        found = None
        yield f"switch  {switch.name!r}, which is {'on' if switch.is_on else 'off'}, is turned over by this code"
        yield from _permission(switch.allow, call, urgent=False)
    elif found is None:
        yield f"no route of {call.source.value} callers takes it"
    else:
        route, values = found
        given = "".join(f", {name}={value!r}" for name, value in values.items())
        yield f"route   {route.pattern.text!r} at {route.path}:{route.line}: {route.function.__name__}{given}"
        yield from _permission(route.allow, call, urgent=call.number in plan.numbering.emergency)
    for source, routes in plan.sources.items():
        for route in routes:
            if found is None or route is not found[0]:
                why = "it does not match"
                if source is not call.source:
                    why = f"it is for {source.value} callers"
                elif route.pattern.match(call.number) is not None:
                    why = "it matches, and is less specific" if found else "it matches no telephone number"
                yield f"not     {route.pattern.text!r} at line {route.line}: {why}"
    for trunk, did, route in plan.inbound_routes:
        if found is None or route.function is not found[0].function or route.line != found[0].line:
            why = "it is for another number" if did is not None else "another one takes this number"
            if trunk != call.trunk:
                why = f"it is for calls over the trunk {trunk}"
            yield f"not     {did or 'all other numbers'!r} of {trunk} at line {route.line}: {why}"


def _permission(word: str, call: _Call, urgent: bool) -> Iterator[str]:
    """What the caller's class of service has to have."""
    if word:
        has = call.extension is not None and call.extension.may(word)
        though = ", and need not have for an emergency" if urgent and not has else ""
        yield f"needs   {word!r} in the class of service, which the caller {'has' if has else 'has not'}{though}"


def _tried(
    sim: Sim, surroundings: Surroundings, office: Office, call: _Call, reaction: str, rung: Sequence[Target]
) -> ObservedPlan:
    """Make the call, and look what the plan does."""
    plan = sim.plan
    plan.surroundings = replace(surroundings, outside=sim.database)
    seen = ObservedPlan(plan, {one.name: one for one in office.accounts.trunks})
    sim.exchange.exchange.switchboard.dialplan = seen
    phones: list[SimPhone] = []
    if reaction != "unreachable":
        directory = sim.exchange.exchange.directory
        for one in rung:
            if isinstance(one, ExtensionTarget):
                extension = directory.find(directory.number_of(one.number))
                if extension is not None and extension.enabled and extension.number != call.caller:
                    phones.append(sim.phone(extension.number))
                    _react(phones[-1], reaction)
            elif isinstance(one, TrunkTarget) and sim.has_trunk(one.trunk):
                _provide(sim.trunk(one.trunk), reaction)
    with _failures(seen.said):
        number = _user(call.number)
        if call.trunk:
            dialling = sim.trunk(call.trunk).call(_user(call.caller) or ANYBODY, to=number, withheld=not call.caller)
        elif call.extension is not None:
            dialling = sim.phone(call.caller).dials(number)
        else:
            dialling = sim.stranger(_user(call.caller.partition("@")[0]) or "anonymous").dials(number)
        if reaction == "declined":
            for phone in phones:
                if sim.until(lambda phone=phone: phone.ringing, 1.0):  # type: ignore[misc]
                    phone.decline()
        sim.until(lambda: dialling.connected or dialling.idle, PATIENCE)
        if dialling.connected or dialling.call.status == 200:
            seen.said.append("the caller is answered")
            sim.until(lambda: dialling.idle, TALK)
        elif dialling.idle:
            seen.said.append(f"the caller gets {dialling.call.status}")
        if not dialling.idle:
            dialling.hang_up()
    plan.surroundings = surroundings
    return seen


def _user(name: str) -> str:
    """A name as the user part of a URI has it (RFC 3261 25.1)."""
    return quote(name, PLAIN)


@contextmanager
def _failures(said: list[str]) -> Iterator[None]:
    """What the plan raises meanwhile is told, too."""

    @implementer(ILogObserver)
    def observe(event: LogEvent) -> None:
        if (failure := event.get("log_failure")) is not None:
            said.append(f"the dialplan fails: {type(failure.value).__name__}: {failure.value}")

    globalLogPublisher.addObserver(observe)
    try:
        yield
    finally:
        globalLogPublisher.removeObserver(observe)


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
