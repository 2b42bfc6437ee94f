"""Routing: which of the declared routes a number takes. The most specific one wins; a tie is a mistake of the file."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, NamedTuple

from pbx.dialplan.pattern import Pattern
from pbx.exchange.numbering import Numbering
from pbx.faults import Fault

LONGEST_NUMBER = 255  # characters; what is longer has no route


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

    def begins(self, number: str) -> bool:
        """Whether the number of some route begins so, or is that."""
        return any(route.pattern.begins(number) for route in self)

    def __iter__(self) -> Iterator[Route]:
        return iter((*self._literal.values(), *self._ordered))

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


class Inbound:
    """The routes of calls over one trunk: by the number of ours that is called, and one for all other numbers."""

    __slots__ = ("_routes", "default")

    def __init__(self) -> None:
        self._routes = Routes()
        self.default: Route | None = None

    def add(self, route: Route, did: str | None, numbering: Numbering) -> None:
        """Add a route.

        :param did: the number or the pattern of numbers, as the plan writes it; None for all others.
        :param numbering: by which two spellings are recognised as one number.
        :raises Fault: when there is one already.
        """
        if did is not None:
            pattern = Pattern(numbering.normal(did)) if route.pattern.is_literal else route.pattern
            self._routes.add(route._replace(pattern=pattern))
        elif self.default is not None:
            other = self.default
            what = f"{route.pattern.text} has a route for all other numbers already, at {other.path}:{other.line}"
            raise Fault(route.path, route.line, what, 'name a number, as in did="+14155550100", or remove one')
        else:
            self.default = route

    def find(self, number: str) -> tuple[Route, dict[str, object]] | None:
        """Return the route for a number, and what its converters made of the number."""
        found = self._routes.find(number)
        if found is None and self.default is not None:
            return self.default, {}
        return found


def _tie(route: Route, other: Route, number: str) -> Fault:
    here, there = route.pattern.text, other.pattern.text
    what = f"{here!r} and {there!r} at {other.path}:{other.line} both match {number}, neither being more specific"
    return Fault(route.path, route.line, what, "make one of the two patterns narrower, or remove it")
