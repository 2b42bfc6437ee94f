"""What a flow that fails does to the requests that were sent over it."""

from __future__ import annotations

import pytest

from tests.sip.wire import Wire, request, response


def test_flow_that_fails_ends_its_client_transactions_and_no_others(core):
    core.sends()
    core.wire, other = Wire(core.clock), core.wire
    core.sends("BYE")
    core.layer.flow_failed(other)
    assert core.told == ["503 INVITE failed"]
    assert len(core.layer) == 1


def test_request_that_came_over_a_flow_that_failed_is_answered_all_the_same(core):
    """RFC 3261 18.2.2: over a new connection, which is the flow's business."""
    core.receive(request("OPTIONS"))
    core.layer.flow_failed(core.wire)
    core.transactions[0].respond(request("OPTIONS").response(200, "", "ours"))
    assert core.wire.take() == ["200 OPTIONS"]


@pytest.mark.parametrize("method", ["INVITE", "BYE"])
def test_request_is_sent_once_more_over_the_next_connection(core, method):
    core.wire = Wire(core.clock, reliable=True)
    core.sends(method)
    core.layer.flow_failed(core.wire, reached=True)
    assert core.wire.take() == [method, method]
    assert core.told == []
    core.layer.flow_failed(core.wire, reached=True)
    assert core.told == [f"503 {method} failed"]
    core.assert_idle()
    assert not core.layer._repeated


def test_invite_that_is_being_tried_is_sent_once_more_to_bring_an_answer_that_was_lost(core):
    core.wire = Wire(core.clock, reliable=True)
    sent = core.sends()
    core.receive(response(sent, 180))
    core.layer.flow_failed(core.wire, reached=True)
    core.layer.flow_failed(core.wire, reached=True)
    assert core.wire.take() == ["INVITE", "INVITE"]
    core.receive(response(sent, 486))
    assert core.told == ["180 INVITE", "486 INVITE"]
    core.assert_idle()


def test_request_is_not_sent_again_where_nobody_was_reached(core):
    core.wire = Wire(core.clock, reliable=True)
    core.sends()
    core.layer.flow_failed(core.wire, reached=False)
    assert core.wire.take() == ["INVITE"]
    assert core.told == ["503 INVITE failed"]
    core.assert_idle()


def test_flow_that_fails_is_told_to_all_though_one_of_them_raises(core, logged_errors):
    def raising(method, status, reason):
        core.told.append(method)
        raise ValueError("a bug")

    core.transaction_failed = raising
    core.sends()
    core.sends("BYE")
    core.layer.flow_failed(core.wire)
    assert core.told == ["INVITE", "BYE"]
    assert len(logged_errors()) == 2
    core.assert_idle()
