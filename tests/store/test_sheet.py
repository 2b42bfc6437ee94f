"""pbx.store.sheet: files as spreadsheets and people write them, taken in as a whole or not at all."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from hypothesis import example, given
from hypothesis import strategies as st

from pbx.faults import Fault
from pbx.store import accounts, aliases, sheet
from pbx.store.database import open_database
from pbx.store.sheet import Taken


@pytest.fixture
def connection(url: str) -> Iterator[sa.Connection]:
    database = open_database(url)
    with database.begin() as connection:
        yield connection
    database.dispose()


def take(connection: sa.Connection, text: str | bytes, update: bool = False) -> Taken:
    content = text.encode() if isinstance(text, str) else text
    entries = sheet.parse(content, "phones.csv", "r")
    return sheet.take(connection, entries, "phones.csv", update, lambda lines: None)


def rows(connection: sa.Connection) -> list[dict[str, object]]:
    return accounts.listed(connection, also=("ha1_md5", "ha1_sha256"))


def refusal(text: str | bytes) -> str:
    with pytest.raises(Fault) as caught:
        sheet.parse(text.encode() if isinstance(text, str) else text, "phones.csv", "r")
    sentence = str(caught.value)
    assert "\n" not in sentence and len(sentence) < 400
    return sentence


def test_extensions_are_added_with_what_their_lines_say(connection: sa.Connection) -> None:
    text = 'number,password,name,max_contacts,tls_only\n1001,wonder,"Ann ""A"", Smith",3,yes\n1002,,Bob,,\n'
    assert take(connection, text) == Taken(added=2, changed=0, without_password=1)
    ann, bob = rows(connection)
    assert {**ann, **accounts.hashes("1001", "r", "wonder")} == ann
    assert (ann["name"], ann["max_contacts"], ann["tls_only"]) == ('Ann "A", Smith', 3, True)
    assert (bob["name"], bob["max_contacts"], bob["tls_only"], bob["ha1_md5"]) == ("Bob", None, False, "")


@pytest.mark.parametrize(
    "text",
    [
        "number,name\n1001,Ann\n",
        "number;name\n1001;Ann\n",
        "number\tname\r\n1001\tAnn\r\n",
        "\ufeffnumber,name\n1001,Ann",
        " Number , NAME \n\n1001,Ann\n,\n\n",
        'number,name\n"1001","Ann"\n',
        "name,number\rAnn,1001\r",
    ],
)
def test_any_programs_csv_is_read(connection: sa.Connection, text: str) -> None:
    assert take(connection, text).added == 1
    (row,) = rows(connection)
    assert (row["number"], row["name"]) == ("1001", "Ann")


def test_existing_extensions_are_changed_only_when_that_is_wanted(connection: sa.Connection) -> None:
    accounts.add(connection, "1001", "r", "wonder", {"name": "Ann", "caller_id": "55", "max_calls": "2"})
    before = rows(connection)
    with pytest.raises(Fault, match=r"^phones\.csv:2: extension 1001 exists already; .*--update$"):
        take(connection, "number,name\n1001,Anna\n1002,Bob\n")
    done = take(connection, "number,name,password,max_calls\n1002,Bob,x,\n1001,Anna,,\n", update=True)
    assert done == Taken(added=1, changed=1, without_password=0)
    assert rows(connection)[0] == {**before[0], "name": "Anna", "max_calls": None}
    take(connection, "number,password\n1001,land\n", update=True)
    assert rows(connection)[0] == {
        **before[0],
        "name": "Anna",
        "max_calls": None,
        **accounts.hashes("1001", "r", "land"),
    }
    take(connection, "number\n1001\n", update=True)


def test_number_that_is_an_alias_is_refused_with_its_line(connection: sa.Connection) -> None:
    accounts.add(connection, "1001", "r", "x", {})
    aliases.add(connection, "77", "1001")
    with pytest.raises(Fault, match=r"phones\.csv:3: 77 is an alias of extension 1001"):
        take(connection, "number\n1002\n77\n")


def test_line_of_a_mistake_is_where_its_row_begins(connection: sa.Connection) -> None:
    assert refusal('number,name\n\n1001,"two\nlines"\n1002,Bob\n').startswith("phones.csv:3: the name has control")
    assert refusal("number,name\n1001,Ann\n1002,Bob,Carol\n").startswith("phones.csv:3: 3 cells, and the first line")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "phones.csv:1: the first line names no column number; write such as: number,password,name"),
        (b"name\nAnn\n", "phones.csv:1: the first line names no column number"),
        (b"number,colour\n", "phones.csv:1: there is no column 'colour'; known are number, password, name"),
        (b"number,name,name\n", "phones.csv:1: the column name is there twice"),
        (b"number\n10 01\n", "phones.csv:2: '10 01' cannot be an extension number"),
        (b"number\n=cmd|'/c calc'!A1\n", "phones.csv:2: \"=cmd|'/c calc'!A1\" cannot be an extension number"),
        (b"number\n1001\n1002\n1001\n", "phones.csv:4: extension 1001 is on line 2 already; remove one of the two"),
        (b"number,password\n1001,a\x07b\n", "phones.csv:2: the password is empty or has control characters"),
        (b"number,max_calls\n1001,many\n", "phones.csv:2: max_calls is 'many'"),
        (b"number,name\n1001,Bj\xf6rn\n", "phones.csv:2: this is not UTF-8; save the file as CSV in UTF-8"),
        ("number,name\n".encode("utf-16"), "phones.csv: this is UTF-16; save the file as CSV in UTF-8"),
        (b'number,name\n1001,"Ann\n1002,Bob\n', "phones.csv:2: this is not CSV: unexpected end of data; look for"),
        (b"number,name\n1001," + b"x" * 200_000, "phones.csv:2: this is not CSV: field larger than field limit"),
        (b"number,name\n1001,A\x00nn\n", "phones.csv:2: "),
        (b"number,name\n" + b"\n" * sheet.LARGEST, "phones.csv: more than 64 MiB; split the file"),
        (b"number,ha1_md5\n1001,12\n", "phones.csv:2: ha1_md5 is no hash"),
        (b"number,password,ha1_md5\n1001,x," + b"ab" * 16, "phones.csv:2: there is a password and a hash of one"),
        (
            b"number,ha1_md5,realm\n1001," + b"ab" * 16 + b",old\n",
            "phones.csv:2: the hashes were made for the realm 'old'",
        ),
        (b"PK\x03\x04\x14\x00", "phones.csv:1: there is no column"),
    ],
)
def test_file_that_cannot_be_taken_is_one_sentence_with_its_line(content: bytes, words: str) -> None:
    assert refusal(content).startswith(words)


def test_file_that_was_written_can_be_taken_again_without_passwords(connection: sa.Connection) -> None:
    settings = {"name": "=1+1", "caller_id": "+14155550100", "max_calls": "2", "forward_busy": "*60", "voicemail": "no"}
    accounts.add(connection, "1001", "r", "wonder", settings)
    accounts.add(connection, "1002", "r", "land", {"name": "'t Hooft"})
    before = rows(connection)
    text = sheet.written(connection, with_hashes=False)
    assert "ha1" not in text and str(before[0]["ha1_md5"]) not in text
    assert take(connection, text, update=True) == Taken(added=0, changed=2, without_password=0)
    assert rows(connection) == before
    for number in ("1001", "1002"):
        accounts.remove(connection, number)
    assert take(connection, text) == Taken(added=2, changed=0, without_password=2)
    none = {"ha1_md5": "", "ha1_sha256": "", "realm": ""}
    assert rows(connection) == [{**row, **none} for row in before]


def test_file_with_hashes_brings_the_passwords_back(connection: sa.Connection) -> None:
    accounts.add(connection, "1001", "r", "wonder", {"name": "Ann"})
    before = rows(connection)
    text = sheet.written(connection, with_hashes=True)
    accounts.remove(connection, "1001")
    assert take(connection, text).without_password == 0
    assert rows(connection) == before


def test_no_cell_is_a_formula(connection: sa.Connection) -> None:
    for number, name in enumerate(("=1+1", "+1", "-1", "@SUM(A1)", "'=1", "plain"), 1001):
        accounts.add(connection, str(number), "r", "x", {"name": name})
    cells = [row[1] for row in csv.reader(io.StringIO(sheet.written(connection, with_hashes=False)))]
    assert cells[1:] == ["'=1+1", "'+1", "'-1", "'@SUM(A1)", "''=1", "plain"]


@given(st.text(alphabet="'=+-@a,\" ;"))
@example("''=")
def test_what_is_guarded_comes_back(text: str) -> None:
    assert sheet._plain(sheet._guarded(text)) == text


@given(st.binary() | st.text(alphabet="number,;\"\n\r1a='").map(str.encode))
def test_whatever_a_file_holds_it_is_read_or_refused(content: bytes) -> None:
    try:
        sheet.parse(content, "phones.csv", "r")
    except Fault as fault:
        assert "\n" not in str(fault)
