"""The options of commands that write a row: one for each column."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click


def column_options(
    texts: dict[str, tuple[str, str]], switches: dict[str, str], disabled: str
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that gives a command an option for each column; None is what is not given.

    :param texts: what each column of text is in the usage, and what it means.
    :param switches: what each column means that is on or off.
    :param disabled: what it means when the row is disabled.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for name, words in reversed(switches.items()):
            command = click.option(f"--{name}/--no-{name}", default=None, help=words)(command)
        command = click.option("--enable/--disable", "enabled", default=None, help=disabled)(command)
        for name, (metavar, words) in reversed(texts.items()):
            command = click.option(f"--{name}", metavar=metavar, help=words)(command)
        return command

    return decorate


def given_texts(given: Mapping[str, str | bool | None]) -> dict[str, str]:
    """What is to be written, as text: "yes" and "no" for what is on or off."""
    return {name: _text(value) for name, value in given.items() if value is not None}


def _text(value: str | bool) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value
