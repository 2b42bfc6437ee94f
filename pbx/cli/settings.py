"""What all commands share: the configuration, loaded when the first of them asks for it."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

import click

from pbx.config import Config, find, load

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa


class Settings:
    """The object that click hands to every command.

    :param path: what `--config` said, or None.
    """

    def __init__(self, path: str | None) -> None:
        self.path = path

    @cached_property
    def config(self) -> Config:
        """The configuration.

        :raises Fault: there is none, or something in it is wrong.
        """
        return load(find(self.path))

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Give a connection to a database with the schema of this version.

        :raises Fault: there is none, or it refuses.
        """
        from pbx.store.database import reading

        with self._database() as database, reading(database) as connection:
            yield _current(connection)

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Give a connection in a transaction, which a `Fault` undoes.

        :raises Fault: as in `reading`.
        """
        with self._database() as database, database.begin() as connection:
            yield _current(connection)

    @contextmanager
    def _database(self) -> Iterator[sa.Engine]:
        from pbx.store.database import explained, open_database

        url = self.config.database.url
        database = open_database(url)
        try:
            with explained(url):
                yield database
        finally:
            database.dispose()


def _current(connection: sa.Connection) -> sa.Connection:
    from pbx.store.database import require_current

    require_current(connection)
    return connection


pass_settings = click.make_pass_decorator(Settings)
