"""`pbx db`: the schema, and copies of the database."""

from __future__ import annotations

from pathlib import Path

import click

from pbx.cli import output
from pbx.cli.settings import Settings, pass_settings


@click.group()
def db() -> None:
    """Make, upgrade, check and save the database."""


@db.command()
@output.as_json
@pass_settings
def upgrade(settings: Settings, as_json: bool) -> None:
    """Bring the database up to date, or make it.

    Its schema becomes that of this version, and nothing in it is lost. A server with SQLite does this itself when it
    starts. With PostgreSQL, run it before starting a new version.
    """
    from pbx.store import migration

    before, after = migration.upgrade(settings.config.database.url)
    sentence = f"the database is at revision {after}" + (", as before" if before == after else "")
    output.say(sentence, {"before": before, "revision": after}, as_json)


@db.command()
@output.as_json
@pass_settings
def current(settings: Settings, as_json: bool) -> None:
    """Show the schema's revision, and the one that is needed."""
    from pbx.store.database import explained, open_database, reading, revision_of
    from pbx.store.schema import REVISION

    url = settings.config.database.url
    database = open_database(url)
    try:
        with explained(url), reading(database) as connection:
            row = {"revision": revision_of(connection), "needed": REVISION}
    finally:
        database.dispose()
    output.show_one(row, as_json)


@db.command()
@output.as_json
@pass_settings
def check(settings: Settings, as_json: bool) -> None:
    """Check the tables, and an SQLite file for damage."""
    from pbx.store import migration
    from pbx.store.schema import REVISION

    migration.check(settings.config.database.url)
    output.say("the database is as it should be", {"revision": REVISION}, as_json)


@db.command()
@click.argument("file", type=click.Path(path_type=Path))
@output.as_json
@pass_settings
def backup(settings: Settings, file: Path, as_json: bool) -> None:
    """Copy the database into FILE, a new one.

    The server may be running. SQLite only; PostgreSQL has pg_dump. To restore the copy: stop the server, remove the
    two files beside the database that end in -wal and -shm, and put the copy in its place.
    """
    from pbx.store.database import backup as copy

    copy(settings.config.database.url, file)
    output.say(f"the database is saved in {file}", {"file": str(file)}, as_json)
