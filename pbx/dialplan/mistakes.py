"""Mistakes that the text of a dialplan shows: a verb that is none, one that nobody waits for, what blocks, what
swallows a hang-up, what all calls share. Nothing is executed here.
"""

from __future__ import annotations

import ast
import difflib
import inspect
from collections.abc import Iterator

from pbx.dialplan.call import Call
from pbx.faults import Fault

VERBS = frozenset(name for name in dir(Call) if not name.startswith("_"))
AWAITED = frozenset(name for name in VERBS if inspect.iscoroutinefunction(getattr(Call, name)))
_BLOCKING = {
    "time.sleep": "await call.sleep(...)",
    "requests": "await call.run(...) with a function that makes the request",
    "socket": "await call.run(...) with a function that uses the socket",
    "urllib.request.urlopen": "await call.run(urllib.request.urlopen, ...)",
    "subprocess": "await call.run(...) with a function that starts the program",
    "os.system": "await call.run(os.system, ...)",
    "sqlite3.connect": "async with call.db()",
    "input": "await call.ask(...)",
}
_CLOCKS = {
    "time.time": "call.now",
    "time.monotonic": "call.now",
    "datetime.datetime.now": "call.now",
    "datetime.datetime.today": "call.now",
    "datetime.date.today": "call.now.date()",
}
_GROWING = frozenset("append extend insert add update setdefault pop popitem remove discard clear appendleft".split())

_CONTAINERS = frozenset("list dict set defaultdict Counter deque OrderedDict".split())

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Reading:
    """One file that is read for mistakes.

    :param tree: its text.
    :param path: its name, for what is found.
    """

    def __init__(self, tree: ast.Module, path: str) -> None:
        self._path = path
        self._tree = tree
        self._names = _imported(tree)
        self._coroutines = {node.name for node in tree.body if isinstance(node, ast.AsyncFunctionDef)}
        self._shared = set(_containers(tree))

    def faults(self) -> Iterator[Fault]:
        """Yield what is wrong."""
        for node in ast.walk(self._tree):
            if isinstance(node, ast.AsyncFunctionDef):
                yield from self._in_coroutine(node)

    def _in_coroutine(self, function: ast.AsyncFunctionDef) -> Iterator[Fault]:
        call = _call_of(function)
        waited = {id(one) for node in ast.walk(function) if isinstance(node, ast.Await) for one in _values(node.value)}
        given = {id(one) for node in ast.walk(function) if isinstance(node, ast.Call) for one in node.args}
        for node in ast.walk(function):
            if isinstance(node, ast.Attribute) and _is_name(node.value, call):
                yield from self._verb(node)
            if isinstance(node, ast.Call):
                yield from self._called(node, call, id(node) in waited, id(node) in given)
            if isinstance(node, ast.Try):
                yield from self._try(node, call)
            if isinstance(node, ast.While):
                yield from self._while(node)
            if isinstance(node, ast.Global):
                for name in node.names:
                    yield self._found(node, f"{name} is shared by all calls", "keep it in call.state: Plan(state=...)")
            yield from self._sharing(node)

    def _verb(self, node: ast.Attribute) -> Iterator[Fault]:
        if node.attr not in VERBS and not node.attr.startswith("_"):
            close = difflib.get_close_matches(node.attr, VERBS, 1)
            remedy = f"did you mean {close[0]}?" if close else "see docs/dialplan, Verbs"
            yield self._found(node, f"a call has no {node.attr}", remedy)

    def _called(self, node: ast.Call, call: str, is_awaited: bool, is_given: bool) -> Iterator[Fault]:
        match node.func:
            case ast.Attribute(value=ast.Name(id=name), attr=verb) if name == call and verb in AWAITED:
                if not (is_awaited or is_given):
                    yield self._found(node, f"nobody waits for {call}.{verb}()", f"write `await {call}.{verb}(...)`")
                return
            case ast.Name(id=name) if name in self._coroutines:
                if not (is_awaited or is_given):
                    yield self._found(node, f"nobody waits for {name}()", f"write `await {name}(...)`")
                return
        name = self._full_name(node.func)
        for blocking, remedy in _BLOCKING.items():
            if name == blocking or name.startswith(f"{blocking}."):
                yield self._found(node, f"{name}() holds up all calls while it waits", f"use {remedy}")
        if name in _CLOCKS:
            yield self._found(node, f"{name}() is not the exchange's time, nor a test's", f"use {_CLOCKS[name]}")
        if name.startswith("random."):
            yield self._found(node, f"{name}() is another one in each run of a test", f"use call.{name}()")
        if is_awaited and name.startswith("asyncio."):
            yield self._found(
                node, f"a dialplan does not run in asyncio's loop: {name}()", "use call.sleep or call.asyncio"
            )

    def _try(self, node: ast.Try, call: str) -> Iterator[Fault]:
        dials = any(
            isinstance(one, ast.Call)
            and isinstance(one.func, ast.Attribute)
            and one.func.attr in ("dial", "dial_first")
            for statement in node.body
            for one in ast.walk(statement)
        )
        for handler in node.handlers:
            caught = ast.unparse(handler.type) if handler.type is not None else ""
            raises = any(isinstance(one, ast.Raise) for one in ast.walk(handler))
            if caught in ("", "BaseException", "HungUp") and not raises:
                yield self._found(handler, "this swallows the hang-up", "catch Exception, or end with `raise`")
            elif caught == "Exception" and dials:
                yield self._found(
                    handler, "dial() raises nothing when somebody is busy", "look at its outcome: `match`"
                )
        for statement in node.finalbody:
            for one in ast.walk(statement):
                if isinstance(one, ast.Return):
                    yield self._found(one, "a return in `finally` swallows the hang-up", "return after the `try`")

    def _while(self, node: ast.While) -> Iterator[Fault]:
        inside = [one for statement in node.body for one in ast.walk(statement)]
        waits = any(isinstance(one, ast.Await | ast.AsyncFor | ast.AsyncWith) for one in inside)
        leaves = any(isinstance(one, ast.Break | ast.Return | ast.Raise) for one in inside)
        if isinstance(node.test, ast.Constant) and node.test.value and not waits and not leaves:
            yield self._found(
                node, "this loop never ends and never waits", "let it `break`, or `await call.sleep(...)`"
            )

    def _sharing(self, node: ast.AST) -> Iterator[Fault]:
        name = ""
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=shared), attr=verb)) if verb in _GROWING:
                name = shared
            case ast.Subscript(value=ast.Name(id=shared), ctx=ast.Store() | ast.Del()):
                name = shared
        if name in self._shared and isinstance(node, ast.expr):
            yield self._found(
                node, f"{name} is shared by all calls, and grows", "keep it in call.state: Plan(state=...)"
            )

    def _full_name(self, node: ast.expr) -> str:
        """What a function is called outside of this file: "time.sleep" for `sleep`; "" for what has no name."""
        match node:
            case ast.Name(id=name):
                return self._names.get(name, name)
            case ast.Attribute(value=value, attr=name):
                roof = self._full_name(value)
                return f"{roof}.{name}" if roof else ""
        return ""

    def _found(self, node: ast.expr | ast.stmt | ast.ExceptHandler, what: str, remedy: str) -> Fault:
        return Fault(self._path, node.lineno, what, remedy)


