"""The plan: which coroutine takes which call.

A number is looked up only among the routes of the call's own source: nothing can be reached from a source that it was
not declared for. Mistakes are found when the file is loaded, never when somebody calls.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, overload

from twisted.internet.defer import Deferred, succeed

from pbx.dialplan.bridge import TakenCall
from pbx.dialplan.call import Call, State
from pbx.dialplan.checks import check_seconds
from pbx.dialplan.defaults import apologise, turn_over
from pbx.dialplan.driver import CALL_LIMIT, Driver
from pbx.dialplan.in_call import InCall, Pressed
from pbx.dialplan.pattern import Pattern
from pbx.dialplan.routing import Inbound, Route, Routes
from pbx.dialplan.surroundings import Surroundings
from pbx.dialplan.switches import Switches
from pbx.exchange.caller import Caller, Source
from pbx.exchange.numbering import Numbering
from pbx.exchange.party import Party
from pbx.exchange.target import TrunkName
from pbx.exchange.transfer import Transfer
from pbx.faults import Fault
from pbx.sip.reasons import NO_ROUTE

Own = TypeVar("Own")
Values = ParamSpec("Values")
Result = TypeVar("Result")


class Declaration(Protocol[Own]):
    """What stands behind the `@`: it takes a coroutine function and returns it unchanged."""

    def __call__(
        self, function: Callable[Concatenate[Call[Own], Values], Coroutine[Any, Any, Result]], /
    ) -> Callable[Concatenate[Call[Own], Values], Coroutine[Any, Any, Result]]:
        """Take calls with a function of the call and of what the pattern's converters give."""


Fallback = Callable[[Call[Any]], Coroutine[Any, Any, object]]
Apology = Callable[[Call[Any], Exception], Coroutine[Any, Any, object]]


TransferPolicy = Callable[[Transfer], Coroutine[Any, Any, bool]]


