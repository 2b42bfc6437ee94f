from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from pbx.sip.nonces import Nonces

HOST = "192.0.2.1"


@pytest.fixture
def clock() -> Clock:
    clock = Clock()
    clock.advance(1_800_000_000)
    return clock


@pytest.fixture
def nonces(clock: Clock) -> Nonces:
    return Nonces(clock, b"secret", lifetime=300, bound=3)


def test_issuing_keeps_nothing_and_no_two_are_the_same(nonces):
    assert len({nonces.issue(HOST) for _ in range(1000)}) == 1000
    assert len(nonces) == 0


def test_each_count_is_good_once_and_only_upwards(nonces):
    nonce = nonces.issue(HOST)
    assert nonces.use(nonce, HOST, 1)
    assert not nonces.use(nonce, HOST, 1)
    assert nonces.use(nonce, HOST, 2)
    assert nonces.use(nonce, HOST, 9)
    assert not nonces.use(nonce, HOST, 3)
    assert not nonces.use(nonce, HOST, 9)
    assert len(nonces) == 1


def test_count_zero_is_never_good(nonces):
    assert not nonces.use(nonces.issue(HOST), HOST, 0)
    assert len(nonces) == 0


def test_nonce_is_good_for_the_address_it_was_issued_to(nonces):
    nonce = nonces.issue(HOST)
    assert not nonces.use(nonce, "192.0.2.2", 1)
    assert nonces.use(nonce, HOST, 1)


def test_nonce_is_fresh_for_its_lifetime_and_at_its_address_only(nonces, clock):
    nonce = nonces.issue(HOST)
    assert nonces.is_fresh(nonce, HOST)
    assert not nonces.is_fresh(nonce, "192.0.2.2")
    assert not nonces.is_fresh(f"{nonce[:-1]}x", HOST)
    assert not nonces.is_fresh("\u0665", HOST)
    clock.advance(300.125)
    assert not nonces.is_fresh(nonce, HOST)


def test_nonce_is_good_for_its_lifetime_also_when_it_is_in_use(nonces, clock):
    used, unused = nonces.issue(HOST), nonces.issue(HOST)
    clock.advance(150)
    assert nonces.use(used, HOST, 1)
    clock.advance(149)
    assert nonces.use(used, HOST, 2)
    clock.advance(1.125)  # stamps are microseconds, and no two the same
    assert not nonces.use(used, HOST, 3)
    assert not nonces.use(unused, HOST, 1)


def test_nonce_of_another_secret_or_of_an_earlier_run_is_old(clock):
    nonce = Nonces(clock, b"other").issue(HOST)
    earlier = Nonces(clock, b"secret").issue(HOST)
    clock.advance(1)
    nonces = Nonces(clock, b"secret")
    assert not nonces.use(nonce, HOST, 1)
    assert not nonces.use(earlier, HOST, 1)


@given(st.text() | st.integers(0, 2**60).map(lambda stamp: f"{stamp:014x}" + "0" * 32) | st.text("\udc80\udcff0f"))
def test_what_we_did_not_sign_is_old(nonce):
    nonces = Nonces(Clock(), b"secret")
    assert not nonces.use(nonce, HOST, 1)
    assert len(nonces) == 0


def test_changed_nonce_is_old(nonces):
    nonce = nonces.issue(HOST)
    for place in range(len(nonce)):
        changed = nonce[:place] + ("0" if nonce[place] != "0" else "1") + nonce[place + 1 :]
        assert not nonces.use(changed, HOST, 1)
    assert not nonces.use(nonce.upper() if nonce.upper() != nonce else nonce + "0", HOST, 1)
    assert nonces.use(nonce, HOST, 1)


def test_full_table_lets_the_oldest_go_and_that_one_cannot_be_used_again(nonces):
    issued = [nonces.issue(HOST) for _ in range(4)]
    for nonce in issued:
        assert nonces.use(nonce, HOST, 1)
    assert len(nonces) == 3
    assert not nonces.use(issued[0], HOST, 1)
    assert not nonces.use(issued[0], HOST, 2)
    for nonce in issued[1:]:
        assert not nonces.use(nonce, HOST, 1)
        assert nonces.use(nonce, HOST, 2)


def test_nonce_older_than_all_in_a_full_table_is_good_once(nonces):
    late = nonces.issue(HOST)
    for _ in range(3):
        assert nonces.use(nonces.issue(HOST), HOST, 1)
    assert nonces.use(late, HOST, 1)
    assert not nonces.use(late, HOST, 1)
    assert not nonces.use(late, HOST, 2)
    assert len(nonces) == 3


def test_expired_nonces_make_room_first(nonces, clock):
    for _ in range(3):
        assert nonces.use(nonces.issue(HOST), HOST, 1)
    clock.advance(300.125)
    nonce = nonces.issue(HOST)
    assert nonces.use(nonce, HOST, 1)
    assert len(nonces) == 1
    assert nonces.use(nonce, HOST, 2)


def test_clock_that_is_set_back_makes_no_nonce_twice():
    clock = Clock()
    clock.advance(1000)
    nonces = Nonces(clock, b"secret")
    first = nonces.issue(HOST)
    clock.rightNow = 900.0
    second = nonces.issue(HOST)
    assert first != second
    assert nonces.use(first, HOST, 1) and nonces.use(second, HOST, 1)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 4), st.sampled_from([0, 0, 60, 200]))))
def test_no_count_is_ever_good_twice(uses):
    clock = Clock()
    nonces = Nonces(clock, b"secret", lifetime=300, bound=2)
    issued = [nonces.issue(HOST) for _ in range(6)]
    good = set()
    for which, count, pause in uses:
        clock.advance(pause)
        if nonces.use(issued[which], HOST, count):
            assert (which, count) not in good
            assert clock.seconds() <= 300
            good.add((which, count))
        assert len(nonces) <= 2
