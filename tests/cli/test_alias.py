"""`pbx alias` and `pbx permission`: tables for people, arrays for programs, one sentence for what makes no sense."""

from __future__ import annotations

import pytest

from tests.cli.command import Pbx


@pytest.fixture
def office(upgraded: Pbx) -> Pbx:
    for number in ("1001", "1002"):
        upgraded("extension", "add", number, "--generate")
    return upgraded


def test_alias_is_added_listed_and_removed(office: Pbx) -> None:
    assert office("alias", "add", "sales", "1001").out == "sales is an alias of extension 1001\n"
    assert office("alias", "add", "+14155550100", "1002", "--json").rows == [{"name": "+14155550100", "number": "1002"}]
    assert office("alias", "list", "1001").out.splitlines() == ["name   number", "sales  1001"]
    assert len(office("alias", "list", "--json").rows) == 2
    assert office("alias", "remove", "sales").out == "sales is no alias any more\n"
    assert office("alias", "remove", "+14155550100", "--json").rows == [{"name": "+14155550100", "number": "1002"}]
    assert office("alias", "list", "--json").rows == []


def test_permission_is_added_listed_and_removed(office: Pbx) -> None:
    assert office("permission", "add", "1001", "1002").out == "extension 1001 may register phones for 1002\n"
    row = {"number": "1001", "may_register": "1002"}
    assert office("permission", "list").out.splitlines() == ["number  may_register", "1001    1002"]
    assert office("permission", "list", "1002", "--json").rows == []
    assert office("permission", "remove", "1001", "1002", "--json").rows == [row]
    assert office("permission", "list", "--json").rows == []


def test_both_go_with_their_extension(office: Pbx) -> None:
    office("alias", "add", "sales", "1002")
    office("permission", "add", "1001", "1002")
    office("extension", "remove", "1002")
    assert office("alias", "list", "--json").rows == office("permission", "list", "--json").rows == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("alias", "add", "sales", "1009"), "there is no extension 1009; `pbx extension list` shows all"),
        (("alias", "add", "1002", "1001"), "1002 is the number of an extension; choose another name"),
        (("alias", "add", "a b", "1001"), "'a b' cannot be an alias"),
        (("alias", "remove", "sales"), "there is no alias sales; `pbx alias list` shows all"),
        (("permission", "add", "1001", "1009"), "there is no extension 1009"),
        (("permission", "remove", "1001", "1002"), "there is no permission of 1001 to register 1002"),
        (("alias", "add", "\udcff", "1001"), "cannot be an alias"),
        (("alias", "remove", "\udcff"), r"'\udcff' is no text that a database can hold"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(office: Pbx, words: tuple[str, ...], sentence: str) -> None:
    done = office(*words)
    assert (done.status, sentence in done.sentence) == (1, True), done.err