def _values(node: ast.expr) -> Iterator[ast.expr]:
    """What an expression may be: itself, or each branch of it."""
    match node:
        case ast.IfExp(body=body, orelse=orelse):
            yield from _values(body)
            yield from _values(orelse)
        case ast.BoolOp(values=values):
            for value in values:
                yield from _values(value)
        case _:
            yield node


def _containers(tree: ast.Module) -> Iterator[str]:
    """The globals that are lists, dicts and sets."""
    for node in tree.body:
        match node:
            case ast.Assign(targets=targets, value=value):
                named = targets
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                named = [target]
            case _:
                continue
        made = isinstance(value, ast.Call) and ast.unparse(value.func).rpartition(".")[2] in _CONTAINERS
        if made or isinstance(value, ast.List | ast.Dict | ast.Set):
            yield from (target.id for target in named if isinstance(target, ast.Name))


def _imported(tree: ast.Module) -> dict[str, str]:
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(
                (
                    alias.asname or alias.name.partition(".")[0],
                    (alias.asname and alias.name) or alias.name.partition(".")[0],
                )
                for alias in node.names
            )
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update((alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names)
    return names


def _call_of(function: Function) -> str:
    """The name of the parameter that is the call; "" when there is none."""
    for argument in function.args.args:
        annotation = ast.unparse(argument.annotation) if argument.annotation is not None else ""
        if annotation.partition("[")[0].rpartition(".")[2] == "Call" or (not annotation and argument.arg == "call"):
            return argument.arg
    return ""


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
