"""Diversion (RFC 5806) and History-Info (RFC 7044): what is read, what is told, and what strangers may write there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.exchange.diversion import MOST, Diversion, diversions_in, told_of
from pbx.sip.headers import DIVERSION, HISTORY_INFO

TWO = (Diversion("1003", "1004", "no-answer"), Diversion("1002", "1003", "user-busy"))


def test_diversions_are_read_last_first():
    fields = [
        DIVERSION.field('"Bob" <sip:1003@pbx.example>;reason=no-answer;counter=2'),
        DIVERSION.field('<sip:1002@pbx.example>;reason="User-Busy", <tel:+33123>;reason=strange'),
    ]
    assert diversions_in(fields) == (Diversion("1003", "", "no-answer", 2), Diversion("1002", "", "user-busy"))


def test_history_is_read_where_there_is_no_diversion():
    (field,) = [field for field in told_of(TWO, "pbx.example") if field[0] == HISTORY_INFO.key]
    assert diversions_in([field]) == TWO


def test_both_are_told():
    diversion, older, history = told_of(TWO, "pbx.example")
    assert diversion == DIVERSION.field("<sip:1003@pbx.example>;reason=no-answer")
    assert older == DIVERSION.field("<sip:1002@pbx.example>;reason=user-busy")
    assert history[2] == (
        "<sip:1002@pbx.example>;index=1, <sip:1003@pbx.example;cause=486>;index=1.1;mp=1, "
        "<sip:1004@pbx.example;cause=408>;index=1.1.1;mp=1.1"
    )
    assert told_of((), "pbx.example") == ()


def test_what_cannot_stand_in_a_uri_is_escaped():
    diversion, _ = told_of((Diversion("a b#>", "*21#", "away"),), "pbx.example")
    assert diversion[2] == "<sip:a%20b%23%3E@pbx.example>;reason=away"


@pytest.mark.parametrize("text", ["", "<", "<sip:>", "sip:@x", "<sip:1@h>;counter=x;reason=\x00", ", ,"])
def test_what_cannot_be_read_tells_nothing(text):
    assert all(one.by for one in diversions_in([DIVERSION.field(text), HISTORY_INFO.field(text)]))


def test_a_thousand_diversions_are_not_all_read():
    many = ", ".join(["<sip:1@x>"] * 1000)
    assert len(diversions_in([DIVERSION.field(many), DIVERSION.field(many)])) == MOST


@given(st.text(), st.text())
def test_anything_may_stand_there(diversion, history):
    diversions_in([DIVERSION.field(diversion)])
    diversions_in([HISTORY_INFO.field(history)])
