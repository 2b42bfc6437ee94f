"""The rules of the house, checked on the source text alone: floors, cycles, ceilings, names, and what no file may do.

Each rule takes all modules and yields one complaint for each place that breaks it. `docs/design` says why they are.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FILE_LINES = 500
FUNCTION_LINES = 60

VALUES, EDGES, MACHINES, EXCHANGE, FEATURES, DIALPLAN, SHELL = FLOORS = (
    "values",
    "edges",
    "machines",
    "exchange",
    "features",
    "dialplan",
    "shell",
)

# A module lives where its longest prefix in this table says.
TABLE = {
    "pbx": VALUES,
    "pbx.explaining": SHELL,
    "pbx.observed": SHELL,
    "pbx.faults": VALUES,
    "pbx.sip": MACHINES,
    "pbx.sip.addresses": EDGES,
    "pbx.sip.bodies": VALUES,
    "pbx.sip.connection": EDGES,
    "pbx.sip.digest": VALUES,
    "pbx.sip.errors": VALUES,
    "pbx.sip.flow": VALUES,
    "pbx.sip.framing": VALUES,
    "pbx.sip.gate": VALUES,
    "pbx.sip.grammar": VALUES,
    "pbx.sip.headers": VALUES,
    "pbx.sip.hops": VALUES,
    "pbx.sip.identifiers": VALUES,
    "pbx.sip.message": VALUES,
    "pbx.sip.occupancy": VALUES,
    "pbx.sip.parser": VALUES,
    "pbx.sip.sdp": VALUES,
    "pbx.sip.status": VALUES,
    "pbx.sip.stun": VALUES,
    "pbx.sip.timers": VALUES,
    "pbx.sip.trace": VALUES,
    "pbx.sip.uri": VALUES,
    "pbx.sip.reasons": VALUES,
    "pbx.sip.packet_filter": EDGES,
    "pbx.sip.redaction": VALUES,
    "pbx.sip.resolver": EDGES,
    "pbx.sip.stream_socket": EDGES,
    "pbx.sip.stream_transport": EDGES,
    "pbx.sip.tls": EDGES,
    "pbx.sip.transport": EDGES,
    "pbx.sip.transports": EDGES,
    "pbx.media": MACHINES,
    "pbx.media.clip": VALUES,
    "pbx.media.errors": VALUES,
    "pbx.media.formats": VALUES,
    "pbx.media.g711": VALUES,
    "pbx.media.keying": VALUES,
    "pbx.media.mixing": VALUES,
    "pbx.media.quality": VALUES,
    "pbx.media.rtp": VALUES,
    "pbx.media.sdes": VALUES,
    "pbx.media.sources": VALUES,
    "pbx.media.stream": VALUES,
    "pbx.media.tones": VALUES,
    "pbx.media.telephone_event": VALUES,
    "pbx.media.wav": VALUES,
    "pbx.media.native": EDGES,
    "pbx.media.sockets": EDGES,
    "pbx.store": EDGES,
    "pbx.migrations": EDGES,
    "pbx.exchange": EXCHANGE,
    "pbx.exchange.accounts": VALUES,
    "pbx.exchange.ban": VALUES,
    "pbx.exchange.binding": VALUES,
    "pbx.exchange.caller": VALUES,
    "pbx.exchange.diversion": VALUES,
    "pbx.exchange.extension": VALUES,
    "pbx.exchange.group": VALUES,
    "pbx.exchange.lamp": VALUES,
    "pbx.exchange.intercom": VALUES,
    "pbx.exchange.numbering": VALUES,
    "pbx.exchange.privacy": VALUES,
    "pbx.exchange.record": VALUES,
    "pbx.exchange.reach": VALUES,
    "pbx.exchange.settings": VALUES,
    "pbx.exchange.switch": VALUES,
    "pbx.exchange.target": VALUES,
    "pbx.exchange.text": VALUES,
    "pbx.exchange.thresholds": VALUES,
    "pbx.exchange.transfer": VALUES,
    "pbx.exchange.trunk": VALUES,
    "pbx.features": FEATURES,
    "pbx.features.conference.room": VALUES,
    "pbx.features.voicemail.mailbox": VALUES,
    "pbx.dialplan": DIALPLAN,
    "pbx.capture": SHELL,
    "pbx.certificates": SHELL,
    "pbx.checking": SHELL,
    "pbx.cli": SHELL,
    "pbx.clock": SHELL,
    "pbx.config": SHELL,
    "pbx.control": SHELL,
    "pbx.espeak": SHELL,
    "pbx.ending": SHELL,
    "pbx.ladder": SHELL,
    "pbx.ladder_page": SHELL,
    "pbx.lines": SHELL,
    "pbx.listening": SHELL,
    "pbx.log": SHELL,
    "pbx.ongoing": SHELL,
    "pbx.options": SHELL,
    "pbx.outside": SHELL,
    "pbx.reactor": SHELL,
    "pbx.relaying": SHELL,
    "pbx.reloading": SHELL,
    "pbx.recorded": SHELL,
    "pbx.rooms": SHELL,
    "pbx.rows": SHELL,
    "pbx.trials": SHELL,
    "pbx.memory": SHELL,
    "pbx.privileges": SHELL,
    "pbx.service": SHELL,
    "pbx.shutters": SHELL,
    "pbx.smtp": SHELL,
    "pbx.statements": SHELL,
    "pbx.testing": SHELL,
    "pbx.traced": SHELL,
    "pbx.watchdog": SHELL,
    "pbx.wiring": SHELL,
}

# Folders in the root that hold no source: what `make` makes. Those that are hidden hold none either.
MADE = frozenset({"build", "dist", "run"})

# `pbx` itself is the package's docstring and its version; that is no roof for files that nobody has placed.
ALONE = {"pbx"}

# Libraries that only some floors may know.
LIBRARIES = {
    "alembic": (EDGES, SHELL),
    "click": (SHELL,),
    "sqlalchemy": (EDGES, SHELL),
    "twisted.internet.reactor": (SHELL,),
}

FORBIDDEN = frozenset(
    "handler manager processor engine component util utils helper helpers common base data info misc "
    "msg req resp hdr cb cfg tx".split()
)


@dataclass(frozen=True, slots=True)
class Module:
    """One source file.

    :param name: as it is imported; of a package, the package's.
    :param path: relative to the root, for complaints.
    :param imports: each imported module with its line, ours and others'.
    """

    name: str
    path: str
    lines: int
    tree: ast.Module
    imports: tuple[tuple[str, int], ...]

    @property
    def floor(self) -> str | None:
        """The floor on which the table puts it; None when the table does not know it."""
        name = self.name
        if name in TABLE:
            return TABLE[name]
        while "." in name:
            name = name.rpartition(".")[0]
            if name in TABLE and name not in ALONE:
                return TABLE[name]
        return None


def modules(root: Path, package: str = "pbx") -> list[Module]:
    """Read every Python file of the package; migrations come in through their symbolic link.

    :param package: a folder of the root; "" for all of them, and what lies beside them.
    """
    sources = {}
    for folder, inner, files in os.walk(root / package, followlinks=True):
        if Path(folder) == root:
            inner[:] = [name for name in inner if not name.startswith(".") and name not in MADE]
        for file in files:
            if file.endswith(".py"):
                path = Path(folder, file).relative_to(root)
                parts = path.with_suffix("").parts
                sources[".".join(parts[:-1] if file == "__init__.py" else parts)] = path
    found = []
    for name, path in sorted(sources.items()):
        text = (root / path).read_text()
        tree = ast.parse(text, str(path))
        package_name = name if path.name == "__init__.py" else name.rpartition(".")[0]
        imports = tuple(_imports(tree, package_name, set(sources)))
        found.append(Module(name, str(path), len(text.splitlines()), tree, imports))
    return found


def _imports(tree: ast.Module, package: str, ours: set[str]) -> Iterator[tuple[str, int]]:
    """Yield what a file imports, wherever it does: inside a function and under TYPE_CHECKING counts too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            if node.level:
                roof = package.split(".")
                source = ".".join(filter(None, [*roof[: len(roof) - node.level + 1], source]))
            for alias in node.names:
                whole = f"{source}.{alias.name}"
                # Of ours we know what is a module; of others we name both, which LIBRARIES sorts out.
                yield (whole if whole in ours or not source.startswith("pbx") else source), node.lineno


