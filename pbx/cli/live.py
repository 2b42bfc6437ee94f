"""The commands that ask the running server: `pbx status`, `pbx registrations`."""

from __future__ import annotations

import sys
from threading import Event
from typing import Any, cast

import click

from pbx.cli import output
from pbx.cli.settings import Settings, pass_settings

REGISTRATION = (
    *("number", "contact", "transport", "address", "expires_in", "registered_at", "reachable", "round_trip"),
    *("instance", "reg_id", "path", "user_agent"),
)
SELDOM = frozenset(("instance", "reg_id", "path"))
"""Columns that most phones leave empty: not in the table where all do."""

REGISTER = ("number", "at", "status", "why", "transport", "address", "user_agent")
TESTING = 150.0  # seconds that a reload may take, with the check of the dialplan and its tests
EVERY = 1.0  # seconds between two looks of `--watch`


def rows(settings: Settings, command: str, **arguments: Any) -> list[dict[str, Any]]:
    """Ask the running server.

    :param arguments: of the command, and `patience` as `pbx.cli.client.ask` has it.
    :raises Refused: there is none, or it says why not.
    """
    from pbx.cli.client import ask

    return cast(list[dict[str, Any]], ask(settings.config.control.socket, command, **arguments))


@click.command()
@output.as_json
@pass_settings
def status(settings: Settings, as_json: bool) -> None:
    """Show what the running server is doing.

    How many calls and registrations there are, what waits for the database, what was dropped since the start.
    """
    for row in rows(settings, "status"):
        output.show_one(row, as_json)


@click.command()
@output.as_json
@pass_settings
def reload(settings: Settings, as_json: bool) -> None:
    """Take dialplan and certificates anew.

    The running server reads the dialplan, the certificates and the log level.

    If anything is wrong with them, or the dialplan's own tests fail ([dialplan] tests), it says so, and all goes on as
    before. What `pbx check` finds and does not keep it from being used ([dialplan] check) is told, too. Calls end with
    the plan that they began with.
    """
    for row in rows(settings, "reload", patience=TESTING):
        waiting = ", ".join(row["needs_restart"])
        needed = f"; a restart is needed for {waiting}" if waiting else ""
        output.say(f"reloaded; former plans that calls go on with: {row['old_plans']}{needed}", row, as_json)
        for finding in () if as_json else row["findings"]:
            click.echo(finding, err=True)


@click.command()
@click.argument("number", required=False)
@click.option("--last", is_flag=True, help="Only the last REGISTER of NUMBER, and how it was answered.")
@click.option("--watch", is_flag=True, help="Show it anew every second, until Ctrl-C; on a terminal.")
@output.as_json
@pass_settings
def registrations(settings: Settings, number: str | None, last: bool, watch: bool, as_json: bool) -> None:
    """List the phones that are registered.

    With NUMBER, those of this extension only, and what became of its last REGISTER: why it was refused, if it was.
    """
    if last and number is None:
        raise click.UsageError("--last needs a NUMBER")
    if watch and (as_json or not sys.stdout.isatty()):
        raise click.UsageError("--watch is for people at a terminal")
    if last:
        output.show(rows(settings, "last_register", number=number), REGISTER, as_json)
        return
    _show_registrations(settings, number, as_json)
    while watch:
        # Nothing else could end it: Ctrl-C does.
        Event().wait(EVERY)
        click.clear()
        _show_registrations(settings, number, as_json)


def _show_registrations(settings: Settings, number: str | None, as_json: bool) -> None:
    found = rows(settings, "registrations", number=number)
    columns = [name for name in REGISTRATION if as_json or name not in SELDOM or any(row[name] for row in found)]
    output.show(found, columns, as_json)
    if number is not None and not as_json:
        for row in rows(settings, "last_register", number=number):
            click.echo()
            output.show_one({"last_REGISTER": row["at"], **{name: row[name] for name in REGISTER[2:]}}, as_json)
