"""`pbx mailbox`: whose messages are kept where, and how many. The running server sees a change within a second."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from pbx.cli import output
from pbx.cli.settings import Settings, pass_settings
from pbx.faults import Fault

COLUMNS = ("name", "extension", "has_pin", "email", "max_messages", "max_seconds")


@click.group()
def mailbox() -> None:
    """Add, list, change and remove mailboxes.

    An extension has a mailbox of its number without being added here. A running server sees a change within a second.
    """


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    texts = {
        "extension": ("NUMBER", "Whose phones show it; empty: those of the extension with its name."),
        "email": ("ADDRESS", "Where each message is sent, too; empty: nowhere."),
        "max-messages": ("N", "How many it may hold; empty: as configured."),
        "max-seconds": ("N", "How long a message may be; empty: as configured."),
        "pin": ("DIGITS", "Its PIN, 4 to 12 digits; - reads it from standard input; empty: none."),
    }
    for name, (metavar, words) in reversed(texts.items()):
        command = click.option(f"--{name}", metavar=metavar, help=words)(command)
    return command


def _settings(given: dict[str, str | None]) -> dict[str, str]:
    """What is to be written; a PIN becomes its hash."""
    from pbx.features.voicemail.pin import hashed, may_be_pin

    texts = {column: text for column, text in given.items() if text is not None}
    if "pin" in texts:
        pin = sys.stdin.readline().strip() if texts["pin"] == "-" else texts["pin"]
        if pin and not may_be_pin(pin):
            raise Fault("", 0, "this cannot be a PIN", "give 4 to 12 digits, not all the same")
        texts["pin"] = hashed(pin) if pin else ""
    return texts


@mailbox.command()
@click.argument("name")
@_options
@output.as_json
@pass_settings
def add(settings: Settings, /, name: str, as_json: bool, **given: str | None) -> None:
    """Add the mailbox NAME.

    NAME has up to 64 letters, digits, dots, hyphens and underscores. Without a PIN only the phones of its extension can
    hear it.
    """
    _write(settings, name, "add", given, f"mailbox {name} added", as_json)


@mailbox.command("set")
@click.argument("name")
@_options
@output.as_json
@pass_settings
def set_(settings: Settings, /, name: str, as_json: bool, **given: str | None) -> None:
    """Change the mailbox NAME; what is not given stays as it is."""
    _write(settings, name, "change", given, f"mailbox {name} changed", as_json)


@mailbox.command("list")
@output.as_json
@pass_settings
def list_(settings: Settings, as_json: bool) -> None:
    """List the mailboxes that were added or changed here."""
    from pbx.store import mailboxes

    with settings.reading() as connection:
        rows = mailboxes.listed(connection)
    output.show(rows, COLUMNS, as_json)


@mailbox.command()
@click.argument("name")
@output.as_json
@pass_settings
def remove(settings: Settings, name: str, as_json: bool) -> None:
    """Remove the mailbox NAME, which must be empty.

    That of an extension only goes back to the defaults: `pbx extension set NUMBER --no-voicemail` takes it away.
    """
    from pbx.store import mailboxes

    with settings.writing() as connection:
        mailboxes.remove(connection, name)
    output.say(f"mailbox {name} removed", {"name": name}, as_json)


def _write(
    settings: Settings, name: str, done: str, given: dict[str, str | None], sentence: str, as_json: bool
) -> None:
    from pbx.store import mailboxes

    texts = _settings(given)
    with settings.writing() as connection:
        (mailboxes.add if done == "add" else mailboxes.change)(connection, name, texts)
        [row] = mailboxes.listed(connection, name)
    output.say(sentence, row, as_json)
