"""`pbx check`, `explain`, `reload` and `dialplan new` meet what nobody should give them: one clear error each."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.command import Pbx

PLAN = """\
from pbx.dialplan import Call, Plan, ext

plan = Plan()


@plan.internal("<number:any>")
async def extension(call: Call, number: str) -> None:
    await call.dial(ext(number), timeout=25)
"""
HEAD = "from pbx.dialplan import Plan\nplan = Plan()\n"
SOURCES = [
    ("import sys\nsys.exit(0)\n", ":2: SystemExit: 0; "),
    ("raise KeyboardInterrupt\n", ":1: KeyboardInterrupt; "),
    (f"{HEAD}x = {'+'.join(['1'] * 20_000)}\n", ": this is no Python source: "),
    (f"{HEAD}x = {'(' * 500}{')' * 500}\n", "too many nested parentheses"),
    ("# " + "x" * 10**7, ": the dialplan is larger than 1 MiB; "),
    ("\0", "null bytes"),
]


@pytest.mark.parametrize("command", ["check", "explain"])
@pytest.mark.parametrize(("source", "what"), SOURCES, ids=[what for _, what in SOURCES])
def test_a_file_that_is_no_plan_is_one_sentence(
    sqlite: Pbx, folder: Path, command: str, source: str, what: str
) -> None:
    (folder / "dialplan.py").write_text(source)
    done = sqlite(command, *(("101", "102") if command == "explain" else ("--no-names",)))
    assert (done.status, "Traceback" in done.err) == (1, False)
    first = (done.out if command == "check" else done.err).splitlines()[0]
    assert what in first and first.startswith(f"{folder}/dialplan.py:")


def test_what_is_nested_too_deeply_to_be_read_is_a_finding(sqlite: Pbx, folder: Path) -> None:
    (folder / "dialplan.py").write_text(f"{PLAN}\nx = lambda f: f{'.b' * 700}\n")
    assert "nested too deeply to be looked through; write it in smaller pieces" in sqlite("check", "--no-names").out


def test_names_may_be_in_any_script(sqlite: Pbx, folder: Path) -> None:
    for name in ("ünï cödé 電話.py", "-h.py"):
        file = folder / name
        file.write_text(PLAN.replace("25)", "'25')"))
        done = sqlite("check", "--no-names", str(file))
        assert done.out.count("\n") == 1 and "mypy: arg-type" in done.out
    assert "cannot be read: No such file" in sqlite("check", "電話.py").out


@pytest.mark.parametrize(
    ("caller", "number"),
    [
        *[("101", number) for number in ("", " ", "a b", "a\nb", "電話", '"<sip:x>', "<>@", "%", "#1", "1" * 3000)],
        *[(caller, "101") for caller in ("", " ", "b b", "x\ny", "@", "@@", "ü", "%41", "<sip:x>", "1" * 3000)],
    ],
)
def test_whatever_is_dialled_by_whomever_is_explained(
    sqlite: Pbx, folder: Path, logged_errors: Callable[[], object], caller: str, number: str
) -> None:
    (folder / "dialplan.py").write_text(PLAN)
    sqlite("extension", "add", "101", "--generate")
    done = sqlite("explain", caller, number)
    assert (done.status, done.err) == (0, "")
    assert "the caller gets " in done.out.splitlines()[-1]
    logged_errors()  # ext() takes no number with a space, and the explanation says so


def test_a_call_is_explained_from_either_database(upgraded: Pbx, folder: Path) -> None:
    (folder / "dialplan.py").write_text(PLAN)
    upgraded("extension", "add", "101", "--generate")
    upgraded("extension", "add", "102", "--generate")
    lines = upgraded("explain", "101", "102").out.splitlines()
    assert lines[0] == "101 (extension) calls 102"
    assert "if not answered: rings 102 for 25 s; the caller gets 480" in lines


@pytest.mark.parametrize("at", ["10:00", "tomorrow", "2026-13-01", "0001-01-01", "9999-12-31", "2026-01-01 1:00 ../x"])
def test_what_is_no_time_is_one_sentence(sqlite: Pbx, folder: Path, at: str) -> None:
    (folder / "dialplan.py").write_text(PLAN)
    assert sqlite("explain", "101", "102", "--at", at).sentence.endswith('; write the time as "2026-12-25 10:00"')


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ("[dialplan]\nfile = 3\n", ":2: [dialplan] file is 3, not a text"),
        ("[dialplan]\ncheck = true\n", ":2: [dialplan] check is true, not a text"),
        ('[dialplan]\ncheck = "maybe"\n', "write one of warn, refuse, off"),
        ("[dialplan\n", ":1: this is not TOML"),
        ("#" * 2**21, "cannot be read: it is larger than 1 MiB"),
    ],
)
@pytest.mark.parametrize("command", [("check",), ("explain", "101", "102"), ("reload",)])
def test_a_wrong_configuration_is_one_sentence(
    pbx: Pbx, folder: Path, command: tuple[str, ...], options: str, what: str
) -> None:
    (folder / "pbx.toml").write_text(options)
    assert what in pbx(*command).sentence


def test_an_endless_configuration_ends(pbx: Pbx) -> None:
    assert "larger than 1 MiB" in pbx("--config", "/dev/zero", "check").sentence


def test_without_a_database_or_a_server_the_remedy_is_told(pbx: Pbx, folder: Path) -> None:
    (folder / "dialplan.py").write_text(PLAN)
    assert "make it with `pbx db upgrade`" in pbx("explain", "101", "102").sentence
    assert "no server is running" in pbx("reload").sentence
    (folder / "pbx.db").write_bytes(os.urandom(4096))
    for command in (("check",), ("explain", "101", "102")):
        assert "is not a database" in pbx(*command).sentence


def test_a_new_dialplan_is_written_into_no_place_that_has_one_or_can_have_none(pbx: Pbx, folder: Path) -> None:
    (folder / "file").write_text("")
    for place in ("/proc/none", str(folder / "file"), str(folder / "file" / "below"), str(folder / ("x" * 300))):
        assert "; name another folder" in pbx("dialplan", "new", place).sentence
    assert pbx("dialplan", "new", str(folder / "電話")).status == 0
    before = (folder / "電話" / "dialplan.py").read_text()
    assert "exists already; name another folder" in pbx("dialplan", "new", str(folder / "電話")).sentence
    assert (folder / "電話" / "dialplan.py").read_text() == before
