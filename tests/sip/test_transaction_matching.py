"""Which transaction a request or a response belongs to (RFC 3261 17.2.3, 17.1.3, 8.1.3.3)."""

from __future__ import annotations

import pytest

from tests.sip.wire import PEER, Wire, received, request, response


def test_copy_of_a_request_is_answered_by_its_transaction_and_does_not_go_up(core):
    core.answers(486)
    core.receive(request(), request(), request())
    assert core.told == ["INVITE"]
    assert core.wire.take() == ["486 INVITE"] * 3
    assert core.layer.counts["retransmitted requests"] == 2
    core.assert_idle()


@pytest.mark.parametrize(
    ("host", "reliable", "is_open", "follows"),
    [
        (PEER, True, False, True),
        (PEER, True, True, False),
        (PEER, False, False, False),
        ("10.9.9.9", True, False, False),
    ],
    ids=["next connection", "first one is there", "other transport", "stranger"],
)
def test_answers_follow_a_copy_to_the_next_connection_of_its_peer(core, host, reliable, is_open, follows):
    """RFC 3261 18.2.2, where no connection to the peer can be made: it is behind a NAT."""
    first, second = Wire(core.clock, reliable=True), Wire(core.clock, reliable, (host, 40001))
    first.is_open = is_open
    successors = []
    first.succeeded_by = successors.append
    core.layer.message_received(first, request())
    core.layer.message_received(second, request())
    assert successors == [second] * follows


@pytest.mark.parametrize(
    "other",
    [
        {"branch": "z9hG4bK2"},
        {"sent_by": "192.0.2.8"},
        {"sent_by": "192.0.2.9:5062"},
        {"method": "OPTIONS", "branch": "z9hG4bK1"},
    ],
    ids=["branch", "host", "port", "method"],
)
def test_branch_sent_by_and_method_tell_requests_apart(core, other):
    core.receive(request(), request(**{"call_id": "other", **other}))
    assert len(core.layer) == 2


def test_with_the_cookie_only_branch_sent_by_and_method_count(core):
    """A copy that a proxy changed on the way is a copy all the same."""
    core.receive(request(), request(target="sip:other@192.0.2.1", call_id="other"))
    assert core.told == ["INVITE"]


@pytest.mark.parametrize("branch", ["", "1", "z9hG4bk-small", "z9hG4bK"])
@pytest.mark.parametrize(
    "other",
    [
        {"target": "sip:1002@192.0.2.1", "caller": "<sip:peer@192.0.2.9>;tag=other"},
        {"caller": "<sip:peer@192.0.2.9>;tag=other"},
        {"call_id": "other"},
        {"cseq": 2},
        {"sent_by": "192.0.2.8", "cseq": 2},
        {"method": "BYE"},
    ],
    ids=lambda parts: next(iter(parts)),
)
def test_without_the_cookie_all_that_rfc_2543_names_tells_requests_apart(core, branch, other):
    core.receive(request(branch=branch), request(branch=branch), request(**{"branch": branch, **other}))
    assert core.layer.counts["retransmitted requests"] == 1
    assert len(core.layer) == 2


@pytest.mark.parametrize("branch", ["z9hG4bK1", "", "1"])
def test_ack_of_a_refusal_ends_its_retransmission_and_does_not_go_up(core, branch):
    core.answers(486)
    core.receive(request(branch=branch))
    core.receive(request("ACK", branch=branch, callee="<sip:1001@192.0.2.1>;tag=ours"))
    core.clock.advance(4)
    assert core.told == ["INVITE"]
    assert core.wire.times == [0]
    assert core.transactions[0].state.value == "confirmed"
    core.assert_idle()


