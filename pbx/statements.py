"""Where an option stands in the text of a TOML file: tomllib, which reads it, tells no places."""

from __future__ import annotations

import tomllib
from typing import Any


def line_of(text: str, keys: list[str]) -> int:
    """Return the line of the statement that sets the key, else that of its section, else 1."""
    return _statement(text, keys) or _statement(text, keys[:1]) or 1


def _statement(text: str, keys: list[str]) -> int:
    """Return the first line of the first statement that sets the key; 0 when none does.

    No second scanner of TOML: a statement is what `tomllib` accepts beneath the header before it.
    """
    header = statement = ""
    first = 0
    for number, line in enumerate(text.split("\n"), 1):
        if not statement:
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            first = number
        statement += line + "\n"
        try:
            found: Any = tomllib.loads(header + statement)
        except (ValueError, RecursionError):
            continue
        if statement.lstrip().startswith("["):
            header = statement
        statement = ""
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        if found is not None:
            return first
    return 0
