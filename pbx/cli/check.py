"""`pbx check`: what is wrong with a dialplan, before anybody calls."""

from __future__ import annotations

from pathlib import Path

import click

from pbx.cli import output
from pbx.cli.settings import Settings, pass_settings

COLUMNS = ("path", "line", "what", "remedy")


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@output.as_json
@pass_settings
def check(settings: Settings, file: Path | None, as_json: bool) -> int:
    """Say what is wrong with the dialplan, or with FILE.

    One line for each finding; the exit status is 1 if there is any. Names are looked up in the database. Where mypy is
    installed (pip install mypy), types are checked as well.
    """
    from pbx.checking import check as findings

    config = settings.config
    found = list(findings(config, (file or config.dialplan.file).absolute()))
    rows = [{name: getattr(one, name) for name in COLUMNS} for one in found]
    if as_json:
        output.show(rows, COLUMNS, as_json)
    for one in () if as_json else found:
        click.echo(str(one))
    return 1 if found else 0
