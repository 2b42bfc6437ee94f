"""Key sequences: which keys are one, and when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from pbx.dialplan.pattern import Pattern
from pbx.dialplan.sequences import KEYS, LONGEST, PATIENCE, Keypad, Words


def pressed(words: tuple[str, ...], *pieces: str) -> list[str]:
    """Press keys, wait for as long as one may between two pieces, and return the sequences that these were."""
    clock = Clock()
    found: list[str] = []
    keypad = Keypad(clock, Words(words), found.append)
    for piece in pieces:
        for key in piece:
            keypad.press(key)
        clock.advance(PATIENCE)
    assert not clock.getDelayedCalls()
    return found


@pytest.mark.parametrize(
    ("words", "pieces", "found"),
    [
        (("*1", "*3"), ("*1",), ["*1"]),
        (("*1", "*3"), ("*1*3",), ["*1", "*3"]),
        (("*1",), ("5*1",), ["*1"]),  # a key that is none of it goes before
        (("*1",), ("**1",), ["*1"]),
        (("*1",), ("*", "1"), []),  # too slow
        (("*1", "*12"), ("*1",), ["*1"]),  # could have become longer, and did not
        (("*1", "*12"), ("*12",), ["*12"]),
        (("*1", "*12"), ("*13",), []),  # neither
        (("*#*1",), ("*#*#*1",), ["*#*1"]),
        ((), ("1",), []),
    ],
)
def test_which_sequences_the_keys_are(words: tuple[str, ...], pieces: tuple[str, ...], found: list[str]) -> None:
    assert pressed(words, *pieces) == found


def test_a_sequence_is_found_with_its_last_key_when_it_cannot_become_longer() -> None:
    clock = Clock()
    found: list[str] = []
    keypad = Keypad(clock, Words(["*1"]), found.append)
    keypad.press("*")
    keypad.press("1")
    assert found == ["*1"]
    keypad.press("*")
    keypad.stop()
    assert not clock.getDelayedCalls()


@given(st.text(KEYS, max_size=2 * LONGEST), st.lists(st.text(KEYS, min_size=1, max_size=4), max_size=4))
def test_nothing_but_the_sequences_is_found_whatever_is_pressed(keys: str, words: list[str]) -> None:
    assert set(pressed(tuple(words), keys)) <= set(words)


@pytest.mark.parametrize(
    ("pattern", "begins", "not_"),
    [
        ("*2<number:1XX>", ("", "*", "*2", "*21", "*2199"), ("1", "*3", "*22", "*21999")),
        ("#1<number:int>", ("#", "#1", "#10", "#1012345"), ("#2", "#1*")),
    ],
)
def test_how_what_a_pattern_matches_begins(pattern: str, begins: tuple[str, ...], not_: tuple[str, ...]) -> None:
    assert all(Pattern(pattern).begins(text) for text in begins)
    assert not any(Pattern(pattern).begins(text) for text in not_)
