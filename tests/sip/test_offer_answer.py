from __future__ import annotations

import pytest

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
