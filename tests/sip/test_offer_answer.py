from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.sip.errors import InvalidState, Malformed
from pbx.sip.offer_answer import LOCAL_OFFER, REMOTE_OFFER, STABLE, OfferAnswer


@pytest.fixture
def exchange() -> OfferAnswer:
    return OfferAnswer()


def test_offers_of_both_sides_take_turns(exchange):
    assert exchange.state is STABLE
    exchange.offer_sent()
    assert exchange.state is LOCAL_OFFER
    exchange.settled()
    exchange.offer_received()
    assert exchange.state is REMOTE_OFFER
    exchange.settled()
    assert exchange.state is STABLE


@pytest.mark.parametrize("first", ["offer_sent", "offer_received"])
def test_second_offer_before_answer_is_491(exchange, first):
    getattr(exchange, first)()
    with pytest.raises(Malformed) as caught:
        exchange.offer_received()
    assert caught.value.status == 491
    exchange.settled()
    exchange.offer_received()


@pytest.mark.parametrize("first", ["offer_sent", "offer_received"])
def test_our_own_second_offer_is_our_mistake(exchange, first):
    getattr(exchange, first)()
    state = exchange.state
    with pytest.raises(InvalidState):
        exchange.offer_sent()
    assert exchange.state is state


@given(st.lists(st.sampled_from(["offer_sent", "offer_received", "settled"]), max_size=20))
def test_any_input_in_any_state(inputs):
    """Whoever offers first has the turn, until there is an answer."""
    exchange = OfferAnswer()
    turn = STABLE
    for step in inputs:
        if step == "settled":
            turn = STABLE
            exchange.settled()
        elif turn is STABLE:
            turn = LOCAL_OFFER if step == "offer_sent" else REMOTE_OFFER
            getattr(exchange, step)()
        else:
            with pytest.raises(InvalidState if step == "offer_sent" else Malformed):
                getattr(exchange, step)()
        assert exchange.state is turn