def unplaced(house: list[Module]) -> Iterator[str]:
    """Every file has a floor."""
    for module in house:
        if module.floor is None:
            yield f"{module.path}: no floor is known for {module.name}; add it to TABLE in tests/house.py"


def upward_imports(house: list[Module]) -> Iterator[str]:
    """Imports go down; an edge imports values only, and only the shell imports an edge."""
    floors = {module.name: module.floor for module in house}
    for module in house:
        for name, line in module.imports:
            here, there = module.floor, floors.get(name)
            if here is None or there is None or here == there:
                continue
            if here == EDGES:
                allowed = there == VALUES
            elif there == EDGES:
                allowed = here == SHELL
            else:
                allowed = FLOORS.index(there) < FLOORS.index(here)
            if not allowed:
                yield f"{module.path}:{line}: {here} must not import {there} ({name})"


def strange_libraries(house: list[Module]) -> Iterator[str]:
    """SQL stays at its edge, the command line in the shell, and the reactor in the shell."""
    for module in house:
        for name, line in module.imports:
            for library, floors in LIBRARIES.items():
                if (name + ".").startswith(library + ".") and module.floor not in floors:
                    yield f"{module.path}:{line}: {module.floor} must not import {library}"


def cycles(house: list[Module]) -> Iterator[str]:
    """No module is reached by following its own imports."""
    graph = {module.name: {name for name, _ in module.imports} for module in house}
    done: set[str] = set()

    def walk(name: str, way: list[str]) -> Iterator[str]:
        if name in way:
            yield "a cycle of imports: " + " -> ".join([*way[way.index(name) :], name])
        elif name not in done:
            for below in sorted(graph[name] & graph.keys()):
                yield from walk(below, [*way, name])
            done.add(name)

    for name in graph:
        yield from walk(name, [])


