"""`pbx check`: what is wrong with a dialplan, before anybody calls."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path

import click

from pbx.cli import output
from pbx.cli.settings import Settings, pass_settings

COLUMNS = ("path", "line", "what", "remedy")


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--no-names", is_flag=True, help="Look nothing up in the database: there is whatever is named.")
@output.as_json
@pass_settings
def check(settings: Settings, file: Path | None, no_names: bool, as_json: bool) -> int:
    """Say what is wrong with the dialplan, or with FILE.

    One line for each finding; the exit status is 1 if there is any. Names are looked up in the database. Where mypy is
    installed (pip install mypy), types are checked as well. In JSON, `fatal` is whether it keeps the dialplan from
    being used.
    """
    from pbx.checking import check as findings

    config = settings.config
    with redirect_stdout(sys.stderr):  # what the dialplan prints is no finding
        found = list(findings(config, (file or config.dialplan.file).absolute(), names=not no_names))
    if as_json:
        rows = [{**{name: getattr(one.fault, name) for name in COLUMNS}, "fatal": one.fatal} for one in found]
        output.show(rows, (*COLUMNS, "fatal"), as_json)
    for one in () if as_json else found:
        click.echo(str(one.fault))
    return 1 if found else 0
