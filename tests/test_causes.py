"""docs/operating lists every cause as the table has it, and its templates name what stories tell."""

from __future__ import annotations

import string

import pytest

from pbx.exchange.causes import BY_NAME, CAUSES, UNKNOWN_CAUSE, Cause
from pbx.exchange.facts import lasted, listed
from tools import causes


def test_page_is_up_to_date() -> None:
    text = causes.PAGE.read_text()
    assert causes.page(text) == text, "make docs"
    assert all(f"`{cause.name}`" in text for cause in CAUSES)


def test_there_are_thirty_and_each_has_a_name_of_its_own() -> None:
    assert len(CAUSES) >= 30
    assert len(BY_NAME) == len(CAUSES) + 1


@pytest.mark.parametrize("cause", [*CAUSES, UNKNOWN_CAUSE], ids=lambda cause: cause.name)
def test_cause_is_told_for_people(cause: Cause) -> None:
    assert cause.evidence and cause.sentence
    assert not cause.sentence.endswith(".")
    assert cause.name == cause.name.lower() and " " not in cause.name
    assert {name for _, name, _, _ in string.Formatter().parse(cause.sentence) if name} <= {
        *("caller", "callee", "called", "all", "dialled", "lost", "address", "signalled", "talked", "waited", "rang"),
        *("timeout", "code", "text", "words", "trunk", "place", "offered"),
    }


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (19.6, "20 s"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (3600, "1 h"),
        (14_400, "4 h"),
        (3720, "1 h 2 min"),
    ],
)
def test_durations_are_told_as_people_say_them(seconds: float, words: str) -> None:
    assert lasted(seconds) == words


def test_names_are_enumerated() -> None:
    assert [listed(names) for names in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]