class Plan(Generic[State]):
    """A dialplan: `plan = Plan()` in the file that the configuration names.

    :param state: makes what the plan wants to keep about each call (`call.state`): a class without arguments, say.
    :param limit: seconds that a call may last.
    :ivar path: the file that makes it.
    :ivar surroundings: what it finds around it; given by whoever runs it.
    :ivar numbering: how numbers are dialled here.
    """

    @overload
    def __init__(self: Plan[None], *, limit: float = ...) -> None: ...
    @overload
    def __init__(self, state: Callable[[], State], *, limit: float = ...) -> None: ...
    def __init__(self, state: Callable[[], Any] = lambda: None, *, limit: float = CALL_LIMIT) -> None:
        check_seconds("Plan", "limit", limit)
        self.path = sys._getframe(1).f_code.co_filename
        self._new_state = state
        self._limit = limit
        self._routes = {source: Routes() for source in Source}
        self.numbering = Numbering()
        self._sequences: Routes | None = None  # of keys that are pressed in a conversation; None for none
        self._unknown: Fallback | None = None
        self._transfers: TransferPolicy | None = None
        self._failed: Apology = apologise
        self._overstayed: Fallback | None = None
        self.surroundings = Surroundings()
        self._declared: list[tuple[str, str | None, Route]] = []  # what `inbound` was told
        self._inbound: dict[str, Inbound] = {}

    def internal(self, pattern: str) -> Declaration[State]:
        """Declare the route of calls from our own extensions.

        :param pattern: what they dial: `"600"`, `"<number:1XX>"`.
        :raises Fault: at load, when the pattern or the function under it is wrong.
        """
        return self._declare(Source.INTERNAL, pattern)

    def outbound(self, pattern: str, *, allow: str) -> Declaration[State]:
        """Declare the route of calls of our own extensions to the outside, for those whose class of service has a word.

        The others get 403.

        :param pattern: as in `internal`, beside whose routes it stands.
        :param allow: the word: `"international"`.
        :raises Fault: at load, when the pattern, the word or the function under it is wrong.
        """
        return self._declare(Source.INTERNAL, pattern, (allow,))

    def inbound(self, trunk: TrunkName, did: str | Sequence[str] = ()) -> Declaration[State]:
        """Declare the route of calls that come over a trunk. A call that no route takes gets 404.

        :param trunk: `trunk("acme")`.
        :param did: the number of ours that is called, or several: `"+14155550100"`, `"+1415555<last:XXXX>"`; without
            any, the route takes the calls to all numbers that no other one takes.
        :raises Fault: at load, when the trunk, a number or the function under it is wrong, or a number has a route.
        """
        frame = sys._getframe(1)
        path, line = frame.f_code.co_filename, frame.f_lineno
        if not isinstance(trunk, TrunkName):
            raise Fault(path, line, f"inbound() takes a trunk, not {trunk!r}", 'write inbound(trunk("acme"))')
        dids = (did,) if isinstance(did, str) else tuple(did)
        patterns: list[tuple[str | None, Pattern]] = [(each, _pattern(each, path, line)) for each in dids]

        def declare(
            function: Callable[Concatenate[Call[State], Values], Coroutine[Any, Any, Result]], /
        ) -> Callable[Concatenate[Call[State], Values], Coroutine[Any, Any, Result]]:
            for text, pattern in patterns or [(None, Pattern("inbound"))]:
                _check_function(function, pattern, path, line)
                declared = (trunk.name, text, Route(pattern, function, path, line))
                self._route_inbound(*declared)
                self._declared.append(declared)
            return function

        return declare

    def settle(self, numbering: Numbering) -> None:
        """Learn how numbers are dialled here.

        :raises Fault: two routes turn out to be for the same number.
        """
        self.numbering = numbering
        self._inbound = {}
        for declared in self._declared:
            self._route_inbound(*declared)

    def anonymous(self, pattern: str) -> Declaration[State]:
        """Declare the route of calls from strangers. Without any, strangers get 403.

        :param pattern: as in `internal`.
        :raises Fault: at load, when the pattern or the function under it is wrong.
        """
        return self._declare(Source.ANONYMOUS, pattern)

    def in_call(self, keys: str) -> Declaration[State]:
        """Declare what is done when an extension presses keys during a conversation.

        The call that the function gets is that of whoever has pressed them; `call.peer` is whom it talks to. When the
        function returns, the two talk again, unless one of them has left.

            @plan.in_call("*2<number:1XX>")
            async def consult(call: Call, number: str) -> None:
                async with call.peer.on_hold():
                    ...

        :param keys: a pattern as in `internal`, of the keys of a telephone.
        :raises Fault: at load, when the pattern or the function under it is wrong.
        """
        frame = sys._getframe(1)
        path, line = frame.f_code.co_filename, frame.f_lineno
        pattern = _pattern(keys, path, line)

        def declare(
            function: Callable[Concatenate[Call[State], Values], Coroutine[Any, Any, Result]], /
        ) -> Callable[Concatenate[Call[State], Values], Coroutine[Any, Any, Result]]:
            _check_function(function, pattern, path, line)
            if self._sequences is None:
                self._sequences = Routes()
            self._sequences.add(Route(pattern, function, path, line))
            return function

        return declare

    def on_unknown(self, function: Fallback) -> Fallback:
        """Declare what is done with a number that no route knows, in the place of 404; for a stranger it stays 403.

        :param function: a coroutine function of the call.
        :raises Fault: at load, when it is none.
        """
        self._unknown = _checked("on_unknown", function, "call")
        return function

    def on_transfer(self, function: TransferPolicy) -> TransferPolicy:
        """Declare which transfers may be: those that phones ask for (REFER), and those of `call.transfer`.

        By default a party may be sent to where the transferor may call itself, or be connected to whom that talks to.

            @plan.on_transfer
            async def allow_transfer(transfer: Transfer) -> bool:
                return transfer.target.is_internal or transfer.by.may("transfer-out")

        :param function: a coroutine function of the transfer; whoever asked waits for what it returns.
        :raises Fault: at load, when it is none.
        """
        self._transfers = _checked("on_transfer", function, "transfer")
        return function

    def on_exception(self, function: Apology) -> Apology:
        """Declare what a caller hears when the plan has raised an exception, which is logged; then the call ends.

        By default one that is answered hears that something went wrong, and one that is not gets 500.

        :param function: a coroutine function of the call and the exception.
        :raises Fault: at load, when it is none.
        """
        self._failed = _checked("on_exception", function, "call", "error")
        return function

    def on_limit(self, function: Fallback) -> Fallback:
        """Declare what is done when a call has lasted too long and was hung up for that (`Plan(limit=...)`).

        :param function: a coroutine function of the call, which is over.
        :raises Fault: at load, when it is none.
        """
        self._overstayed = _checked("on_limit", function, "call")
        return function

    def switch(self, name: str) -> PlanSwitch:
        """Something that is on or off for everybody: `if plan.switch("night"): ...`.

        It is a row of the table `switches`, which `pbx switch`, SQL, and a code that phones dial turn over.
        """
        if not isinstance(name, str) or not name:
            raise TypeError(f'switch() takes the name of a switch such as "night", not {name!r}')
        return PlanSwitch(self, name)

    @property
    def sources(self) -> dict[Source, list[Route]]:
        """The routes of each source."""
        return {source: list(routes) for source, routes in self._routes.items()}

    @property
    def routes(self) -> list[Route]:
        """All routes of all sources."""
        declared = [route for _, _, route in self._declared]
        return [*(route for routes in self._routes.values() for route in routes), *declared, *(self._sequences or ())]

    @property
    def inbound_routes(self) -> list[tuple[str, str | None, Route]]:
        """The routes of calls over trunks: the trunk; the number as the plan has it, None for all others; the route."""
        return list(self._declared)

    @property
    def words(self) -> frozenset[str]:
        """The words of classes of service that its routes ask for."""
        return frozenset(route.allow for route in self.routes if route.allow)

    def serves(self, source: Source, number: str) -> bool:
        """Whether a route takes calls to a number from such callers."""
        return self.find(source, number) is not None

    def may_call(self, caller: Caller, number: str) -> bool:
        """Whether a route takes calls to a number from this caller, who has the word that it asks for."""
        found = self.find(caller.source, number, caller.trunk)
        return found is not None and (not found[0].allow or caller.may(found[0].allow))

    def may_transfer(self, transfer: Transfer) -> Deferred[bool]:
        """Whether a transfer may be, as the plan says (`on_transfer`)."""
        if self._transfers is not None:
            return Deferred.fromCoroutine(self._transfers(transfer))
        return succeed(transfer.is_attended or self.may_call(transfer.by, transfer.target.number))

    def run(self, bridge: TakenCall, found: tuple[Route, dict[str, object]] | None = None) -> None:
        """Take a call: start the coroutine of its route, or reject it (404; a stranger 403).

        :param found: the route and its values, where they were found before.
        """
        source, number = bridge.caller.source, bridge.number
        if found is None:
            found = self.find(source, number, bridge.caller.trunk)
        switch = self.surroundings.switches.by_code(number) if source is Source.INTERNAL else None
        if switch is not None and (found is None or not found[0].pattern.is_literal):
            if switch.allow and not bridge.caller.may(switch.allow):
                bridge.forbid("class-of-service")
            else:
                self._start(bridge, partial(turn_over, switches=self.surroundings.switches, switch=switch), {})
        elif found is None:
            if self._unknown is None or source is Source.ANONYMOUS:
                bridge.reject(403 if source is Source.ANONYMOUS else 404, None, words=NO_ROUTE)
            else:
                self._start(bridge, self._unknown, {})
        elif found[0].allow and not (number in self.numbering.emergency or bridge.caller.may(found[0].allow)):
            bridge.forbid("class-of-service")
        else:
            self._start(bridge, found[0].function, found[1])

    def find(self, source: Source, number: str, trunk: str = "") -> tuple[Route, dict[str, object]] | None:
        """The route for a number; also where it is no telephone number, though the pattern asks for one: None."""
        if source is Source.INBOUND:
            inbound = self._inbound.get(trunk)
            found = inbound.find(number) if inbound is not None else None
        else:
            found = self._routes[source].find(number)
        if found is None or not found[0].pattern.telephone_numbers:
            return found
        route, values = found
        for name in route.pattern.telephone_numbers:
            values[name] = self.numbering.e164(str(values[name]))
        return None if None in values.values() else (route, values)

    def _start(self, bridge: TakenCall, function: Callable[..., Coroutine[Any, Any, object]], values: Any) -> None:
        driver = Driver(bridge, self._limit, self.surroundings.stint)
        driver.plan = self
        bridge.user = driver
        call = Call(bridge, driver, self._new_state, self.surroundings, self._follow)
        driver.apologise = partial(self._failed, call)
        if self._overstayed is not None:
            driver.overstayed = partial(self._overstayed, call)
        if self._sequences is not None:
            bridge.keys = InCall(bridge.clock, self._sequences, partial(self._pressed, bridge, call))
            bridge.keys.watch(bridge.party)
        driver.start(function(call, **values))

    def _pressed(self, bridge: TakenCall, call: Call[State], party: Party, pressed: Pressed) -> None:
        """Somebody has pressed a sequence of keys during a conversation."""
        route, values = pressed
        consultation = bridge.consult(party, route.pattern.text)
        if consultation is not None:
            driver = Driver(consultation, self._limit, self.surroundings.stint)
            driver.plan = self
            consultation.user = driver
            of_party = Call(consultation, driver, lambda: call.state, self.surroundings, self._follow)
            driver.start(route.function(of_party, **values))

    def _follow(self, call: Call[State], number: str) -> Coroutine[Any, Any, object] | None:
        """What is done when a caller dials a number; None when it may not, or no route takes it."""
        rights = call.rights
        found = self.find(rights.source, number)
        if found is None or (found[0].allow and not rights.may(found[0].allow)):
            return None
        return found[0].function(call, **found[1])

    def _route_inbound(self, trunk: str, did: str | None, route: Route) -> None:
        self._inbound.setdefault(trunk, Inbound()).add(route, did, self.numbering)

    def _declare(self, source: Source, text: str, words: tuple[str, ...] = ()) -> Declaration[State]:
        frame = sys._getframe(2)
        path, line = frame.f_code.co_filename, frame.f_lineno
        pattern = _pattern(text, path, line)
        for word in words:
            if not _is_word(word):
                what = f"outbound({text!r}): allow is {word!r}, not a word of a class of service"
                raise Fault(path, line, what, 'write for example allow="international"')

        def declare(
            function: Callable[Concatenate[Call[State], Values], Coroutine[Any, Any, Result]], /
        ) -> Callable[Concatenate[Call[State], Values], Coroutine[Any, Any, Result]]:
            _check_function(function, pattern, path, line)
            self._routes[source].add(Route(pattern, function, path, line, *words))
            return function

        return declare


