"""`pbx extension`: the accounts with which phones register. The running server sees a change within a second."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from pbx.cli import output
from pbx.cli.columns import column_options, given_texts
from pbx.cli.settings import Settings, pass_settings
from pbx.cli.sheet import export, import_

COLUMNS = ("number", "name", "enabled", "class_of_service", "caller_id", "do_not_disturb", "forward_always")


@click.group()
def extension() -> None:
    """Add, list, show, change and remove extensions.

    A running server sees a change within a second.
    """


extension.add_command(import_)
extension.add_command(export)


_TEXTS = {
    "name": ("TEXT", "The name shown to those it calls."),
    "class-of-service": ("WORDS", 'What it may do beyond calling colleagues: "international transfer-out".'),
    "caller-id": ("NUMBER", "The number shown to those it calls outside."),
    "max-contacts": ("N", "How many phones may register for it; empty: as configured."),
    "max-calls": ("N", "How many calls it may have at once; empty: as configured."),
    "forward-always": ("NUMBER", "Where all its calls go; empty, as with the others: nowhere."),
    "forward-busy": ("NUMBER", "Where they go while it is busy."),
    "forward-no-answer": ("NUMBER", "Where they go when nobody answers."),
    "forward-no-answer-after": ("SECONDS", "After how long; 20 by default."),
    "forward-unreachable": ("NUMBER", "Where they go while no phone is registered."),
    "pickup-group": ("WORD", "Who has the same one may pick up the calls that ring at its phones."),
}
_SWITCHES = {
    "tls-only": "Its phones must register and call over TLS.",
    "do-not-disturb": "Its phones stay silent.",
    "voicemail": "It has a mailbox.",
    "call-waiting": "A call reaches it while it is in another one.",
}
_setting_options = column_options(_TEXTS, _SWITCHES, "Disabled, it can neither register nor call.")


def _password_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--generate", is_flag=True, help="Make up a password and print it, this once."),
        click.option(
            "--password",
            metavar="SECRET",
            help="The password; - reads it from standard input. Other users of this machine can see one given here.",
        ),
    ):
        command = option(command)
    return command


def _chosen(password: str | None, generate: bool) -> str | None:
    """Return the password that the options ask for, None when they ask for none."""
    if password is not None and generate:
        raise click.UsageError("--password and --generate exclude each other")
    if generate:
        from pbx.store.accounts import generated_password

        return generated_password()
    if password != "-":
        return password
    return _asked() if sys.stdin.isatty() else sys.stdin.readline().removesuffix("\n")


def _asked() -> str:
    secret: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return secret


@extension.command()
@click.argument("number")
@_setting_options
@_password_options
@output.as_json
@pass_settings
def add(
    settings: Settings, /, number: str, password: str | None, generate: bool, as_json: bool, **given: str | bool | None
) -> None:
    """Add the extension NUMBER.

    NUMBER has up to 64 letters, digits, dots, hyphens and underscores; it is also the user name of its phones.

    Without --password and --generate, the password is asked for twice. Only its hashes are stored.
    """
    from pbx.store import accounts

    secret = _chosen(password, generate)
    if secret is None:
        if not sys.stdin.isatty():
            raise click.UsageError("there is no terminal to ask for the password: give --password - or --generate")
        secret = _asked()
    with settings.writing() as connection:
        accounts.add(connection, number, settings.config.sip.realm, secret, given_texts(given))
        row = accounts.shown(connection, number)
    _report(f"extension {number} added", row, secret if generate else None, as_json)


@extension.command("list")
@output.as_json
@pass_settings
def list_(settings: Settings, as_json: bool) -> None:
    """List all extensions."""
    from pbx.store import accounts

    with settings.reading() as connection:
        rows = accounts.listed(connection)
    output.show(rows, COLUMNS, as_json)


@extension.command()
@click.argument("number")
@output.as_json
@pass_settings
def show(settings: Settings, number: str, as_json: bool) -> None:
    """Show the extension NUMBER."""
    from pbx.store import accounts

    with settings.reading() as connection:
        row = accounts.shown(connection, number)
    output.show_one(row, as_json)


@extension.command("set")
@click.argument("number")
@_setting_options
@_password_options
@output.as_json
@pass_settings
def set_(
    settings: Settings, /, number: str, password: str | None, generate: bool, as_json: bool, **given: str | bool | None
) -> None:
    """Change the extension NUMBER.

    What is not given stays as it is.
    """
    from pbx.store import accounts

    secret, texts = _chosen(password, generate), given_texts(given)
    if secret is None and not texts:
        raise click.UsageError("nothing to change: give --name, --password, --generate, --disable or another option")
    with settings.writing() as connection:
        accounts.change(connection, number, settings.config.sip.realm, secret, texts)
        row = accounts.shown(connection, number)
    _report(f"extension {number} changed", row, secret if generate else None, as_json)


@extension.command()
@click.argument("number")
@output.as_json
@pass_settings
def remove(settings: Settings, number: str, as_json: bool) -> None:
    """Remove the extension NUMBER.

    The registrations of its phones go with it, and its aliases and permissions.
    """
    from pbx.store import accounts

    with settings.writing() as connection:
        row = accounts.shown(connection, number)
        accounts.remove(connection, number)
    output.say(f"extension {number} removed", row, as_json)


def _report(sentence: str, row: dict[str, Any], generated: str | None, as_json: bool) -> None:
    if generated is not None:
        sentence += f"; its password is {generated}"
        row["password"] = generated
    output.say(sentence, row, as_json)
