from __future__ import annotations

import pytest

from pbx.media import rtp
from pbx.media.reception import Reception

RATE = 8000


def heard(reception: Reception, sequence: int, now: float, *, timestamp: int = -1, ssrc: int = 1) -> None:
    packet = rtp.build(b"", 0, sequence, 160 * sequence if timestamp < 0 else timestamp, ssrc)
    reception.count(packet, RATE, now)


def test_what_comes_on_time_has_no_jitter() -> None:
    reception = Reception()
    for number in range(100):
        heard(reception, number, 1 + number / 50)
    assert reception.jitter == pytest.approx(0, abs=1e-9)


def test_jitter_is_that_of_rfc_3550() -> None:
    """Every second packet is late by 8 ms: each difference in transit is 8 ms, to which the mean converges."""
    reception, expected = Reception(), 0.0
    for number in range(200):
        heard(reception, number, 1 + number / 50 + number % 2 * 0.008)
        if number:
            expected += (0.008 - expected) / 16
    assert reception.jitter == pytest.approx(expected)
    assert reception.jitter == pytest.approx(0.008, rel=0.01)


def test_the_wrap_of_the_timestamp_is_no_jitter() -> None:
    reception = Reception()
    for number in range(10):
        heard(reception, number, 1 + number / 50, timestamp=0xFFFFFF00 + 160 * number & 0xFFFFFFFF)
    assert reception.jitter == pytest.approx(0, abs=1e-9)


def test_a_clock_that_is_set_anew_is_no_jitter() -> None:
    reception = Reception()
    heard(reception, 1, 1, timestamp=160)
    heard(reception, 2, 1.02, timestamp=0x40000000)
    heard(reception, 3, 1.04, timestamp=0x40000000 + 160)
    assert reception.jitter == pytest.approx(0, abs=1e-9)


def test_another_source_begins_anew() -> None:
    reception = Reception()
    heard(reception, 1, 1)
    heard(reception, 9000, 1.02, ssrc=2)
    heard(reception, 9002, 1.06, ssrc=2)
    assert reception.lost == 1
    assert reception.jitter == pytest.approx(0, abs=1e-9)


def test_packets_that_do_not_tell_the_time_are_counted_alone() -> None:
    reception = Reception()
    reception.count(rtp.build(b"", 101, 1, 5, 1), 0, 1.0)
    reception.count(rtp.build(b"", 101, 3, 5, 1), 0, 3.0)
    assert (reception.lost, reception.jitter) == (1, 0.0)
