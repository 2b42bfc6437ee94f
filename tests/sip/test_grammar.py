from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.sip.errors import Malformed
from pbx.sip.grammar import elements, number, parameters, parameters_text, quoted, unquoted


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", []),
        (" a ", ["a"]),
        ("a,b", ["a", "b"]),
        (",, a ,", ["a"]),
        ('"a,b",c', ['"a,b"', "c"]),
        ('"a\\",b",c', ['"a\\",b"', "c"]),
        (' <sip:a,b@h> , "x, y" <sip:c@h>;q=1', ["<sip:a,b@h>", '"x, y" <sip:c@h>;q=1']),
    ],
)
def test_list_is_split_at_commas_outside_of_quotes_and_angle_brackets(text, pieces):
    assert elements(text) == pieces


@pytest.mark.parametrize("text", ['"a,b', "<a,b", '"a\\",b', ',"'])
def test_unclosed_quote_or_bracket_in_a_list_is_malformed(text):
    with pytest.raises(Malformed, match="400 unclosed"):
        elements(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        (";lr", {"lr": None}),
        (";Tag=Ab ; LR", {"tag": "Ab", "lr": None}),
        (';x="a;\\"b"; y = 2', {"x": '"a;\\"b"', "y": "2"}),
        (";received=[2001:db8::1]", {"received": "[2001:db8::1]"}),
        (";received=2001:db8::1;ttl=1", {"received": "2001:db8::1", "ttl": "1"}),
        (";x=Zoë", {"x": "Zoë"}),
    ],
)
def test_parameters_have_lower_case_names_and_values_as_written(text, found):
    assert parameters(text) == found


@pytest.mark.parametrize(
    "text",
    ["a", "a;b", ";", ";a;", ";a=", ';a="', ";a=b c", ";a=b=c;a=2", ";a;A=1", ";=1", ";a=<b>", ";é=1", ";\u212a=1"],
)
def test_what_is_no_list_of_parameters_is_malformed(text):
    with pytest.raises(Malformed):
        parameters(text)


@given(st.dictionaries(st.text("abcxyz-019", min_size=1), st.none() | st.text("AZaz09.-:", min_size=1)))
def test_parameters_come_back_as_they_were_written(given_parameters):
    assert parameters(parameters_text(given_parameters)) == given_parameters


@given(st.text())
def test_quoted_text_comes_back(text):
    assert unquoted(quoted(text)) == text
    assert elements(quoted(text) + ",x") == [quoted(text), "x"]


@pytest.mark.parametrize("text", ["", "a", '"', 'a"b"', '"a'])
def test_text_without_quotes_around_it_is_left_alone(text):
    assert unquoted(text) == text


def test_number_is_digits_within_the_limit():
    assert number(" 70 ") == 70
    assert number("4294967295") == 2**32 - 1
    assert number("255", 255) == 255


@pytest.mark.parametrize("text", ["", " ", "-1", "+1", "1.0", "0x1", "1 2", "４", "²", "4294967296", "9" * 5000, "1_0"])
def test_what_is_no_number_is_malformed(text):
    with pytest.raises(Malformed, match="number"):
        number(text)


@given(st.text('ab;,"\\<> =[]:\r\n\t', max_size=30))
def test_small_pieces_are_total(text):
    for read in (elements, parameters, number, unquoted):
        try:
            read(text)
        except Malformed as fault:
            assert fault.status == 400
