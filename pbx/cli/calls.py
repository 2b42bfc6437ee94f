"""`pbx calls` and `pbx hangup`: who calls whom at present, and how to end that."""

from __future__ import annotations

import click

from pbx.cli import output
from pbx.cli.live import rows
from pbx.cli.settings import Settings, pass_settings

COLUMNS = ("call", "caller", "name", "source", "number", "talks_to", "answered", "since", "seconds", "address")


@click.command()
@click.argument("number", required=False)
@output.as_json
@pass_settings
def calls(settings: Settings, number: str | None, as_json: bool) -> None:
    """List the calls that go on.

    All that are not over, or those in which the extension NUMBER takes part.

    NUMBER in the table is what was dialled, TALKS_TO the extension that has answered.
    """
    output.show(rows(settings, "calls", number=number), COLUMNS, as_json)


@click.command()
@click.argument("call")
@output.as_json
@pass_settings
def hangup(settings: Settings, call: str, as_json: bool) -> None:
    """End CALL, for all who take part.

    Its id may be cut as long as no other one begins so."""
    (row,) = rows(settings, "hang_up", call=call)
    output.say(f"the call of {row['caller'] or 'somebody'} to {row['number']} is ended", row, as_json)
