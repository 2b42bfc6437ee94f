from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.sip.errors import InvalidState, Malformed
from pbx.sip.modification import Modification
from pbx.sip.offer_answer import LOCAL_OFFER, REMOTE_OFFER, STABLE, OfferAnswer
from tests.sip.wire import SDP, request

UPDATE = request("UPDATE", sdp=SDP)


def receive(machine, negotiation, inviting=False, invited=False):
    """The status with which the peer's UPDATE is refused, and what it is told; 0 when it waits."""
    try:
        machine.received(None, UPDATE, negotiation, inviting, invited, 4)
    except Malformed as fault:
        return fault.status, [field[0] for field in fault.more]
    return 0, []


@pytest.mark.parametrize(
    ("state", "inviting", "invited", "refusal"),
    [
        (STABLE, False, False, (0, [])),
        (LOCAL_OFFER, False, False, (491, [])),
        (REMOTE_OFFER, False, False, (500, ["retry-after"])),
        (STABLE, True, False, (491, [])),
        (STABLE, False, True, (500, ["retry-after"])),
    ],
)
def test_offer_while_another_is_open_is_refused(state, inviting, invited, refusal):
    """RFC 3311 5.2: 491 while our offer is open, 500 with Retry-After while the peer's own is."""
    negotiation = OfferAnswer()
    negotiation.state = state
    machine = Modification()
    assert receive(machine, negotiation, inviting, invited) == refusal
    assert (machine.waiting is not None) is (refusal[0] == 0)


def test_second_update_before_the_answer_to_the_first_is_500():
    machine, negotiation = Modification(), OfferAnswer()
    receive(machine, negotiation)
    assert receive(machine, negotiation) == (500, ["retry-after"])
    assert machine.taken() == (None, UPDATE)
    negotiation.settled()
    assert receive(machine, negotiation) == (0, [])


def test_update_while_ours_is_unanswered_is_491():
    machine = Modification()
    machine.sent(True)
    assert receive(machine, OfferAnswer()) == (491, [])
    assert machine.answered()
    assert receive(machine, OfferAnswer()) == (0, [])


def test_our_own_second_update_is_our_mistake():
    machine = Modification()
    machine.sent(False)
    with pytest.raises(InvalidState):
        machine.sent(True)
    assert not machine.answered()


def test_nothing_is_taken_where_nothing_waits():
    with pytest.raises(InvalidState):
        Modification().taken()


@given(st.lists(st.sampled_from(["sent", "answered", "received", "taken"]), max_size=20))
def test_any_input_in_any_state(inputs):
    machine, negotiation = Modification(), OfferAnswer()
    for step in inputs:
        before = (machine.pending, machine.waiting)
        try:
            if step == "received":
                refused, _ = receive(machine, negotiation)
                assert (refused == 0) is (before == (False, None))
            elif step == "sent":
                machine.sent(True)
                assert not before[0]
            elif step == "answered":
                assert machine.answered() is before[0]
            else:
                machine.taken()
                negotiation.settled()
        except InvalidState:
            assert (machine.pending, machine.waiting) == before
        assert repr(machine)