def _functions(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def long_files(house: list[Module]) -> Iterator[str]:
    """A file is read at one sitting."""
    for module in house:
        if module.lines > FILE_LINES:
            yield f"{module.path}: {module.lines} lines; a file has at most {FILE_LINES}"


def long_functions(house: list[Module]) -> Iterator[str]:
    """A function is seen at one look; its signature and docstring are not counted."""
    for module in house:
        for function in _functions(module):
            body = function.body[1:] if ast.get_docstring(function, clean=False) else function.body
            lines = (function.end_lineno or 0) - body[0].lineno + 1 if body else 0
            if lines > FUNCTION_LINES:
                place = f"{module.path}:{function.lineno}"
                yield f"{place}: {function.name} has {lines} lines; a function has at most {FUNCTION_LINES}"


def bad_openings(house: list[Module]) -> Iterator[str]:
    """A file opens with its law, then with the future import; one that holds only the law needs no import."""
    for module in house:
        if ast.get_docstring(module.tree) is None:
            yield f"{module.path}:1: the file does not open with a docstring that says its law"
            continue
        after = module.tree.body[1:]
        if after and ast.unparse(after[0]) != "from __future__ import annotations":
            yield f"{module.path}:{after[0].lineno}: `from __future__ import annotations` must come first"


def _words(name: str) -> set[str]:
    return set(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().split("_"))


def bad_names(house: list[Module]) -> Iterator[str]:
    """Names say what a thing is in the RFC's words or a telephonist's. camelCase is Twisted's and not ours to judge."""
    for module in house:
        names = [(module.name.rpartition(".")[2], 1)]
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef):
                names.append((node.name, node.lineno))
        for function in _functions(module):
            if not re.match(r"[a-z]+[A-Z]", function.name):
                names.append((function.name, function.lineno))
        for name, line in sorted(names, key=lambda found: found[1]):
            for word in sorted(_words(name) & FORBIDDEN):
                yield f"{module.path}:{line}: the name {name} contains {word!r}, which says nothing"


def sleeps(house: list[Module]) -> Iterator[str]:
    """Time comes from the clock that is passed in; nothing waits."""
    for module in house:
        for name, line in module.imports:
            if name == "time.sleep":
                yield f"{module.path}:{line}: nothing sleeps"
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "time.sleep":
                yield f"{module.path}:{node.lineno}: nothing sleeps"


RULES = (
    unplaced,
    upward_imports,
    strange_libraries,
    cycles,
    long_files,
    long_functions,
    bad_openings,
    bad_names,
    sleeps,
)
