"""The order among servers, and which hosts are addresses."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.sip.hops import Srv, address_of, by_weight

RECORDS = st.lists(st.builds(Srv, st.integers(0, 3), st.integers(0, 65535), st.just(5060), st.text("ab", min_size=1)))


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("[2001:DB8::7]", "2001:db8::7"),
        ("[2001:db8:0::7]", "2001:db8::7"),
        ("example.com", ""),
        ("192.0.2", ""),
        ("192.0.2.007", ""),
        ("[192.0.2.7]", ""),
        ("", ""),
    ],
)
def test_host_is_an_address_or_a_name(host, address):
    assert address_of(host) == address


@given(RECORDS, st.integers())
def test_every_server_has_its_turn_and_none_before_a_lower_priority(records, seed):
    ordered = by_weight(records, random.Random(seed).random)
    assert sorted(ordered, key=repr) == sorted(records, key=repr)
    assert [record.priority for record in ordered] == sorted(record.priority for record in records)


def test_servers_get_requests_by_their_weights():
    records = [Srv(1, 3, 5060, "three"), Srv(1, 1, 5060, "one"), Srv(1, 0, 5060, "none"), Srv(2, 9, 5060, "later")]
    source = random.Random(7)
    draws = [[record.target for record in by_weight(records, source.random)] for _ in range(5000)]
    first = Counter(order[0] for order in draws)
    # RFC 2782: of 0 to 4, 0 is drawn by the one without weight.
    assert first["three"] / 5000 == pytest.approx(3 / 5, abs=0.03)
    assert first["one"] / 5000 == pytest.approx(1 / 5, abs=0.03)
    assert first["none"] / 5000 == pytest.approx(1 / 5, abs=0.03)
    assert {order[3] for order in draws} == {"later"}


def test_order_is_the_same_for_the_same_seed():
    records = [Srv(1, weight, 5060, f"s{weight}") for weight in range(1, 9)]
    orders = [by_weight(records, random.Random(3).random) for _ in range(2)]
    assert orders[0] == orders[1]
