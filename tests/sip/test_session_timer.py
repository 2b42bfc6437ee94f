from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.sip.errors import Malformed, Refused
from pbx.sip.session_timer import INTERVAL, SHORTEST, SessionTimer, agreed, granted, granting, shortest_of
from pbx.testing.clock import VirtualClock
from tests.sip.wire import request, response

INVITE = request()


class Kept:
    """A session with a timer; what the timer wanted, and when."""

    def __init__(self) -> None:
        self.clock = VirtualClock(now=0.0)
        self.told: list[tuple[str, float]] = []
        self.timer = SessionTimer(
            self.clock,
            lambda: self.told.append(("refresh", self.clock.seconds())),
            lambda: self.told.append(("expired", self.clock.seconds())),
        )


@pytest.mark.parametrize(("interval", "half", "end"), [(1800, 900, 1768), (90, 45, 60), (91, 45, 60), (96, 48, 64)])
def test_we_refresh_after_half_the_time_and_give_up_before_its_end(interval, half, end):
    """RFC 4028 section 10: 32 s before the end, or a third of the interval where that is less."""
    kept = Kept()
    kept.timer.run(interval, ours=True)
    kept.clock.advance(4000)
    assert kept.told == [("refresh", half), ("expired", end)]
    assert kept.clock.pending == []


@pytest.mark.parametrize(("interval", "end"), [(1800, 1768), (90, 60), (96, 64)])
def test_peer_that_does_not_refresh_is_given_up_before_the_end(interval, end):
    kept = Kept()
    kept.timer.run(interval, ours=False)
    kept.clock.advance(4000)
    assert kept.told == [("expired", end)]


def test_refresh_begins_the_time_anew():
    kept = Kept()
    kept.timer.run(90, ours=False)
    kept.clock.advance(50)
    kept.timer.run(1800, ours=True)
    kept.clock.advance(900)
    assert kept.told == [("refresh", 950)]
    assert kept.timer.due
    kept.timer.run(1800, ours=True)
    assert not kept.timer.due
    kept.clock.advance(899)
    assert len(kept.told) == 1


def test_refused_refresh_is_tried_again_until_it_is_too_late():
    kept = Kept()
    kept.timer.run(90, ours=True)
    for seconds in (45, 6, 6):
        kept.clock.advance(seconds)
        kept.timer.again(6)
    kept.clock.advance(100)
    assert kept.told == [("refresh", 45), ("refresh", 51), ("refresh", 57), ("expired", 60)]


def test_session_that_is_over_has_no_timer():
    kept = Kept()
    kept.timer.run(90, ours=True)
    kept.timer.stop()
    kept.timer.stop()
    assert kept.clock.pending == []


@pytest.mark.parametrize(
    ("ours", "shortest", "fields"),
    [
        (True, 0, ["1800;refresher=uac"]),
        (False, 0, ["1800;refresher=uas"]),
        (True, 120, ["1800;refresher=uac", "120"]),
        (True, 3600, ["3600;refresher=uac", "3600"]),
    ],
)
def test_our_refresh_says_who_refreshes_and_what_the_peer_demands(ours, shortest, fields):
    kept = Kept()
    kept.timer.run(1800, ours)
    kept.timer.shortest = shortest
    assert [value for _, _, value in kept.timer.fields()] == fields
    kept.timer.stop()


@given(st.lists(st.sampled_from(["ours", "theirs", "again", "at once", "stop", "fields", 1, 30, 1000]), max_size=25))
def test_any_input_in_any_state_keeps_one_timer_at_most(inputs):
    kept = Kept()
    for step in inputs:
        if step in ("ours", "theirs"):
            kept.timer.run(90, step == "ours")
        elif step in ("again", "at once"):
            kept.timer.again(10 if step == "again" else 0)
        elif isinstance(step, str):
            getattr(kept.timer, step)()
        else:
            kept.clock.advance(step)
        assert len(kept.clock.pending) <= 1
        assert repr(kept.timer)
    kept.clock.advance(4000)
    assert kept.clock.pending == []


# What is agreed upon


def asked(value: str, minimum: str = ""):
    more = [("session-expires", "Session-Expires", value)] if value else []
    return request(more=[*more, *([("min-se", "Min-SE", minimum)] if minimum else [])])


@pytest.mark.parametrize(
    ("value", "minimum", "understood", "terms"),
    [
        ("", "", True, (INTERVAL, False)),
        ("", "", False, (INTERVAL, True)),
        ("600", "", True, (600, False)),
        ("600;refresher=uac", "", True, (600, False)),
        ("600;refresher=UAS", "", True, (600, True)),
        ("600;refresher=uac", "", False, (600, True)),
        ("90", "", True, (90, False)),
        ("7200", "", True, (INTERVAL, False)),
        ("7200", "3600", True, (3600, False)),
        ("60", "", False, (INTERVAL, True)),
    ],
)
def test_what_we_grant(value, minimum, understood, terms):
    """RFC 4028 section 9, and its table 2."""
    assert granted(asked(value, minimum), understood) == terms


def test_too_short_a_session_is_422_with_min_se():
    with pytest.raises(Refused) as caught:
        granted(asked("89"), True)
    assert caught.value.status == 422
    assert caught.value.more == (("min-se", "Min-SE", str(SHORTEST)),)


@pytest.mark.parametrize("value", ["soon", "-1", "99999999999"])
def test_malformed_request_is_400(value):
    with pytest.raises(Malformed) as caught:
        granted(asked(value), True)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("value", "terms"),
    [
        ("", (INTERVAL, True)),
        ("1200;refresher=uac", (1200, True)),
        ("1200;refresher=uas", (1200, False)),
        ("1200", (1200, True)),
        ("10;refresher=uas", (SHORTEST, False)),
        ("4294967295;refresher=uas", (86_400, False)),
        ("nonsense", (INTERVAL, True)),
    ],
)
def test_what_the_peer_says(value, terms):
    """RFC 4028 7.2; what cannot be read is as if not said."""
    more = [("session-expires", "Session-Expires", value)] if value else []
    assert agreed(response(INVITE, 200, more=more)) == terms


@pytest.mark.parametrize(("value", "seconds"), [("", 0), ("120", 120), ("10", SHORTEST), ("x", 0)])
def test_what_a_422_demands(value, seconds):
    more = [("min-se", "Min-SE", value)] if value else []
    assert shortest_of(response(INVITE, 422, more=more)) == seconds


def test_our_2xx_names_the_refresher_as_the_peer_sees_it():
    assert granting(1800, True)[2] == "1800;refresher=uas"
    assert granting(1800, False)[2] == "1800;refresher=uac"
