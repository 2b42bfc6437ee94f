"""The plan: which coroutine takes which call.

A number is looked up only among the routes of the call's own source: nothing can be reached from a source that it was
not declared for. Mistakes are found when the file is loaded, never when somebody calls.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, Generic, NamedTuple, ParamSpec, Protocol, TypeVar, overload

from pbx.dialplan.call import Bridge, Call, State
from pbx.dialplan.driver import Driver
from pbx.dialplan.pattern import Pattern
from pbx.exchange.caller import Source
from pbx.faults import Fault

LONGEST_NUMBER = 255  # characters; what is longer has no route

Own = TypeVar("Own")
Values = ParamSpec("Values")
Result = TypeVar("Result")


class Declaration(Protocol[Own]):
    """What stands behind the `@`: it takes a coroutine function and returns it unchanged."""

    def __call__(
        self, function: Callable[Concatenate[Call[Own], Values], Coroutine[Any, Any, Result]], /
    ) -> Callable[Concatenate[Call[Own], Values], Coroutine[Any, Any, Result]]:
        """Take calls with a function of the call and of what the pattern's converters give."""


class Route(NamedTuple):
    """One pattern and the coroutine function behind it.

    :ivar path: the file that declares it.
    :ivar line: the line there.
    :ivar allow: the word that the caller's class of service must have; "" for none.
    """

    pattern: Pattern
    function: Callable[..., Coroutine[Any, Any, object]]
    path: str
    line: int
    allow: str = ""


class Routes:
    """The routes of one source, the most specific one first."""

    __slots__ = ("_literal", "_ordered", "_search")

    def __init__(self) -> None:
        self._literal: dict[str, Route] = {}
        self._ordered: list[Route] = []
        self._search: re.Pattern[str] | None = None

    def add(self, route: Route) -> None:
        """Add a route.

        :raises Fault: when another one is as specific, and both match some number.
        """
        for other in (*self._ordered, *self._literal.values()):
            if other.pattern.rank == route.pattern.rank:
                number = other.pattern.shared_with(route.pattern)
                if number is not None:
                    raise _tie(route, other, number)
        if route.pattern.is_literal:
            self._literal[route.pattern.text] = route
        else:
            self._ordered.append(route)
            self._ordered.sort(key=lambda route: route.pattern.rank)
            self._search = None

    def find(self, number: str) -> tuple[Route, dict[str, object]] | None:
        """Return the most specific route for a number, and what its converters made of the number."""
        literal = self._literal.get(number)
        if literal is not None:
            return literal, {}
        if not self._ordered or len(number) > LONGEST_NUMBER or not number.isprintable():
            return None  # line ends, escaped in the URI, would be obeyed by the log and by whatever shows it
        if self._search is None:
            # One expression for all, made at the first call: its n-th group is the n-th route.
            self._search = re.compile("|".join(f"({route.pattern.regex})" for route in self._ordered), re.DOTALL)
        found = self._search.fullmatch(number)
        if found is None:
            return None
        assert found.lastindex is not None
        route = self._ordered[found.lastindex - 1]
        return route, route.pattern.match(number) or {}


class Plan(Generic[State]):
    """A dialplan: `plan = Plan()` in the file that the configuration names.

    :param state: makes what the plan wants to keep about each call (`call.state`): a class without arguments, say.
    """

    @overload
    def __init__(self: Plan[None]) -> None: ...
    @overload
    def __init__(self, state: Callable[[], State]) -> None: ...
    def __init__(self, state: Callable[[], Any] = lambda: None) -> None:
        self._new_state = state
        self._routes = {source: Routes() for source in Source}

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

    def anonymous(self, pattern: str) -> Declaration[State]:
        """Declare the route of calls from strangers. Without any, strangers get 403.

        :param pattern: as in `internal`.
        :raises Fault: at load, when the pattern or the function under it is wrong.
        """
        return self._declare(Source.ANONYMOUS, pattern)

    def serves(self, source: Source, number: str) -> bool:
        """Whether a route takes calls to a number from such callers."""
        return self._routes[source].find(number) is not None

    def run(self, bridge: Bridge) -> None:
        """Take a call: start the coroutine of its route, or reject it (404; a stranger 403)."""
        source = bridge.caller.source
        found = self._routes[source].find(bridge.number)
        if found is None:
            bridge.reject(403 if source is Source.ANONYMOUS else 404, None)
            return
        route, values = found
        if route.allow and not bridge.caller.may(route.allow):
            bridge.forbid("class-of-service")
            return
        driver = Driver(bridge)
        bridge.user = driver
        driver.start(route.function(Call(bridge, driver, self._new_state), **values))

    def _declare(self, source: Source, text: str, words: tuple[str, ...] = ()) -> Declaration[State]:
        frame = sys._getframe(2)
        path, line = frame.f_code.co_filename, frame.f_lineno
        try:
            pattern = Pattern(text)
        except (TypeError, ValueError) as error:
            raise Fault(path, line, f"pattern {text!r}: {error}", "see docs/dialplan, Patterns") from None

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


def _is_word(word: object) -> bool:
    return isinstance(word, str) and word.isprintable() and len(word.split()) == 1


def _tie(route: Route, other: Route, number: str) -> Fault:
    here, there = route.pattern.text, other.pattern.text
    what = f"{here!r} and {there!r} at {other.path}:{other.line} both match {number}, neither being more specific"
    return Fault(route.path, route.line, what, "make one of the two patterns narrower, or remove it")


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
