"""`pbx switch` and `pbx holiday`."""

from __future__ import annotations

import pytest

from tests.cli.command import Pbx


def test_a_switch_is_added_turned_and_removed(upgraded: Pbx) -> None:
    assert upgraded("switch", "add", "night", "--code", "*60").out == "the switch night is there, and off\n"
    assert upgraded("switch", "on", "night").out == "the switch night is on\n"
    assert upgraded("switch", "list", "--json").rows == [{"name": "night", "is_on": True, "code": "*60", "allow": ""}]
    assert upgraded("switch", "off", "night", "--json").rows == [{"name": "night", "is_on": False}]
    assert upgraded("switch", "remove", "night").status == 0
    assert upgraded("switch", "list", "--json").rows == []


def test_a_holiday_is_added_and_removed(upgraded: Pbx) -> None:
    assert upgraded("holiday", "add", "fr", "2026-12-25", "Christmas").out == "2026-12-25 is in the calendar fr\n"
    rows = [{"calendar": "fr", "day": "2026-12-25", "name": "Christmas"}]
    assert upgraded("holiday", "list", "--json").rows == rows
    assert upgraded("holiday", "list", "de", "--json").rows == []
    assert upgraded("holiday", "remove", "fr", "2026-12-25").status == 0
    assert upgraded("holiday", "list", "--json").rows == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("switch", "add", "night"), "there is a switch night already"),
        (("switch", "add", "other", "--code", "*60"), "*60 is the code of the switch night"),
        (("switch", "add", "a b"), "a b"),
        (("switch", "on", "day"), "there is no switch day"),
        (("switch", "remove", "day"), "there is no switch day"),
        (("holiday", "add", "fr", "25.12.2026"), "'25.12.2026' is no day; write it as 2026-12-25"),
        (("holiday", "add", "fr", "2026-05-01"), "2026-05-01 is in the calendar fr already"),
        (("holiday", "remove", "fr", "2026-05-02"), "2026-05-02 is not in the calendar fr"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(upgraded: Pbx, words: tuple[str, ...], sentence: str) -> None:
    upgraded("switch", "add", "night", "--code", "*60")
    upgraded("holiday", "add", "fr", "2026-05-01")
    done = upgraded(*words)
    assert done.status == 1
    assert sentence in done.err
