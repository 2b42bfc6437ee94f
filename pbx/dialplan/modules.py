"""The modules of a dialplan: its own, and those beside it that it imports. Each load makes them anew, and what a plan
that is refused has left behind is taken away again.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

# The file's module is known to Python by this name and not by its own, which may be that of another module. It has to
# be known: dataclasses, for one, look there for the names in annotations. The last plan that was loaded is there.
MODULE = "pbx_dialplan"


class _Folder(str):
    """An entry of `sys.path` that is ours. It is the last one: no file beside a dialplan hides a module of others."""

    __slots__ = ()


class Modules:
    """The modules of one load; those of the load before are out of the way.

    :param file: the dialplan's.
    """

    def __init__(self, file: str) -> None:
        self._folder = os.path.dirname(os.path.abspath(file))
        self._former_path = list(sys.path)
        former = sys.modules.get(MODULE)
        folders = {self._folder}
        if former is not None and former.__file__:
            folders.add(os.path.dirname(os.path.abspath(former.__file__)))
        self._former = {name: sys.modules.pop(name) for name in _beside(folders)}
        sys.path[:] = [entry for entry in sys.path if not isinstance(entry, _Folder)]
        sys.path.append(_Folder(self._folder))
        importlib.invalidate_caches()

    def put_back(self) -> None:
        """Nothing of this load stays."""
        for name in _beside({self._folder}):
            del sys.modules[name]
        sys.modules.update(self._former)
        sys.path[:] = self._former_path


def is_beside(dialplan: Path, file: str) -> bool:
    """Whether a file is the dialplan, or one in its folder."""
    return os.path.dirname(file) == str(dialplan.parent)


def imported(file: str) -> list[str]:
    """The files beside a dialplan, which was loaded last, that it has imported."""
    names = _beside({os.path.dirname(os.path.abspath(file))})
    files = [getattr(sys.modules[name], "__file__", None) for name in names if name != MODULE]
    return sorted({found for found in files if found and found.endswith(".py")})


def sources(folder: Path) -> Iterator[Path]:
    """Yield the Python files in a folder, and in the packages there."""
    for entry in sorted(folder.iterdir()):
        if entry.suffix == ".py":
            yield entry
        elif (entry / "__init__.py").is_file():
            yield from sources(entry)


def _beside(folders: set[str]) -> list[str]:
    """The names of a dialplan's module and of those that come from its folder."""
    places = {name for name, module in sys.modules.items() if "." not in name and _folder_of(module) in folders}
    places.discard("pbx")  # which is there in a working copy of ours
    return [name for name in sys.modules if name == MODULE or name.partition(".")[0] in places]


def _folder_of(module: ModuleType | None) -> str:
    """Where Python found a module; "" where that is no folder."""
    file = getattr(module, "__file__", None) or ""
    folder = os.path.dirname(file)
    return os.path.dirname(folder) if os.path.basename(file) == "__init__.py" else folder
