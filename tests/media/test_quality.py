"""pbx.media.quality against the E-model's own figures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.media.quality import mean_opinion


@pytest.mark.parametrize(
    ("codec", "lost", "opinion"),
    [
        ("pcmu", 0, 4.4),  # ITU-T G.107 annex B: R = 92.7 is 4.4
        ("pcma", 10, 4.31),
        ("pcma", 50, 3.85),
        ("g729", 0, 4.08),
        ("g729", 50, 3.32),
        ("gsm", 0, 3.73),
    ],
)
def test_loss_costs_what_the_recommendation_says(codec: str, lost: int, opinion: float) -> None:
    assert mean_opinion(codec, 1000 - lost, lost, 0.0) == pytest.approx(opinion, abs=0.05)


def test_jitter_costs_delay() -> None:
    still, shaken, broken = (mean_opinion("pcmu", 1000, 0, jitter) for jitter in (0.0, 0.05, 0.4))
    assert still is not None and shaken is not None and broken is not None
    assert still > shaken > broken


def test_nothing_has_no_quality() -> None:
    assert mean_opinion("pcmu", 0, 0, 0.0) is None


@given(st.text(), st.integers(1, 2**40), st.integers(-5, 2**40), st.floats(0, 1e6))
def test_opinion_is_on_the_scale(codec: str, packets: int, lost: int, jitter: float) -> None:
    opinion = mean_opinion(codec, packets, lost, jitter)
    assert opinion is not None and 1.0 <= opinion <= 4.5
