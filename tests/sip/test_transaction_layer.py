"""The layer around its transactions: its user's failures, how many there may be, and whatever comes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.sip.client_transaction import InviteClientTransaction
from pbx.sip.errors import InvalidState, Malformed
from pbx.sip.message import Request
from pbx.testing.clock import VirtualClock
from tests.sip.core import Core
from tests.sip.wire import Wire, request, response


def test_each_invite_to_which_nothing_was_said_gets_a_100_after_200_ms(core):
    for number in range(3):
        core.receive(request(branch=f"z9hG4bK{number}", call_id=str(number)))
        core.clock.advance(0.0625)
    core.transactions[1].respond(request().response(180))
    core.clock.advance(2)
    assert [round(time, 4) for time in core.wire.times] == [0.1875, 0.2, 0.325]
    assert core.wire.take() == ["180 INVITE", "100 INVITE", "100 INVITE"]


# The bulkhead


def test_100_is_sent_to_all_though_one_cannot_be_sent(core, logged_errors, monkeypatch):
    def raising(packet, method=""):
        monkeypatch.undo()
        raise ValueError("a bug")

    monkeypatch.setattr(core.wire, "send", raising)
    for number in range(3):
        core.receive(request(branch=f"z9hG4bK{number}", call_id=str(number)))
    core.clock.advance(1)
    assert core.wire.take() == ["100 INVITE"] * 2
    assert core.layer.counts["failures"] == 1
    assert len(logged_errors()) == 1


def test_exception_of_the_user_is_logged_once_answered_500_and_the_next_message_works(core, logged_errors):
    core.raises(ValueError("a bug"))
    core.receive(request("OPTIONS"), request("OPTIONS"))
    assert core.wire.take() == ["500 OPTIONS", "500 OPTIONS"]
    assert core.told == ["OPTIONS"]
    assert core.layer.counts["failures"] == 1
    (event,) = logged_errors()
    assert "a bug" in str(event["log_failure"].value)
    core.answers(200)
    core.receive(request("OPTIONS", branch="z9hG4bK2", call_id="other"))
    assert core.wire.take() == ["200 OPTIONS"]
    core.assert_idle()


@pytest.mark.parametrize("error", [ValueError("a bug"), InvalidState("ours"), Malformed(400, "theirs")])
def test_what_the_user_raises_of_an_ack_or_a_response_is_never_answered(core, logged_errors, error):
    core.raises(error)
    core.receive(request("ACK"))
    core.response_received = lambda response: core.does(None, response)
    core.receive(response(core.sends("OPTIONS"), 200))
    assert core.wire.take() == ["OPTIONS"]
    assert len(logged_errors()) == (0 if isinstance(error, Malformed) else 2)
    core.assert_idle()


def test_exception_after_a_provisional_response_is_answered_500(core, logged_errors):
    def rings_and_fails(transaction, request):
        transaction.respond(request.response(180, "", "ours"))
        raise ValueError("a bug")

    core.does = rings_and_fails
    core.receive(request())
    assert core.wire.take() == ["180 INVITE", "500 INVITE"]
    assert len(logged_errors()) == 1
    core.assert_idle()


def test_exception_after_the_final_response_is_not_answered(core, logged_errors):
    def answers_and_fails(transaction, request):
        transaction.respond(request.response(200, "", "ours"))
        raise ValueError("a bug")

    core.does = answers_and_fails
    core.receive(request("OPTIONS"))
    assert core.wire.take() == ["200 OPTIONS"]
    assert len(logged_errors()) == 1
    core.assert_idle()


# How much others may make us remember (RFC 3261 21.5.4, 26.3.2.4)


def test_one_address_has_its_share_of_transactions_and_others_have_theirs():
    core, other = Core((5, 3)), Wire(VirtualClock(), remote=("192.0.2.77", 5060))
    for number in range(5):
        core.receive(request("OPTIONS", branch=f"z9hG4bK{number}", call_id=str(number)))
    assert core.told == ["OPTIONS"] * 3
    assert [(answer.status, answer.first("retry-after")) for answer in core.wire.messages] == [(503, "5")] * 2
    assert core.layer.counts["too many transactions"] == 2
    for number in range(3):
        core.layer.message_received(other, request("OPTIONS", branch=f"z9hG4bKx{number}", call_id=f"x{number}"))
    assert core.told == ["OPTIONS"] * 5  # five in all
    assert len(core.layer) == 5


def test_copy_of_a_request_finds_its_transaction_when_there_is_no_room_for_others():
    core = Core((1, 1))
    core.answers(486)
    core.receive(request(), request())
    assert core.wire.take() == ["486 INVITE"] * 2


def test_what_ends_a_call_is_taken_even_when_there_is_no_room():
    core = Core((1, 1))
    core.receive(request(), request("CANCEL"), request("BYE", branch="z9hG4bK3"))
    assert core.told == ["INVITE", "CANCEL", "BYE"]


def test_room_is_there_again_when_transactions_are_over():
    core = Core((1, 1))
    core.answers(200)
    for number in range(3):
        core.receive(request("OPTIONS", branch=f"z9hG4bK{number}", call_id=str(number)))
        core.clock.advance(32)
    assert core.told == ["OPTIONS"] * 3
    core.assert_idle()


# Whatever comes


@st.composite
def steps(draw: st.DrawFn):
    """Messages, time, and what the user does about them."""
    kind = draw(st.sampled_from(["request", "request", "request", "response", "sends", "time", "damaged"]))
    if kind == "time":
        return kind, draw(st.sampled_from([0.125, 0.5, 5.0, 32.0]))
    branch = draw(st.sampled_from(["z9hG4bK1", "z9hG4bK2", "old"]))
    method = draw(st.sampled_from(["INVITE", "ACK", "CANCEL", "BYE", "OPTIONS"]))
    does = draw(st.sampled_from([None, 100, 180, 200, 486, Malformed(400, "")]))
    return kind, (method, branch, does, draw(st.integers(0, 5)))


@given(st.lists(steps(), max_size=25))
def test_any_messages_in_any_order_raise_nothing_and_leave_nothing_behind(sequence):
    core = Core()
    sent: list[Request] = []
    for kind, what in sequence:
        if kind == "time":
            core.clock.advance(what)
            continue
        method, branch, does, number = what
        if isinstance(does, int):
            core.answers(does)
        elif isinstance(does, Malformed):
            core.raises(does)
        else:
            core.does = lambda transaction, request: None
        if kind == "request":
            core.receive(request(method, branch=branch))
        elif kind == "damaged":
            fault = Malformed(400, "")
            core.layer.refuse(core.wire, request(method, branch=branch), fault)
        elif kind == "sends" and method not in ("ACK", "CANCEL"):
            sent.append(core.sends(method))
        elif sent:
            core.receive(response(sent[number % len(sent)], (number + 1) * 100 + number))
    # Whoever was not answered yet is refused at last.
    for transaction in core.transactions:
        if transaction.state.value in ("trying", "proceeding"):
            transaction.respond(transaction.request.response(500))
    # An INVITE that rings would ring for ever; its session gives it up.
    for transaction in list(core.layer._clients.values()):
        if isinstance(transaction, InviteClientTransaction):
            transaction.abandon()
    core.assert_idle()
