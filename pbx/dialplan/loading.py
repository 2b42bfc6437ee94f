"""Reads a dialplan's file and makes a plan of it, or says in one sentence what is wrong with it and where."""

from __future__ import annotations

import ast
import errno
import os
import stat
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import Any

from twisted.logger import Logger

from pbx.dialplan.limiting import TooLong, limited
from pbx.dialplan.mistakes import Reading
from pbx.dialplan.modules import MODULE, Modules, imported
from pbx.dialplan.plan import Plan
from pbx.dialplan.ways import paid_ways, unreachable, without_emergency
from pbx.exchange.numbering import Numbering
from pbx.faults import Fault
from pbx.media.library import Library, NoSound

# What a dialplan names by which word; the `pbx` command calls it the same.
_KINDS = {"ext": "extension", "group": "extension", "mailbox": "mailbox", "trunk": "trunk"}

NUMBERING = Numbering(emergency=())
LARGEST = 2**20  # bytes of a file: what is larger is no plan, and would take long to read
LONGEST = 10.0  # seconds until it has been executed: no call goes on meanwhile

log = Logger()


def load(
    path: str | Path,
    known: Callable[[str], bool],
    library: Library | None = None,
    has_mailbox: Callable[[str], bool] = lambda name: True,
    has_trunk: Callable[[str], bool] = lambda name: True,
    numbering: Numbering = NUMBERING,
) -> Plan[Any]:
    """Execute a dialplan's file and return its global `plan`. What Python warns of in it goes into the log.

    :param path: the file.
    :param known: tells whether there is an extension of a number.
    :param library: has the prompts that the plan may name; None for ours.
    :param has_mailbox: tells whether there is a mailbox of a name.
    :param has_trunk: tells whether there is a trunk of a name.
    :param numbering: how numbers are dialled here.
    :raises Fault: when anything is wrong; nothing of the file stays then.
    """
    named = {"ext": known, "group": known, "mailbox": has_mailbox, "trunk": has_trunk}
    with warnings.catch_warnings(record=True) as doubts:
        plan = _load(str(path), named, library or Library(), numbering)
    for doubt in doubts:
        log.warn("{file}:{line}: {words}", file=doubt.filename, line=doubt.lineno, words=str(doubt.message))
    return plan


def doubtful(file: str, plan: Plan[Any]) -> list[Fault]:
    """What is no error, and yet hardly meant, in a file that was loaded last and in those beside it that it imports: in
    the order of their lines."""
    trees: dict[str, ast.Module] = {}
    for path in (file, *imported(file)):
        try:
            trees[path] = ast.parse(Path(path).read_bytes(), path)
        except (OSError, SyntaxError, ValueError):
            continue  # it was changed meanwhile
    found = [*unreachable(plan), *without_emergency(plan, file)]
    try:
        found += [fault for path, tree in trees.items() for fault in Reading(tree, path).faults()]
        found += paid_ways(trees)
    except RecursionError:
        found.append(_nested(file))
    return sorted(found, key=lambda fault: (fault.path, fault.line, fault.what))


def _load(file: str, known: Mapping[str, Callable[[str], bool]], library: Library, numbering: Numbering) -> Plan[Any]:
    tree, code = _compiled(file, _read(file))
    try:
        _check_names(file, tree, known, library)
    except RecursionError:
        raise _nested(file) from None
    modules = Modules(file)
    module = ModuleType(MODULE)
    module.__file__ = file
    sys.modules[MODULE] = module
    try:
        _execute(file, code, module)
        plan = _plan_of(file, tree, module)
        plan.settle(numbering)
        for path in imported(file):
            _check_names(path, ast.parse(_read(path), path), known, library)
    except Fault:
        modules.put_back()
        raise
    return plan


def _check_names(file: str, tree: ast.Module, known: Mapping[str, Callable[[str], bool]], library: Library) -> None:
    """Look up everything that a file names.

    :raises Fault: something is not there.
    """
    objects = [(line, word, name) for word in known for line, name in named(tree, word)]
    for line, word, name in sorted(objects):
        if not known[word](name):
            kind = _KINDS[word]
            raise Fault(file, line, f"unknown {kind} {name}", f"add it with `pbx {kind} add {name}`")
    for line, name in sorted(named(tree, "prompt")):
        try:
            library.prompt(name)
        except NoSound as error:
            raise Fault(file, line, error.what, error.remedy) from None


def _nested(file: str) -> Fault:
    return Fault(file, 1, "something in it is nested too deeply to be looked through", "write it in smaller pieces")


