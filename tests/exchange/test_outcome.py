"""The table "How an attempt ends" of the contract, row by row."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.exchange.outcome import (
    Answered,
    Attempt,
    Busy,
    Declined,
    Failed,
    NoAnswer,
    Outcome,
    Unreachable,
    best,
    outcome_of,
)
from pbx.exchange.target import ext

ALICE, BOB = ext("1001"), ext("1002")


@pytest.mark.parametrize(
    ("status", "kind", "code", "for_the_caller"),
    [
        (200, Answered, 200, 200),
        (202, Answered, 200, 200),
        (486, Busy, 486, 486),
        (600, Busy, 486, 486),
        (699, Busy, 486, 486),  # RFC 3261 8.1.3.2: as 600
        (603, Declined, 603, 603),
        (607, Declined, 603, 603),
        (608, Declined, 603, 603),
        (480, NoAnswer, 480, 480),
        (487, NoAnswer, 480, 480),
        (408, Failed, 408, 408),
        (404, Failed, 404, 404),
        (604, Failed, 404, 404),
        (401, Failed, 500, 500),
        (407, Failed, 500, 500),
        (503, Failed, 503, 500),
        (488, Failed, 488, 488),
        (420, Failed, 420, 420),
        (500, Failed, 500, 500),
        (499, Failed, 499, 499),
        (606, Failed, 606, 606),
        (302, Failed, 302, 500),
        (999, Failed, 999, 500),
    ],
)
def test_each_final_status_has_its_outcome(status: int, kind: type[Outcome], code: int, for_the_caller: int) -> None:
    outcome = outcome_of(status, by=BOB)
    assert isinstance(outcome, kind)
    assert outcome.code == code
    assert outcome.status == for_the_caller
    assert outcome.by is BOB
    assert outcome.text
    assert bool(outcome) is outcome.answered is (kind is Answered)


def test_no_binding_is_480_for_the_caller() -> None:
    assert (Unreachable().status, bool(Unreachable())) == (480, False)


def test_a_provisional_status_is_no_outcome() -> None:
    with pytest.raises(ValueError, match="183 is not a final status"):
        outcome_of(183)


def test_the_words_of_a_failure_are_the_peers_if_it_had_any() -> None:
    assert outcome_of(488, "No Opus").text == "No Opus"
    assert outcome_of(488).text == "no common codec"
    assert outcome_of(481).text == "Call/Transaction Does Not Exist"


def test_the_challenge_of_a_phone_is_not_told() -> None:
    assert "nauthor" not in outcome_of(401, "Unauthorized").text


def test_outcomes_are_taken_apart_by_match() -> None:
    match outcome_of(606, "Not in the mood"):
        case Failed(code=code, text=text):
            assert (code, text) == (606, "Not in the mood")
        case _:
            pytest.fail("not matched")
    match outcome_of(603, by=BOB):
        case Busy() | NoAnswer() | Unreachable():
            pytest.fail("matched")
        case Declined(by=who):
            assert who is BOB


RANKED: list[Outcome] = [Answered(), Declined(), Busy(), NoAnswer(), Unreachable(), Failed(488), Failed(500)]


@given(st.lists(st.sampled_from(RANKED), min_size=1))
def test_best_is_the_first_in_rank_in_whatever_order_they_end(outcomes: list[Outcome]) -> None:
    assert best(outcomes) == min(outcomes, key=RANKED.index)


def test_best_prefers_a_refusal_for_all() -> None:
    assert best([Busy(), Failed(606)]) == Failed(606)


def test_best_of_equals_is_the_first() -> None:
    assert best([Unreachable(), Busy(by=ALICE), Busy(by=BOB)]).by is ALICE


def test_best_keeps_the_attempts_of_all() -> None:
    one, two = Attempt(ALICE, 480, "Temporarily Unavailable", 0.5), Attempt(BOB, 486, "Busy Here", None)
    outcome = best([NoAnswer(by=ALICE, attempts=(one,)), Busy(by=BOB, attempts=(two,))])
    assert outcome == Busy(by=BOB, attempts=(one, two))


def test_best_of_nothing_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="at least one"):
        best([])
