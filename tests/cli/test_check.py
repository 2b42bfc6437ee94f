"""`pbx check`."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.command import Done, Pbx

GOOD = """\
from pbx.dialplan import Call, Plan, ext

plan = Plan()


@plan.internal("112")
@plan.internal("<number:1XX>")
async def extension(call: Call, number: str = "112") -> None:
    await call.dial(ext("101"))
"""


def test_a_good_plan_is_well_and_a_bad_one_is_not(pbx: Pbx, folder: Path) -> None:
    (folder / "dialplan.py").write_text(GOOD)
    pbx("db", "upgrade")
    missing = pbx("check")
    assert missing.status == 1
    assert missing.out == (f"{folder}/dialplan.py:9: unknown extension 101; add it with `pbx extension add 101`\n")
    pbx("extension", "add", "101", "--generate")
    assert pbx("check").out == ""
    assert pbx("check").status == 0
    (folder / "other.py").write_text(GOOD.replace("await call.dial", "call.dial").replace('"112"', '"113"'))
    done = pbx("check", str(folder / "other.py"))
    assert done.status == 1
    assert f"{folder}/other.py:9: nobody waits for call.dial(); write `await call.dial(...)`\n" in done.out
    assert "nobody can dial the emergency number 112" not in done.out  # 1XX takes it
    rows = pbx("check", "--json", str(folder / "other.py"))
    assert '"line": 9' in rows.out


def test_types_are_checked_where_mypy_is(pbx: Pbx, folder: Path) -> None:
    pbx("db", "upgrade")
    (folder / "dialplan.py").write_text(GOOD.replace('ext("101")', "prompt"))
    done = pbx("check")
    assert done.status == 1
    assert 'Name "prompt" is not defined; mypy: name-defined' in done.out
    assert not (folder / ".mypy_cache").exists()


def test_names_may_be_left_alone_and_what_the_dialplan_prints_is_no_finding(pbx: Pbx, folder: Path) -> None:
    (folder / "dialplan.py").write_text(f"print('hello')\n{GOOD}")
    assert pbx("check", "--no-names") == Done(0, "", "hello\n")
    (folder / "dialplan.py").write_text(GOOD.replace("Plan()", "Plam()"))
    done = pbx("check", "--no-names", "--json")
    first, *by_mypy = json.loads(done.out)
    assert (first["line"], first["fatal"]) == (3, True)
    assert by_mypy and not any(row["fatal"] for row in by_mypy)