def _read(file: str) -> bytes:
    try:
        with open(file, "rb", opener=_opened) as source:
            text = source.read(LARGEST + 1)
    except OSError as error:
        remedy = "check the name and the rights, or `file` under [dialplan] in the configuration"
        raise Fault(file, 0, f"the dialplan cannot be read: {error.strerror}", remedy) from None
    if len(text) > LARGEST:
        remedy = "keep what is much in the database, or in files of another kind"
        raise Fault(file, 0, f"the dialplan is larger than {LARGEST >> 20} MiB", remedy)
    return text


def _opened(file: str, flags: int) -> int:
    """Open a file, and nothing that would wait for others, as a pipe does."""
    descriptor = os.open(file, flags | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no file", file)
    return descriptor


def _compiled(file: str, source: bytes) -> tuple[ast.Module, CodeType]:
    try:
        tree = ast.parse(source, file)
        return tree, compile(tree, file, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise Fault(file, error.lineno or 1, f"{type(error).__name__}: {error.msg}", "correct the line") from None
    except (ValueError, RecursionError, MemoryError) as error:
        # Null bytes, or nesting without end: not something that a person wrote.
        raise Fault(file, 1, f"this is no Python source: {error}", "correct the file") from None


def _execute(file: str, code: CodeType, module: ModuleType) -> None:
    # Of a module that changes twice within a second Python would take what it has compiled for the first change.
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        with limited(LONGEST):
            exec(code, module.__dict__)
    except Fault:
        raise
    except TooLong as error:
        what = f"the dialplan is still being read after {LONGEST:g} s"
        raise Fault(file, _line_in(file, error.__traceback__), what, "let nothing outside of a function wait") from None
    except BaseException as error:
        # Also SystemExit and KeyboardInterrupt: a dialplan does not end the exchange.
        raise Fault(file, _line_in(file, error.__traceback__), _words(error), "correct the line") from None
    finally:
        sys.dont_write_bytecode = writes


def _plan_of(file: str, tree: ast.Module, module: ModuleType) -> Plan[Any]:
    plan = module.__dict__.get("plan")
    if isinstance(plan, Plan):
        return plan
    if plan is None:
        raise Fault(file, 1, "no global named plan", "write `plan = Plan()`")
    what = f"its global named plan is not a Plan but of type {type(plan).__name__}"
    raise Fault(file, _line_of_plan(tree), what, "write `plan = Plan()`")


def _words(error: BaseException) -> str:
    """The exception as Python says it; above a syntax error in an imported module stand its indented source lines."""
    lines = traceback.format_exception_only(error)
    return next(line for line in lines if not line.startswith(" ")).strip()


def _line_in(file: str, trace: TracebackType | None) -> int:
    """The line of the innermost frame that is in the file: what it calls elsewhere is not to blame."""
    lines = [line for frame, line in traceback.walk_tb(trace) if frame.f_code.co_filename == file]
    return lines[-1] if lines else 1


def named(tree: ast.Module, function: str) -> Iterator[tuple[int, str]]:
    """Yield line and argument of each `ext("...")`, say, by whatever name the file imported `ext`."""
    names, modules = _imported(tree, function)
    for node in ast.walk(tree):
        arguments: list[ast.expr] = []
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in names:
                arguments = node.args
            case ast.Call(func=ast.Attribute(value=module, attr=name)) if (
                name == function and ast.unparse(module) in modules
            ):
                arguments = node.args
        for argument in arguments:
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                yield argument.lineno, argument.value


def _imported(tree: ast.Module, function: str) -> tuple[set[str], set[str]]:
    """Return the names under which the file has a function, and those under which it has `pbx.dialplan`."""
    names: set[str] = set()
    modules: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module="pbx.dialplan", names=aliases):
                names.update(alias.asname or function for alias in aliases if alias.name in (function, "*"))
            case ast.ImportFrom(module="pbx", names=aliases):
                modules.update(alias.asname or alias.name for alias in aliases if alias.name == "dialplan")
            case ast.Import(names=aliases):
                modules.update(alias.asname or alias.name for alias in aliases if alias.name == "pbx.dialplan")
    return names, modules


def _line_of_plan(tree: ast.Module) -> int:
    """The last line that binds the name `plan`."""
    lines = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Name) and _binds_plan(node)]
    return max(lines, default=1)


def _binds_plan(name: ast.Name) -> bool:
    return name.id == "plan" and isinstance(name.ctx, ast.Store)
