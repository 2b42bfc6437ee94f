"""`pbx extension`: the accounts with which phones register. The running server sees a change within a second."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import click

from pbx.cli import output
from pbx.cli.settings import Settings, pass_settings

COLUMNS = ("number", "name", "realm", "enabled")


@click.group()
def extension() -> None:
    """Add, list, show, change and remove extensions.

    A running server sees a change within a second.
    """


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
@click.option("--name", default="", metavar="TEXT", help="The name shown to those it calls.")
@_password_options
@output.as_json
@pass_settings
def add(settings: Settings, number: str, name: str, password: str | None, generate: bool, as_json: bool) -> None:
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
        accounts.add(connection, number, name, settings.config.sip.realm, secret)
        row = asdict(accounts.shown(connection, number))
    _report(f"extension {number} added", row, secret if generate else None, as_json)


@extension.command("list")
@output.as_json
@pass_settings
def list_(settings: Settings, as_json: bool) -> None:
    """List all extensions."""
    from pbx.store import accounts

    with settings.reading() as connection:
        rows = [asdict(account) for account in accounts.listed(connection)]
    output.show(rows, COLUMNS, as_json)


@extension.command()
@click.argument("number")
@output.as_json
@pass_settings
def show(settings: Settings, number: str, as_json: bool) -> None:
    """Show the extension NUMBER."""
    from pbx.store import accounts

    with settings.reading() as connection:
        row = asdict(accounts.shown(connection, number))
    output.show_one(row, as_json)


@extension.command("set")
@click.argument("number")
@click.option("--name", metavar="TEXT", help="The name shown to those it calls.")
@click.option("--enable/--disable", "enabled", default=None, help="Disabled, it can neither register nor call.")
@_password_options
@output.as_json
@pass_settings
def set_(
    settings: Settings,
    number: str,
    name: str | None,
    enabled: bool | None,
    password: str | None,
    generate: bool,
    as_json: bool,
) -> None:
    """Change the extension NUMBER.

    What is not given stays as it is.
    """
    from pbx.store import accounts

    secret = _chosen(password, generate)
    if name is None and enabled is None and secret is None:
        raise click.UsageError("nothing to change: give --name, --password, --generate, --enable or --disable")
    with settings.writing() as connection:
        accounts.change(connection, number, settings.config.sip.realm, name, secret, enabled)
        row = asdict(accounts.shown(connection, number))
    _report(f"extension {number} changed", row, secret if generate else None, as_json)


@extension.command()
@click.argument("number")
@output.as_json
@pass_settings
def remove(settings: Settings, number: str, as_json: bool) -> None:
    """Remove the extension NUMBER.

    The registrations of its phones go with it.
    """
    from pbx.store import accounts

    with settings.writing() as connection:
        row = asdict(accounts.shown(connection, number))
        accounts.remove(connection, number)
    output.say(f"extension {number} removed", row, as_json)


def _report(sentence: str, row: dict[str, Any], generated: str | None, as_json: bool) -> None:
    if generated is not None:
        sentence += f"; its password is {generated}"
        row["password"] = generated
    output.say(sentence, row, as_json)
