"""pbx.store.columns: what people write becomes what a column holds, or one sentence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.faults import Fault
from pbx.store import columns


@pytest.mark.parametrize(
    ("column", "text", "value"),
    [
        ("enabled", "", True),
        ("enabled", "No", False),
        ("tls_only", " TRUE ", True),
        ("tls_only", "", False),
        ("voicemail", "0", False),
        ("max_contacts", "", None),
        ("max_contacts", " 1000 ", 1000),
        ("forward_no_answer_after", "", 20),
        ("class_of_service", " a  b a ", "a b"),
        ("caller_id", "+14155550100", "+14155550100"),
        ("forward_busy", "*60#", "*60#"),
        ("ha1_md5", "AB" * 16, "ab" * 16),
        ("ha1_sha256", "", ""),
    ],
)
def test_text_becomes_a_value(column: str, text: str, value: object) -> None:
    assert columns.read(column, text) == value


@pytest.mark.parametrize(
    ("column", "text", "words"),
    [
        ("enabled", "maybe", "enabled is 'maybe'; write yes or no"),
        ("max_contacts", "0", "max_contacts is '0'; write a whole number from 1 to 1000, or nothing"),
        ("max_contacts", "1001", "max_contacts is '1001'"),
        ("max_calls", "-1", "max_calls is '-1'"),
        ("max_calls", "٣", "max_calls is"),
        ("max_calls", "9" * 5000, "max_calls is"),
        ("forward_no_answer_after", "601", "from 1 to 600"),
        ("class_of_service", "International!", "'International!' is no word of a class of service"),
        ("caller_id", "+1 415", "cannot be what caller_id holds"),
        ("caller_id", "=1+1", "cannot be what caller_id holds"),
        ("forward_busy", "sip:a@b", "cannot be what forward_busy holds"),
        ("name", "a\x1b[2J", "control characters"),
        ("ha1_md5", "xyz", "ha1_md5 is no hash"),
        ("ha1_sha256", "ab" * 16, "ha1_sha256 is no hash"),
    ],
)
def test_text_that_is_nothing_for_its_column_is_one_short_sentence(column: str, text: str, words: str) -> None:
    with pytest.raises(Fault) as caught:
        columns.read(column, text)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 250


@given(st.sampled_from([*columns.SETTINGS, *columns.HASHES]), st.text())
def test_whatever_is_written_is_a_value_or_a_fault(column: str, text: str) -> None:
    try:
        value = columns.read(column, text)
    except Fault:
        return
    assert isinstance(value, str | int | None)
