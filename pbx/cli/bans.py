"""`pbx bans`: whom the running server does not listen to, and how to make it listen again."""

from __future__ import annotations

import click

from pbx.cli import output
from pbx.cli.live import rows
from pbx.cli.settings import Settings, pass_settings

COLUMNS = ("address", "reason", "since", "until", "ends_in", "times")


@click.group(invoke_without_command=True)
@output.as_json
@click.pass_context
def bans(context: click.Context, as_json: bool) -> None:
    """List and remove bans.

    Each is an address, with the reason and until when it is not listened to. TIMES counts the bans in a row; it is 0
    where the address may have been forged.
    """
    if context.invoked_subcommand is None:
        settings = context.find_object(Settings)
        assert settings is not None
        output.show(rows(settings, "bans"), COLUMNS, as_json)


@bans.command()
@click.argument("address")
@output.as_json
@pass_settings
def remove(settings: Settings, address: str, as_json: bool) -> None:
    """Listen to ADDRESS again.

    Nothing that it has done before counts any more. [security] allow is for networks that are never to be banned.
    """
    (row,) = rows(settings, "lift", address=address)
    output.say(f"{address} is not banned any more", row, as_json)
