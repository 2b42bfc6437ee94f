"""Patterns against a matcher that is too simple to be wrong, and their order against sets of numbers."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pbx.dialplan.pattern import Pattern

ALPHABET = "012*a"
NUMBERS = ["".join(letters) for length in range(1, 5) for letters in itertools.product(ALPHABET, repeat=length)]


@pytest.mark.parametrize(
    ("text", "number", "values"),
    [
        ("600", "600", {}),
        ("600", "6000", None),
        ("600", "60", None),
        ("<number:1XXX>", "1005", {"number": "1005"}),
        ("<number:1XXX>", "2005", None),
        ("<number:1XXX>", "10055", None),
        ("<number:1XXX>", "1\u06600\u0660", None),
        ("<number:ZN>", "12", {"number": "12"}),
        ("<number:ZN>", "02", None),
        ("<number:ZN>", "11", None),
        ("<number:[13-5]X>", "39", {"number": "39"}),
        ("<number:[13-5]X>", "29", None),
        ("*2<number:1XX>", "*2100", {"number": "100"}),
        ("*2<number:1XX>", "22100", None),
        ("0<number:any>", "0+33", {"number": "+33"}),
        ("0<number:any>", "0", None),
        ("0<number:any>", "0a\nb", {"number": "a\nb"}),
        ("600", "600\n", None),
        ("<number:XXX>", "600\n", None),
        ("*<room:int>*<pin:int>", "*07*1234", {"room": 7, "pin": 1234}),
        ("<user:any>", "alice", {"user": "alice"}),
        ("(1)<rest:int>", "(1)5", {"rest": 5}),
        ("<number:+33X>", "+331", {"number": "+331"}),
        ("1XX", "1XX", {}),
        ("1XX", "100", None),
    ],
)
def test_what_matches_and_what_the_converters_give(text: str, number: str, values: dict[str, object] | None) -> None:
    assert Pattern(text).match(number) == values


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "never empty"),
        ("<number>", "<name:converter>"),
        ("<number:1XX", "<name:converter>"),
        ("1XX>", "<name:converter>"),
        ("<:1XX>", "'' cannot be the name"),
        ("<1:1XX>", "'1' cannot be the name"),
        ("<class:1XX>", "'class' cannot be the name"),
        ("<a:X><a:X>", "'a' comes twice"),
        ("<number:>", "converter is missing"),
        ("<number:anny>", "no converter 'anny'"),
        ("<number:1Y>", "no converter '1Y'"),
        ("<number:[12>", "in brackets"),
        ("<number:12]>", "in brackets"),
        ("<number:[]>", "in brackets"),
        ("<number:[5-3]>", "5-3 runs backwards"),
        ("<a:any><b:int>", "side by side"),
        ("6 0", "no spaces"),
        ("6\n", "no spaces"),
        ("<number:1 X>", "no spaces"),
    ],
)
def test_what_is_no_pattern_says_why(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why.replace("[", r"\[").replace("(", r"\(")):
        Pattern(text)


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        ("100", "<n:1XX>"),
        ("<n:10X>", "<n:1XX>"),
        ("<n:X00>", "<n:1XX>"),
        ("<n:[12]X>", "<n:ZX>"),
        ("<n:XXXX>", "<n:int>"),
        ("<n:int>", "<n:any>"),
        ("0<n:any>", "<n:int>"),
        ("00<n:int>", "0<n:int>"),
        ("00<n:any>", "0<n:any>"),
        ("0[1]<n:any>", "0<n:any>"),
        ("<n:XXX>", "1<n:int>"),
        ("<a:any>*<b:any>", "<a:any>"),
    ],
)
def test_the_more_specific_one_ranks_first(narrow: str, wide: str) -> None:
    assert Pattern(narrow).rank < Pattern(wide).rank


def test_a_shared_number_is_a_shortest_one() -> None:
    assert Pattern("<n:1XX>").shared_with(Pattern("<n:X[57]0>")) == "150"
    assert Pattern("<n:any>").shared_with(Pattern("00<n:int>")) == "000"
    assert Pattern("<n:1XX>").shared_with(Pattern("<n:2XX>")) is None
    assert Pattern("<n:1XX>").shared_with(Pattern("<n:1X>")) is None


# Each place of a pattern, written and as what may stand there.
PLACES = st.lists(
    st.sampled_from(["0", "1", "*", "a", "X", "Z", "N", "[01]", "[1-2]", "[*a]", "int", "any"]), min_size=1, max_size=4
)
MEANING = {"X": "012", "Z": "12", "N": "2", "[01]": "01", "[1-2]": "12", "[*a]": "*a", "int": "012", "any": ALPHABET}


def written(places: list[str]) -> str:
    return "".join(
        place if len(place) == 1 and place not in "XZN" else f"<n{i}:{place}>" for i, place in enumerate(places)
    )


def matches(places: list[str], number: str) -> bool:
    """Whether a number matches, by trying everything."""
    if not places:
        return not number
    first, *rest = places
    most = len(number) if first in ("int", "any") else 1
    return any(
        length <= len(number)
        and set(number[:length]) <= set(MEANING.get(first, first))
        and matches(rest, number[length:])
        for length in range(1, most + 1)
    )


def side_by_side(places: list[str]) -> bool:
    return any(one in ("int", "any") and two in ("int", "any") for one, two in itertools.pairwise(places))


@given(PLACES)
def test_patterns_match_what_the_simple_matcher_matches(places: list[str]) -> None:
    assume(not side_by_side(places))
    pattern = Pattern(written(places))
    matched = {number for number in NUMBERS if pattern.match(number) is not None}
    assert matched == {number for number in NUMBERS if matches(places, number)}


@given(PLACES, PLACES)
def test_two_patterns_share_a_number_when_they_say_so(one: list[str], two: list[str]) -> None:
    assume(not side_by_side(one) and not side_by_side(two))
    a, b = Pattern(written(one)), Pattern(written(two))
    shared = a.shared_with(b)
    if shared is None:
        assert not any(matches(one, number) and matches(two, number) for number in NUMBERS)
    else:
        assert a.match(shared) is not None and b.match(shared) is not None
        assert not any(matches(one, number) and matches(two, number) for number in NUMBERS if len(number) < len(shared))


DIGIT = ["0", "1", "X", "Z", "N", "[01]", "[1-2]"]
WITHIN = {
    "X": [[digit] for digit in DIGIT],
    "Z": [["1"], ["Z"], ["N"], ["[1-2]"]],
    "[01]": [["0"], ["1"], ["[01]"]],
    "[1-2]": [["1"], ["[1-2]"]],
    "[*a]": [["*"], ["a"], ["[*a]"]],
    "int": [["int"], ["X"], ["0", "1"], ["X", "int"], ["int", "Z"]],
    "any": [["any"], ["int"], ["X"], ["0", "1"], ["*", "int"], ["any", "a"], ["any", "*", "any"], ["int", "*", "int"]],
}


@given(PLACES, st.data())
def test_a_pattern_within_another_one_never_ranks_behind_it(places: list[str], data: st.DataObject) -> None:
    assume(not side_by_side(places))
    within = [part for place in places for part in data.draw(st.sampled_from(WITHIN.get(place, [[place]])))]
    inside = {number for number in NUMBERS if matches(within, number)}
    assert inside <= {number for number in NUMBERS if matches(places, number)}
    assert Pattern(written(within)).rank <= Pattern(written(places)).rank


@given(st.text(alphabet="01X<>:[]-any*", max_size=12), st.text(max_size=6))
def test_any_text_is_a_pattern_or_a_clear_error(text: str, number: str) -> None:
    try:
        pattern = Pattern(text)
    except ValueError as error:
        assert str(error)
    else:
        pattern.match(number)
