"""Ways through a dialplan: who gets where. Routes that no number leads to, strangers on their way to a trunk,
emergencies that lead nowhere, extensions that forward in a circle.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Set
from itertools import product
from typing import Any

from pbx.dialplan.pattern import Pattern
from pbx.dialplan.plan import Plan
from pbx.exchange.caller import Source
from pbx.faults import Fault

MOST = 10_000  # numbers of one pattern that are tried
OPEN = ("anonymous", "inbound")
TRUNK = ("trunk(", "dialplan.trunk(", "pbx.dialplan.trunk(")
FORWARDS = ("forward_always", "forward_busy", "forward_no_answer", "forward_unreachable")
"""The columns of an extension that say where its calls go."""

LONGEST_CIRCLE = 50  # extensions


def unreachable(plan: Plan[Any]) -> Iterator[Fault]:
    """Yield the routes whose every number is taken by a more specific one."""
    for source, routes in plan.sources.items():
        for route in routes:
            numbers = list(_numbers(route.pattern))
            if numbers and all(_taker(plan, source, number) is not route for number in numbers):
                what = f"no call ever reaches the route {route.pattern.text!r}: others take all its numbers"
                yield Fault(route.path, route.line, what, "remove it, or make the others narrower")


def _taker(plan: Plan[Any], source: Source, number: str) -> object:
    found = plan.find(source, number)
    return None if found is None else found[0]


def _numbers(pattern: Pattern) -> Iterator[str]:
    """All numbers of a pattern; none where there are too many."""
    places = pattern.places
    count = 1
    for characters in places or ():
        count *= len(characters)
    if places is not None and count <= MOST:
        yield from map("".join, product(*map(sorted, places)))


def without_emergency(plan: Plan[Any], path: str) -> Iterator[Fault]:
    """Yield the emergency numbers that no route of our own extensions takes."""
    for number in plan.numbering.emergency:
        if not plan.serves(Source.INTERNAL, number):
            remedy = f'write @plan.internal("{number}"), or change `emergency` under [dialplan]'
            yield Fault(path, 1, f"nobody can dial the emergency number {number}: no route takes it", remedy)


def paid_ways(trees: Mapping[str, ast.Module]) -> Iterator[Fault]:
    """Yield each way from a route for strangers, or for callers from outside, to a trunk.

    :param trees: the text of each file.
    """
    trunks = {name for tree in trees.values() for name in _trunk_names(tree)}
    functions = {
        node.name: node
        for tree in trees.values()
        for node in tree.body
        if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef)
    }
    for path, tree in trees.items():
        for line, source, name in sorted(_open_routes(tree)):
            way = _way(name, functions, trunks, ())
            if way:
                what = f"{source} callers reach a trunk that costs money: {' -> '.join((source, *way))}"
                yield Fault(path, line, what, "ask for a PIN, or take the trunk out of that way")


def _open_routes(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """The line, the source and the function of each route for who is none of ours."""
    for node in ast.walk(tree):
        match node:
            case ast.AsyncFunctionDef(decorator_list=decorators):
                for decorator in decorators:
                    match decorator:
                        case ast.Call(func=ast.Attribute(attr=source)) if source in OPEN:
                            yield node.lineno, source, node.name
            case ast.Call(func=ast.Call(func=ast.Attribute(attr=source)), args=[ast.Name(id=name)]) if source in OPEN:
                yield node.lineno, source, name


def _trunk_names(tree: ast.Module) -> Iterator[str]:
    """The globals that are trunks."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.value).startswith(TRUNK):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def _trunk_of(function: ast.AST, names: Set[str]) -> str:
    """The first trunk that a function calls by; "" for none."""
    for node in ast.walk(function):
        match node:
            case ast.Call(func=ast.Attribute(value=value, attr="to")):
                text = ast.unparse(value)
                if text.rpartition(".")[2] in names or text.startswith(TRUNK):
                    return text
    return ""


def _way(name: str, functions: Mapping[str, ast.AST], trunks: Set[str], before: tuple[str, ...]) -> tuple[str, ...]:
    here = (*before, name)
    if name not in functions:
        return ()
    found = _trunk_of(functions[name], trunks)
    if found:
        return (*here, found)
    for node in ast.walk(functions[name]):
        match node:
            case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called)) if called not in here:
                way = _way(called, functions, trunks, here)
                if way:
                    return way
    return ()


def circles(forwards: Mapping[str, Mapping[str, str]]) -> Iterator[Fault]:
    """Yield each circle of extensions that forward calls to each other, once.

    :param forwards: where each of them forwards calls to, by the columns of `FORWARDS`.
    """
    done: set[str] = set()

    def walk(way: list[tuple[str, str]], number: str) -> Iterator[list[tuple[str, str]]]:
        numbers = [one for one, _ in way]
        if number in numbers:
            yield way[numbers.index(number) :]
        elif number not in done and len(way) < LONGEST_CIRCLE:
            for column, to in forwards.get(number, {}).items():
                yield from walk([*way, (number, column)], to)
            done.add(number)

    for start in sorted(forwards):
        for circle in walk([], start):
            first, column = circle[0]
            way = " -> ".join([*(number for number, _ in circle), first])
            always = all(one == "forward_always" for _, one in circle)
            what = f"calls {'are' if always else 'may be'} forwarded in a circle: {way}"
            yield Fault("", 0, what, f"`pbx extension set {first} --{column.replace('_', '-')} ''`")
