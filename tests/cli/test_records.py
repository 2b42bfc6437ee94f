"""`pbx records` and `pbx doctor`: what they find, and how they say it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from pbx import config
from pbx.exchange.record import CallRecord, Sound
from pbx.store.database import open_database
from pbx.store.records import write_records
from tests.cli.command import Pbx
from tests.cli.test_live import result, server
from tests.store.test_records import ONE, OTHER, TRANSFERRED


@pytest.fixture
def keep(folder: Path) -> Callable[..., None]:
    def write(*records: CallRecord) -> None:
        database = open_database(config.load(folder / "pbx.toml").database.url)
        assert write_records(database, records) == []
        database.dispose()

    return write


def test_records_for_people_are_a_table_that_ends_in_a_sentence(upgraded: Pbx, keep: Any) -> None:
    keep(ONE, OTHER)
    heading, one, other = upgraded("records").out.splitlines()
    assert heading.split() == ["id", "began_at", "caller", "dialled", "reached", "seconds", "code", "cause", "sentence"]
    assert one.split()[:6] == ["7f3a", "2026-03-10T09:12:44.120+00:00", "1001", "1002", "1002", "60"]
    assert one.endswith(ONE.sentence) and other.endswith(OTHER.sentence)


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        (["1002"], ["7f3a"]),
        (["--from", "1001"], ["7f3a"]),
        (["--to", "1003"], ["8b01"]),
        (["--trunk", "acme"], ["8b01"]),
        (["--cause", "no-answer"], ["8b01"]),
        (["--answered"], ["7f3a"]),
        (["--unanswered"], ["8b01"]),
        (["--since", "2026-03-10T10:13:00+01:00"], ["8b01"]),
        (["--until", "2026-03-10 09:13"], ["7f3a"]),
        (["--limit", "1"], ["8b01"]),
        (["--since", "1h"], []),
    ],
    ids=" ".join,
)
def test_records_are_filtered(sqlite: Pbx, keep: Any, arguments: list[str], ids: list[str]) -> None:
    keep(ONE, OTHER)
    assert [row["id"] for row in sqlite("records", "--json", *arguments).rows] == ids


@pytest.mark.parametrize("wrong", ["yesterday", "2h30", "-1h", "9999999999d", ""])
def test_moment_that_is_none_is_one_sentence(sqlite: Pbx, wrong: str) -> None:
    done = sqlite("records", f"--since={wrong}")
    assert done.status == 2 and "is no moment" in done.sentence


def test_records_as_csv_have_all_columns_and_no_formulas(sqlite: Pbx, keep: Any) -> None:
    keep(CallRecord(**{**asdict(ONE), "caller_name": '=HYPERLINK("x")', "attempts": [], **_sounds()}), OTHER)
    done = sqlite("records", "--csv")
    one, other = csv.DictReader(io.StringIO(done.out))
    assert one["caller_name"] == '\'=HYPERLINK("x")'
    assert (other["caller"], other["answered_at"]) == ("+33142255501", "")
    assert set(json.loads(sqlite("records", "--json").out)[0]) == set(one)


@pytest.mark.parametrize("begins", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d"])
def test_cell_that_would_be_a_formula_is_text(sqlite: Pbx, keep: Any, begins: str) -> None:
    keep(replace(ONE, caller_name=f"{begins}cmd|' /C calc'!A0"))
    (row,) = csv.DictReader(io.StringIO(sqlite("records", "--csv").out))
    assert row["caller_name"].startswith("'") and row["caller_name"].endswith("cmd|' /C calc'!A0")


def test_cells_and_lines_are_kept_apart_whatever_a_caller_wrote(sqlite: Pbx, keep: Any) -> None:
    keep(replace(ONE, caller_name='a","b\r\n\x1b[2Jc\x9bd\u202ee'))
    out = sqlite("records", "--csv").out
    (row,) = csv.DictReader(io.StringIO(out))
    assert row["caller_name"] == 'a","b???[2Jc?d?e' and row["sentence"] == ONE.sentence
    assert not {"\x1b", "\r", "\x9b", "\u202e"} & set(out)
    assert not {"\x1b", "\x9b", "\u202e"} & set(sqlite("records", "--json").out)


def _sounds() -> dict[str, Sound]:
    return {"from_caller": ONE.from_caller, "from_callee": ONE.from_callee}


def test_doctor_says_sentence_evidence_and_remedy(upgraded: Pbx, keep: Any) -> None:
    keep(ONE, replace(TRANSFERRED, cause="not-registered"))
    lines = upgraded("doctor", "7f").out.splitlines()
    assert lines[0] == ONE.sentence
    assert "cause      callee-hung-up" in lines
    assert "evidence   BYE came from the callee" in lines
    assert any("attempt 1: 1002 at 10.0.0.2:5060, first sign of progress after 0.50 s, answered after 4.00 s" in line
               for line in lines)  # fmt: skip
    came = "3000 packets came from 10.0.0.1:4000, on which we settled after 4.25 s, 30 were lost, jitter 2.0 ms"
    assert any(f"{came}, MOS 4.31" in line for line in lines)
    other = upgraded("doctor", "9c").out
    assert "remedy     see why not with `pbx registrations NUMBER`" in other.splitlines()
    assert "attempt 1: 1003, 480 not registered after 0.00 s" in other
    assert "the callee had the other one on hold for 12 s" in other


def test_doctor_asks_the_running_server_first(sqlite: Pbx, folder: Path, keep: Any) -> None:
    keep(ONE)
    going = {**asdict(OTHER), "id": "7f3a", "ended_at": None, "cause": "", "sentence": "", "post_dial_delay": None}
    with server(folder, result(going)) as questions:
        (row,) = sqlite("doctor", "7f3a", "--json").rows
    assert questions == [{"command": "record", "arguments": {"call": "7f3a"}}]
    assert (row["sentence"], row["caller"], row["began_at"][:10]) == ("the call goes on", "+33142255501", "2026-03-10")


def test_doctor_looks_into_the_database_where_the_running_server_knows_nothing(
    sqlite: Pbx, folder: Path, keep: Any
) -> None:
    keep(ONE)
    with server(folder, result()):
        assert sqlite("doctor", "7f3a").out.splitlines()[0] == ONE.sentence


def test_doctor_knows_no_such_call(sqlite: Pbx) -> None:
    done = sqlite("doctor", "9")
    assert done.status == 1 and done.sentence.startswith("there is no record of a call 9")


def test_what_a_caller_wrote_does_not_reach_the_terminal_as_it_is(sqlite: Pbx, keep: Any) -> None:
    record = CallRecord(**{**asdict(ONE), "sentence": "\x1b[2J", "attempts": [], **_sounds()})
    keep(record)
    assert "\x1b" not in sqlite("records").out + sqlite("doctor", "7f3a").out