@pytest.mark.parametrize("branch", ["z9hG4bK1", "z9hG4bK2", ""])
def test_ack_of_a_2xx_goes_up_whatever_its_branch(core, branch):
    core.answers(200)
    core.receive(request())
    core.receive(*[request("ACK", branch=branch, callee="<sip:1001@192.0.2.1>;tag=ours")] * 2)
    assert core.told == ["INVITE", "ACK", "ACK"]
    assert core.wire.take() == ["200 INVITE"]
    core.assert_idle()


def test_ack_before_any_final_response_is_absorbed(core):
    core.receive(request(), request("ACK"))
    assert core.told == ["INVITE"]


@pytest.mark.parametrize("branch", ["z9hG4bK1", "", "1"])
def test_cancel_is_a_transaction_of_its_own_and_finds_its_invite(core, branch):
    core.receive(request(branch=branch), request("CANCEL", branch=branch))
    assert core.told == ["INVITE", "CANCEL"]
    assert core.layer.invite_of(request("CANCEL", branch=branch)) is core.transactions[0]


@pytest.mark.parametrize("other", [{"branch": "z9hG4bK2"}, {"sent_by": "192.0.2.8"}])
def test_cancel_of_something_else_finds_nothing(core, other):
    core.receive(request())
    assert core.layer.invite_of(request("CANCEL", **other)) is None


def test_request_that_comes_again_after_its_transaction_is_new(core):
    core.answers(200)
    core.receive(request("OPTIONS"))
    core.clock.advance(32)
    core.receive(request("OPTIONS"))
    assert core.told == ["OPTIONS", "OPTIONS"]


def test_request_gets_a_via_of_our_own_on_top_and_a_new_branch_each_time(core):
    first, second = core.sends(), core.sends("OPTIONS")
    assert first.fields[0][0] == "via"
    assert str(first.via) == f"SIP/2.0/UDP 192.0.2.1:5060;rport;branch={first.via.branch}"
    assert first.via.branch.startswith("z9hG4bK")
    assert first.via.branch != second.via.branch


def test_response_finds_its_request_by_branch_and_method(core):
    invite, options = core.sends(), core.sends("OPTIONS")
    core.receive(response(options, 200), response(invite, 180), response(invite, 486))
    assert core.told == ["200 OPTIONS", "180 INVITE", "486 INVITE"]
    core.assert_idle()


def test_cancel_has_the_branch_of_its_invite_and_a_transaction_of_its_own(core):
    invite = core.sends()
    transaction = core.layer._clients[f"{invite.via.branch} 1 INVITE"]
    core.layer.cancel(transaction, invite.cancel(), core)
    cancel = core.wire.last
    assert cancel.via.branch == invite.via.branch
    core.receive(response(cancel, 200), response(invite, 487))
    assert core.told == ["200 CANCEL", "487 INVITE"]
    core.assert_idle()


def test_stray_response_is_counted_and_dropped(core):
    invite = core.sends()
    others = request(branch="z9hG4bKelse")
    core.receive(response(others, 200), response(invite, 486))
    core.clock.advance(33)
    core.receive(response(invite, 486))
    assert core.told == ["486 INVITE"]
    assert core.layer.counts["stray responses"] == 2


def test_response_with_another_number_is_stray(core):
    invite = core.sends()
    other = response(invite, 200)
    other.fields = [*[field for field in other.fields if field[0] != "cseq"], ("cseq", "CSeq", "2 INVITE")]
    core.receive(received(other))
    assert core.told == []
    assert core.layer.counts["stray responses"] == 1


def test_response_with_a_second_via_was_meant_for_somebody_else(core):
    invite = core.sends()
    strange = response(invite, 200)
    strange.fields.insert(1, ("via", "Via", "SIP/2.0/UDP 192.0.2.77;branch=z9hG4bKother"))
    core.receive(received(strange))
    joined = response(invite, 200)
    joined.fields[0] = ("via", "Via", f"{joined.via}, SIP/2.0/UDP 192.0.2.77;branch=z9hG4bKother")
    core.receive(received(joined))
    assert core.told == []
    assert core.layer.counts["stray responses"] == 2