class PlanSwitch:
    """A switch, as a plan has it: true while it is on.

    :ivar name: its row's.
    """

    __slots__ = ("_plan", "name")

    def __init__(self, plan: Plan[Any], name: str) -> None:
        self._plan = plan
        self.name = name

    @property
    def _switches(self) -> Switches:
        return self._plan.surroundings.switches

    def __bool__(self) -> bool:
        return self._switches.is_on(self.name)

    def turn(self, is_on: bool) -> None:
        """Turn it on or off, for everybody and for good."""
        self._switches.turn(self.name, is_on)

    def __repr__(self) -> str:
        return f"<switch {self.name}: {'on' if self else 'off'}>"


def _checked(decorator: str, function: Any, *wanted: str) -> Any:
    """Check a function that has no pattern.

    :raises Fault: it is none that can be called so.
    """
    frame = sys._getframe(2)
    code = getattr(function, "__code__", frame.f_code)
    path, line = code.co_filename, getattr(code, "co_firstlineno", frame.f_lineno)
    name = getattr(function, "__name__", repr(function))
    remedy = f"write `async def {name}({', '.join(wanted)})`"
    if not inspect.iscoroutinefunction(function):
        raise Fault(path, line, f"{decorator}: {name} is not a coroutine function", remedy)
    try:
        inspect.signature(function).bind(*wanted)
    except TypeError as error:
        raise Fault(path, line, f"{decorator}: {name}: {error}", remedy) from None
    return function


def _pattern(text: str, path: str, line: int) -> Pattern:
    try:
        return Pattern(text)
    except (TypeError, ValueError) as error:
        raise Fault(path, line, f"pattern {text!r}: {error}", "see docs/dialplan, Patterns") from None


def _is_word(word: object) -> bool:
    return isinstance(word, str) and word.isprintable() and len(word.split()) == 1


def _check_function(function: Any, pattern: Pattern, path: str, line: int) -> None:
    name = getattr(function, "__name__", repr(function))
    wanted = ", ".join(("call", *pattern.names))
    if not inspect.iscoroutinefunction(function):
        raise Fault(path, line, f"{name} is not a coroutine function", f"write `async def {name}({wanted})`")
    try:
        inspect.signature(function).bind(None, **dict.fromkeys(pattern.names))
    except TypeError as error:
        what = f"{name} does not fit its pattern {pattern.text!r}: {error}"
        raise Fault(path, line, what, f"write `async def {name}({wanted})`") from None
