"""pbx.cli.main: exit status 0, 1 or 2, and one sentence for whatever goes wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pbx import __version__
from tests.cli.command import Pbx


def test_version(pbx: Pbx) -> None:
    done = pbx("--version")
    assert (done.status, done.out, done.err) == (0, f"pbx {__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            (),
            [
                "alias",
                "db",
                "extension",
                "permission",
                "status",
                "registrations",
                "$PBX_CONFIG, ./pbx.toml, /etc/pbx/pbx.toml",
            ],
        ),
        (("db",), ["upgrade", "current", "check", "backup"]),
        (("extension",), ["add", "list", "show", "set", "remove", "import", "export", "within a second"]),
        (("extension", "add"), ["NUMBER", "--name", "--password", "--generate", "--json", "asked for twice"]),
        (("extension", "set"), ["--forward-no-answer-after", "--max-contacts", "--no-voicemail", "stays as it is"]),
        (("extension", "import"), ["FILE", "--update", "nothing is changed"]),
        (("extension", "export"), ["FILE", "--hashes", "apostrophe"]),
        (("alias",), ["add", "list", "remove", "within a second"]),
        (("permission",), ["add", "list", "remove", "within a second"]),
        (("status",), ["--json", "running server"]),
        (("registrations",), ["[NUMBER]", "--json"]),
    ],
)
def test_help_helps(pbx: Pbx, arguments: tuple[str, ...], words: list[str]) -> None:
    done = pbx(*arguments, "--help")
    assert (done.status, done.err) == (0, "")
    text = " ".join(done.out.split())
    assert [word for word in words if word not in text] == []
    _, _, commands = done.out.partition("Commands:")
    assert "..." not in commands, "the first sentence of a command's docstring is too long for the list"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--bogus",), "pbx: No such option '--bogus'; see `pbx --help`"),
        (("bogus",), "pbx: No such command 'bogus'; see `pbx --help`"),
        (("extension", "add"), "pbx extension add: Missing argument 'NUMBER'; see `pbx extension add --help`"),
        (("db", "upgrade", "now"), "pbx db upgrade: Got unexpected extra argument (now); see `pbx db upgrade --help`"),
        (("--config",), "pbx: Option '--config' requires an argument; see `pbx --help`"),
    ],
)
def test_wrong_usage_is_one_sentence_and_status_2(pbx: Pbx, arguments: tuple[str, ...], sentence: str) -> None:
    done = pbx(*arguments)
    assert (done.status, done.sentence) == (2, sentence)


@pytest.mark.parametrize("arguments", [(), ("db",), ("extension",)])
def test_command_without_a_command_shows_its_help_and_fails(pbx: Pbx, arguments: tuple[str, ...]) -> None:
    done = pbx(*arguments)
    assert (done.status, done.out) == (2, "")
    assert "Commands:" in done.err


def test_without_any_configuration_it_says_where_it_looked(
    pbx: Pbx, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if Path("/etc/pbx/pbx.toml").exists():
        pytest.skip("this machine has /etc/pbx/pbx.toml")
    monkeypatch.delenv("PBX_CONFIG")
    monkeypatch.chdir(tmp_path)
    done = pbx("db", "upgrade")
    assert done.status == 1
    assert done.sentence == (
        "no configuration: $PBX_CONFIG is not set and there is neither ./pbx.toml nor /etc/pbx/pbx.toml; "
        "name the file with --config FILE"
    )


def test_configuration_that_is_wrong_is_said_with_its_line(pbx: Pbx, folder: Path) -> None:
    (folder / "pbx.toml").write_text("# ours\n[sip]\ndrain = 'long'\n")
    done = pbx("extension", "list")
    assert done.status == 1
    assert done.sentence.startswith(f'{folder}/pbx.toml:3: [sip] drain is "long", not a number')


def test_config_option_wins_over_the_environment(pbx: Pbx, folder: Path) -> None:
    (folder / "other.toml").write_text('[database]\nurl = "sqlite:///other.db"\n')
    assert pbx("--config", f"{folder}/other.toml", "db", "upgrade").status == 0
    assert (folder / "other.db").exists()
    assert not (folder / "pbx.db").exists()


def test_program_ends_quietly_when_its_reader_has_seen_enough(sqlite: Pbx) -> None:
    program = Path(sys.executable).parent / "pbx"
    reader = subprocess.Popen(["true"], stdin=subprocess.PIPE)
    reader.wait(timeout=30)
    done = subprocess.run(
        [program, "extension", "list", "--json"], stdout=reader.stdin, stderr=subprocess.PIPE, text=True, check=False
    )
    assert reader.stdin
    reader.stdin.close()
    assert (done.returncode, done.stderr) == (1, "")


def test_disk_that_is_full_is_one_sentence(sqlite: Pbx) -> None:
    program = Path(sys.executable).parent / "pbx"
    with open("/dev/full", "w") as full:
        done = subprocess.run([program, "db", "current"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "the output cannot be written: No space left on device\n")


@pytest.mark.parametrize(("closed", "status"), [("<&-", 2), (">&-", 0), ("2>&-", 0)])
def test_closed_streams_are_empty(sqlite: Pbx, closed: str, status: int) -> None:
    program = Path(sys.executable).parent / "pbx"
    words = "extension add 1001" if status else "db current"
    done = subprocess.run(f"{program} {words} {closed}", shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert "Traceback" not in done.stderr


def test_name_that_the_terminal_cannot_show_is_shown_escaped(sqlite: Pbx) -> None:
    assert sqlite("extension", "add", "1001", "--name", "Žofie", "--generate").status == 0
    program = Path(sys.executable).parent / "pbx"
    plain = {"PYTHONIOENCODING": "latin-1", "PATH": "", "PBX_CONFIG": os.environ["PBX_CONFIG"]}
    done = subprocess.run([program, "extension", "list"], capture_output=True, text=True, env=plain, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert r"\u017dofie" in done.stdout


def test_help_does_not_wait_for_sqlalchemy_and_twisted() -> None:
    slow = ("sqlalchemy", "alembic", "twisted")
    script = f"import sys, pbx.cli.main; print([name for name in {slow} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_every_command_is_documented() -> None:
    from pbx.cli.main import pbx

    operating = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()
    for name, command in pbx.commands.items():
        for inner in getattr(command, "commands", {"": command}):
            assert f"pbx {name} {inner}".rstrip() in operating.replace("`, `show", "`, `pbx extension show")
