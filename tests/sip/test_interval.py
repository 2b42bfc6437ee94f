from __future__ import annotations

import pytest

from pbx.sip.errors import Malformed, Refused
from pbx.sip.interval import Interval
from tests.sip.wire import request

INTERVAL = Interval(60, 7200, 3600)


def subscribe(expires: str | None):
    return request("SUBSCRIBE", more=[] if expires is None else [("expires", "Expires", expires)])


@pytest.mark.parametrize(
    ("asked", "chosen"), [(None, 3600), ("0", 0), ("60", 60), ("600", 600), ("7200", 7200), ("7201", 7200)]
)
def test_what_is_asked_for_is_shortened_and_never_lengthened(asked, chosen):
    """RFC 6665 4.2.1.1, RFC 3903 section 6."""
    assert INTERVAL.chosen(subscribe(asked)) == chosen


@pytest.mark.parametrize("asked", ["1", "59"])
def test_too_little_is_423_and_told_how_much_it_must_be(asked):
    with pytest.raises(Refused) as caught:
        INTERVAL.chosen(subscribe(asked))
    assert (caught.value.status, caught.value.more) == (423, (("min-expires", "Min-Expires", "60"),))


def test_an_hour_is_never_too_little():
    assert Interval(7200, 9000, 9000).chosen(subscribe("3600")) == 3600


@pytest.mark.parametrize("asked", ["", "soon", "-1", "4294967296"])
def test_what_is_no_time_is_400(asked):
    with pytest.raises(Malformed, match="400"):
        INTERVAL.chosen(subscribe(asked))
