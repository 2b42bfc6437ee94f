"""The commands that ask the running server: `pbx status`, `pbx registrations`."""

from __future__ import annotations

from typing import Any, cast

import click

from pbx.cli import output
from pbx.cli.settings import Settings, pass_settings

REGISTRATION = ("number", "contact", "transport", "address", "expires_in", "registered_at", "user_agent")


def rows(settings: Settings, command: str, **arguments: object) -> list[dict[str, Any]]:
    """Ask the running server.

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
@click.argument("number", required=False)
@output.as_json
@pass_settings
def registrations(settings: Settings, number: str | None, as_json: bool) -> None:
    """List the phones that are registered.

    With NUMBER, those of this extension only.
    """
    output.show(rows(settings, "registrations", number=number), REGISTRATION, as_json)
