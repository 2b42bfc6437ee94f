"""The `pbx` command in our own process, on a configuration in a folder of its own."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pbx import config
from pbx.cli.main import main
from pbx.store.database import open_database
from tests.cli.command import Done, Pbx


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a folder with a configuration; its path is short enough for a unix socket."""
    with tempfile.TemporaryDirectory(prefix="pbx-") as name:
        monkeypatch.chdir("/")
        monkeypatch.setenv("PBX_CONFIG", f"{name}/pbx.toml")
        (Path(name) / "pbx.toml").write_text('domains = ["example.com"]\n')
        yield Path(name)


@pytest.fixture
def pbx(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Pbx:
    """Run a command; `typed` is its standard input, which is no terminal."""

    def run(*arguments: str, typed: str = "") -> Done:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        written = capsys.readouterr()
        status = ended.value.code
        assert isinstance(status, int)
        return Done(status, written.out, written.err)

    return run


@pytest.fixture(params=["sqlite", "postgresql"])
def upgraded(request: pytest.FixtureRequest, pbx: Pbx, folder: Path) -> Pbx:
    """The same, with a database: once of each kind."""
    if request.param == "postgresql":
        url = request.getfixturevalue("cluster").database()
        with (folder / "pbx.toml").open("a") as config:
            config.write(f'[database]\nurl = "{url}"\n')
    assert pbx("db", "upgrade").status == 0
    return pbx


@pytest.fixture
def sqlite(pbx: Pbx) -> Pbx:
    """The same, with an SQLite database."""
    assert pbx("db", "upgrade").status == 0
    return pbx


@pytest.fixture
def sql(folder: Path) -> Iterator[Callable[[str], list[Any]]]:
    """Give what other programs do to the database: a statement at a time."""
    databases: list[sa.Engine] = []

    def execute(statement: str) -> list[Any]:
        databases.append(open_database(config.load(folder / "pbx.toml").database.url))
        with databases[-1].begin() as connection:
            done = connection.exec_driver_sql(statement)
            return list(done) if done.returns_rows else []

    yield execute
    for database in databases:
        database.dispose()
