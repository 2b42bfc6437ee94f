"""The `pbx` command in our own process, on a configuration in a folder of its own."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pbx.cli.main import main
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


@pytest.fixture
def upgraded(pbx: Pbx) -> Pbx:
    """The same, with a database."""
    assert pbx("db", "upgrade").status == 0
    return pbx
