"""`pbx alias`: other names of extensions. The running server sees a change within a second."""

from __future__ import annotations

import click

from pbx.cli import output
from pbx.cli.settings import Settings, pass_settings

COLUMNS = ("name", "number")


@click.group()
def alias() -> None:
    """Give extensions other names: sales, 77, +14155550100.

    Who calls or registers the name means the extension. A running server sees a change within a second.
    """


@alias.command()
@click.argument("name")
@click.argument("number")
@output.as_json
@pass_settings
def add(settings: Settings, name: str, number: str, as_json: bool) -> None:
    """Let NAME mean the extension NUMBER."""
    from pbx.store import aliases

    with settings.writing() as connection:
        aliases.add(connection, name, number)
    output.say(f"{name} is an alias of extension {number}", {"name": name, "number": number}, as_json)


@alias.command("list")
@click.argument("number", required=False)
@output.as_json
@pass_settings
def list_(settings: Settings, number: str | None, as_json: bool) -> None:
    """List all aliases, or those of one extension."""
    from pbx.store import aliases

    with settings.reading() as connection:
        rows = aliases.listed(connection, number)
    output.show(rows, COLUMNS, as_json)


@alias.command()
@click.argument("name")
@output.as_json
@pass_settings
def remove(settings: Settings, name: str, as_json: bool) -> None:
    """Let NAME mean nothing any more."""
    from pbx.store import aliases

    with settings.writing() as connection:
        number = aliases.remove(connection, name)
    output.say(f"{name} is no alias any more", {"name": name, "number": number}, as_json)
