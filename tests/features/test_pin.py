from __future__ import annotations

import pytest

from pbx.features.voicemail.pin import FIRST, FREE, LONGEST, Guesses, hashed, matches, may_be_pin


def test_pin_matches_its_own_hash_and_no_other() -> None:
    one = hashed("2468")
    assert "2468" not in one and one != hashed("2468")
    assert matches("2468", one) and not matches("2469", one)


@pytest.mark.parametrize("known", ["", "scrypt", "scrypt::", "scrypt:xx:yy", "md5:00:00", "scrypt:00:", ":::"])
def test_what_is_no_hash_matches_nothing(known: str) -> None:
    assert not matches("", known) and not matches("0000", known)


@pytest.mark.parametrize(
    ("pin", "good"), [("1234", True), ("123", False), ("1111", False), ("1" * 6 + "2" * 7, False), ("12a4", False),
                      ("٤٤٤٥", False), ("", False)],
)  # fmt: skip
def test_pins_are_four_to_twelve_digits(pin: str, good: bool) -> None:
    assert may_be_pin(pin) is good


def test_each_wrong_pin_doubles_the_wait_up_to_an_hour() -> None:
    guesses = Guesses()
    for _ in range(FREE - 1):
        guesses.wrong(0.0)
    assert not guesses.is_closed(0.0)
    wait = FIRST
    for _ in range(10):
        guesses.wrong(100.0)
        assert guesses.is_closed(100.0 + wait - 1) and not guesses.is_closed(100.0 + wait)
        wait = min(2 * wait, LONGEST)
