"""`pbx permission`: who may register phones for whom. The running server sees a change within a second."""

from __future__ import annotations

import click

from pbx.cli import output
from pbx.cli.settings import Settings, pass_settings

COLUMNS = ("number", "may_register")


@click.group()
def permission() -> None:
    """Let extensions register phones for others.

    Each may register its own; a secretary's phone, say, may register the manager's as well. A running server sees a
    change within a second.
    """


@permission.command()
@click.argument("number")
@click.argument("other")
@output.as_json
@pass_settings
def add(settings: Settings, number: str, other: str, as_json: bool) -> None:
    """Let extension NUMBER register phones for OTHER."""
    from pbx.store import permissions

    with settings.writing() as connection:
        permissions.add(connection, number, other)
    row = {"number": number, "may_register": other}
    output.say(f"extension {number} may register phones for {other}", row, as_json)


@permission.command("list")
@click.argument("number", required=False)
@output.as_json
@pass_settings
def list_(settings: Settings, number: str | None, as_json: bool) -> None:
    """List all permissions, or those of one extension."""
    from pbx.store import permissions

    with settings.reading() as connection:
        rows = permissions.listed(connection, number)
    output.show(rows, COLUMNS, as_json)


@permission.command()
@click.argument("number")
@click.argument("other")
@output.as_json
@pass_settings
def remove(settings: Settings, number: str, other: str, as_json: bool) -> None:
    """Let NUMBER no longer register phones for OTHER.

    What is registered stays until it expires.
    """
    from pbx.store import permissions

    with settings.writing() as connection:
        permissions.remove(connection, number, other)
    row = {"number": number, "may_register": other}
    output.say(f"extension {number} may no longer register phones for {other}", row, as_json)
