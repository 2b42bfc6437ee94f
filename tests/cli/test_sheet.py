"""`pbx extension import` and `export`: files in and out, a bar on a terminal, and nothing half done."""

from __future__ import annotations

import io
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pbx.store.accounts import hashes
from tests.cli.command import Pbx


@pytest.fixture
def file(folder: Path) -> Path:
    path = folder / "phones.csv"
    path.write_text("number,password,name\n1001,wonder,Ann\n1002,,Bob\n")
    return path


def test_import_says_what_it_did(upgraded: Pbx, file: Path) -> None:
    done = upgraded("extension", "import", str(file))
    sentence = "2 extensions added, 0 changed; 1 have no password yet and cannot register\n"
    assert (done.status, done.out, done.err) == (0, sentence, "")
    rows = upgraded("extension", "list", "--json").rows
    assert [(row["number"], row["name"]) for row in rows] == [("1001", "Ann"), ("1002", "Bob")]
    taken = upgraded("extension", "import", "--update", str(file), "--json").rows
    assert taken == [{"added": 0, "changed": 2, "without_password": 0}]


def test_import_with_a_mistake_names_its_line_and_changes_nothing(upgraded: Pbx, file: Path) -> None:
    upgraded("extension", "add", "1002", "--generate")
    before = upgraded("extension", "list", "--json").rows
    assert upgraded("extension", "import", str(file)).sentence == (
        f"{file}:3: extension 1002 exists already; remove the line, or change those that exist with --update"
    )
    with file.open("a") as lines:
        lines.write("10 03,x,Carol\n")
    assert upgraded("extension", "import", "--update", str(file)).sentence.startswith(f"{file}:4: '10 03' cannot be")
    assert upgraded("extension", "list", "--json").rows == before


def test_import_and_export_show_a_bar_on_a_terminal(
    sqlite: Pbx, folder: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    assert sqlite("extension", "import", str(file)).status == 0
    assert "Writing" in terminal.getvalue() and "100%" in terminal.getvalue()
    terminal.truncate(0)
    out = folder / "out.csv"
    assert sqlite("extension", "export", str(out)).status == 0
    assert "Reading" in terminal.getvalue() and "100%" in terminal.getvalue()
    assert len(out.read_text().splitlines()) == 3


def test_ten_thousand_extensions_are_imported_in_one_go(upgraded: Pbx, file: Path) -> None:
    lines = (f"{number},secret-{number},Phone {number}" for number in range(10_000, 20_000))
    file.write_text("\n".join(["number,password,name", *lines, ""]))
    assert upgraded("extension", "import", str(file), "--json").rows[0]["added"] == 10_000
    assert upgraded("extension", "import", "--update", str(file), "--json").rows[0]["changed"] == 10_000
    assert len(upgraded("extension", "list", "--json").rows) == 10_000


@pytest.mark.parametrize(
    ("name", "words"), [("none.csv", "cannot be read: No such file"), ("", "cannot be read: Is a directory")]
)
def test_import_of_what_cannot_be_read_is_one_sentence(sqlite: Pbx, folder: Path, name: str, words: str) -> None:
    assert words in sqlite("extension", "import", str(folder / name)).sentence


def test_import_reads_standard_input(sqlite: Pbx) -> None:
    program = Path(sys.executable).parent / "pbx"
    typed = b"number,name\n1001,Bj\xc3\xb6rn\n"
    done = subprocess.run([program, "extension", "import", "-"], input=typed, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert sqlite("extension", "show", "1001", "--json").rows[0]["name"] == "Björn"


def test_export_is_for_this_user_only_and_never_overwrites(upgraded: Pbx, folder: Path, file: Path) -> None:
    upgraded("extension", "import", str(file))
    out = folder / "out.csv"
    assert upgraded("extension", "export", str(out)).out == f"the extensions are saved in {out}\n"
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    heading, ann, bob = out.read_text().splitlines()
    assert heading.startswith("number,name,enabled,class_of_service,caller_id,max_contacts")
    assert (ann, bob) == ("1001,Ann,yes,,,,,no,no,yes,,,,20,,yes,", "1002,Bob,yes,,,,,no,no,yes,,,,20,,yes,")
    assert "exists already; name a new file" in upgraded("extension", "export", str(out)).sentence
    assert "No such file or directory" in upgraded("extension", "export", str(folder / "none" / "x.csv")).sentence


def test_export_has_hashes_when_asked_and_goes_to_standard_output(upgraded: Pbx, file: Path) -> None:
    upgraded("extension", "import", str(file))
    secret = hashes("1001", "example.com", "wonder")["ha1_md5"]
    assert secret not in upgraded("extension", "export", "-").out
    assert secret in upgraded("extension", "export", "--hashes", "-").out


def test_disk_that_is_full_leaves_no_file(sqlite: Pbx, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: object, mode: str = "r", *arguments: object, **options: object) -> object:
        if mode.startswith("r"):
            return plain(file, mode, *arguments, **options)
        raise OSError(28, "No space left on device")

    plain: Callable[..., object] = open
    monkeypatch.setattr("builtins.open", full)
    done = sqlite("extension", "export", str(folder / "out.csv"))
    monkeypatch.undo()
    assert "cannot be written: No space left on device; make room" in done.sentence
    assert not (folder / "out.csv").exists()
