from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.sip.client_transaction import InviteClientTransaction
from pbx.sip.errors import InvalidState, Malformed, Refused
from pbx.sip.identifiers import Identifiers
from pbx.sip.message import NO_BODY, Request, Response
from pbx.sip.occupancy import TRANSACTIONS
from pbx.sip.parser import BadRequest, parse
from pbx.sip.transaction_layer import TransactionLayer
from pbx.testing.clock import VirtualClock
from tests.sip.wire import SDP, Wire, name, received, request, response


class Core:
    """One layer with its user: it writes down what it is told, and does what the test says."""

    def __init__(self, transactions: tuple[int, int] = TRANSACTIONS) -> None:
        self.clock = VirtualClock()
        self.wire = Wire(self.clock)
        self.layer = TransactionLayer(self.clock, Identifiers(), transactions)
        self.layer.user = self
        self.transactions: list = []
        self.told: list[str] = []
        self.does = lambda transaction, request: None

    def receive(self, *messages: Request | Response) -> None:
        for message in messages:
            self.layer.message_received(self.wire, message)

    def answers(self, status: int, tag: str = "ours") -> None:
        """Answer whatever comes, apart from ACK."""

        def answering(transaction, request):
            if transaction is not None:
                transaction.respond(request.response(status, "", tag))

        self.does = answering

    def raises(self, error: Exception) -> None:
        def raising(transaction, request):
            raise error

        self.does = raising

    def has_dialog(self, request) -> bool:
        return False

    def sends(self, method: str = "INVITE") -> Request:
        sent = Request(method, "sip:peer@192.0.2.9", [field for field in request(method).fields if field[0] != "via"])
        self.layer.request(self.wire, sent, self)
        return received(sent)

    def assert_idle(self) -> None:
        self.clock.advance(64)
        assert len(self.layer) == 0
        assert self.clock.pending == []

    def request_received(self, transaction, request) -> None:
        self.transactions.append(transaction)
        self.told.append(name(request))
        self.does(transaction, request)

    def ack_received(self, request) -> None:
        self.told.append("ACK")
        self.does(None, request)

    def response_received(self, response) -> None:
        self.told.append(name(response))

    def transaction_failed(self, method, status, reason) -> None:
        self.told.append(f"{status} {method} failed")

    def cancelled(self, cancel) -> None:
        self.told.append("cancelled")


@pytest.fixture
def core() -> Core:
    return Core()


# Requests and their transactions (RFC 3261 17.2.3)


def test_copy_of_a_request_is_answered_by_its_transaction_and_does_not_go_up(core):
    core.answers(486)
    core.receive(request(), request(), request())
    assert core.told == ["INVITE"]
    assert core.wire.take() == ["486 INVITE"] * 3
    assert core.layer.counts["retransmitted requests"] == 2
    core.assert_idle()


def test_each_invite_to_which_nothing_was_said_gets_a_100_after_200_ms(core):
    for number in range(3):
        core.receive(request(branch=f"z9hG4bK{number}", call_id=str(number)))
        core.clock.advance(0.0625)
    core.transactions[1].respond(request().response(180))
    core.clock.advance(2)
    assert [round(time, 4) for time in core.wire.times] == [0.1875, 0.2, 0.325]
    assert core.wire.take() == ["180 INVITE", "100 INVITE", "100 INVITE"]


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


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
@pytest.mark.parametrize("other", [{"branch": "z9hG4bK2"}, {"sent_by": "192.0.2.8"}, {"target": "sip:x@192.0.2.1"}])
def test_request_that_comes_by_a_second_way_is_482(core, method, other):
    """RFC 3261 8.2.2.2."""
    core.answers(200)
    branch = "" if "target" in other else "z9hG4bK1"
    core.receive(request(method, branch=branch), request(**{"method": method, "branch": branch, **other}))
    assert core.told == [method]
    assert core.wire.take() == [f"200 {method}", f"482 {method}"]
    core.clock.advance(64)
    assert len(core.layer) == 0
    core.wire.take()
    core.receive(request(method))
    assert core.wire.take() == [f"200 {method}"]
    core.assert_idle()


@pytest.mark.parametrize(
    "other", [{"caller": "<sip:peer@192.0.2.9>;tag=other"}, {"call_id": "other"}, {"cseq": 2}, {"method": "OPTIONS"}]
)
def test_request_that_only_resembles_another_is_its_own(core, other):
    core.receive(request(), request(branch="z9hG4bK2", **other))
    assert len(core.told) == 2


def test_requests_in_dialogs_and_cancels_never_come_by_a_second_way(core):
    core.receive(*[request("BYE", branch=branch, callee="<sip:1001@192.0.2.1>;tag=ours") for branch in ("", "1")])
    core.receive(*[request("CANCEL", branch=branch) for branch in ("", "1")])
    assert core.told == ["BYE", "BYE", "CANCEL", "CANCEL"]


def test_request_that_was_refused_as_a_copy_does_not_hide_the_first(core):
    core.receive(request(), request(branch="z9hG4bK2"))
    core.receive(request("ACK", branch="z9hG4bK2", callee="<sip:1001@192.0.2.1>;tag=ours"))
    core.clock.advance(5)
    core.receive(request(branch="z9hG4bK3"))
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


# Responses (RFC 3261 17.1.3, 8.1.3.3)


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


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("contact", "<sip:peer@"),
        ("record-route", "<nonsense>"),
        ("record-route", "<sip:a>," * 71),
        ("content-type", "sdp"),
    ],
)
@pytest.mark.parametrize("status", [183, 200])
def test_malformed_response_to_invite_is_as_if_it_had_not_come(core, key, value, status):
    invite = core.sends()
    bad = response(invite, status, contact="", more=[(key, key, value)])
    if key == "content-type":
        bad.body = SDP
        bad.fields = [field for field in bad.fields if field != NO_BODY]
    core.receive(received(bad))
    assert core.told == []
    assert core.layer.counts["refused 400"] == 1
    core.receive(response(invite, 486))
    assert core.told == ["486 INVITE"]
    core.assert_idle()


# The bulkhead, and what is refused


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


@pytest.mark.parametrize(("method", "status"), [("INVITE", 416), ("INVITE", 503), ("OPTIONS", 404), ("BYE", 481)])
def test_request_outside_dialogs_that_is_refused_at_once_leaves_nothing_behind(core, method, status):
    """RFC 3261 8.2.7: each copy gets the same answer, and nobody waits for an ACK."""
    core.raises(Malformed(status, "not that"))
    core.receive(request(method))
    assert len(core.layer) == 0
    assert core.clock.pending == []
    core.receive(request(method))
    first, second = core.wire.messages
    assert (first.status, first.reason) == (status, "not that")
    assert bytes(first) == bytes(second)
    assert first.to_tag
    assert core.told == [method, method]


def test_unknown_dialog_costs_nothing(core):
    core.raises(Malformed(481, ""))
    core.receive(request("BYE", callee="<sip:pbx@192.0.2.1>;tag=gone"))
    assert core.wire.take() == ["481 BYE"]
    assert len(core.layer) == 0


@pytest.mark.parametrize(
    ("status", "callee"),
    [(491, "<sip:pbx@192.0.2.1>;tag=ours"), (482, "<sip:pbx@192.0.2.1>")],
    ids=["dialog", "merged"],
)
def test_refusal_that_would_not_be_repeated_is_the_transactions(core, status, callee):
    """A copy that comes late must not be taken after all."""
    core.raises(Malformed(status, ""))
    core.receive(request(callee=callee), request(callee=callee))
    assert core.told == ["INVITE"]
    assert core.wire.take() == [f"{status} INVITE"] * 2
    core.receive(request("ACK", callee=f"{callee};tag=ours" if status == 482 else callee))
    assert core.told == ["INVITE"]
    core.assert_idle()


def test_refusal_of_one_who_has_shown_credentials_is_the_transactions(core):
    """Its nonce is used up: a copy would be taken for somebody else's."""
    core.raises(Malformed(404, ""))
    shown = {"more": [("authorization", "Authorization", "Digest")]}
    core.receive(request("MESSAGE", **shown), request("MESSAGE", **shown))
    assert core.told == ["MESSAGE"]
    assert core.wire.take() == ["404 MESSAGE"] * 2
    core.assert_idle()


def test_refusal_after_a_provisional_response_is_the_transactions(core):
    """The peer does not send its INVITE again: the refusal has to be repeated by us."""

    def rings_and_refuses(transaction, request):
        transaction.respond(request.response(180, "", "ours"))
        raise Malformed(403, "")

    core.does = rings_and_refuses
    core.receive(request())
    core.clock.advance(0.5)
    assert core.wire.take() == ["180 INVITE", "403 INVITE", "403 INVITE"]
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


def test_refusal_carries_the_fields_that_tell_the_peer_what_would_do(core):
    core.raises(Refused(405, ("allow", "Allow", "INVITE"), ("x-why", "X-Why", "because")))
    core.receive(request("OPTIONS"))
    answer = core.wire.last
    assert (answer.status, answer.reason) == (405, "Method Not Allowed")
    assert answer.first("allow") == "INVITE"
    assert answer.first("x-why") == "because"


@pytest.mark.parametrize("method", ["INVITE", "REGISTER"])
def test_whoever_is_asked_for_credentials_gets_one_answer_to_each_packet_and_costs_nothing(core, method):
    """RFC 3261 26.3.2.4: else a forged address would be sent eleven answers."""
    core.raises(Refused(401, ("www-authenticate", "WWW-Authenticate", "Digest")))
    core.receive(request(method))
    assert len(core.layer) == 0
    assert core.clock.pending == []
    core.receive(request(method), request("ACK", callee=core.wire.last.first("to")))
    assert core.told == [method, method, "ACK"]
    first, second = core.wire.messages
    assert (first.status, first.first("www-authenticate")) == (401, "Digest")
    assert first.to_tag == second.to_tag  # RFC 3261 8.2.7


def damaged(method: str = "INVITE", **parts) -> BadRequest:
    """What the parser raises of a request whose body was cut off."""
    packet = bytes(request(method, sdp=SDP, **parts))
    with pytest.raises(BadRequest) as caught:
        parse(packet[:-10])
    return caught.value


def test_malformed_request_is_answered_without_state_and_always_with_the_same_tag(core):
    for _ in range(2):
        fault = damaged()
        core.layer.refuse(core.wire, fault.request, fault)
    other = damaged(branch="z9hG4bK2")
    core.layer.refuse(core.wire, other.request, other)
    assert core.told == []
    assert len(core.layer) == 0
    first, second, third = core.wire.messages
    assert first.status == 400
    assert first.to_tag == second.to_tag != third.to_tag
    assert first.to_tag


def test_malformed_ack_is_never_answered(core):
    ack = request("ACK")
    core.layer.refuse(core.wire, ack, Malformed(400, ""))
    assert core.wire.sent == []
    assert core.layer.counts["refused 400"] == 1


@pytest.mark.parametrize("status", [100, 180, 200, 486])
def test_damaged_copy_of_a_request_does_not_touch_its_transaction(core, status):
    """Else anything that cuts off a datagram could end a call that rings."""
    core.answers(status)
    core.receive(request(sdp=SDP))
    core.wire.take()
    state = core.transactions[0].state
    fault = damaged()
    core.layer.refuse(core.wire, fault.request, fault)
    assert core.wire.take() == []
    assert core.transactions[0].state is state


# Flows that fail


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


# Requests that are too long for a datagram (RFC 3261 18.1.1)


class Wide(Wire):
    """A flow over UDP to a peer that may have TCP, too."""

    stream: Wire | None = None

    def wider(self) -> Wire | None:
        return self.stream


def long_request(core, size: int, method: str = "INVITE") -> Request:
    """A request that is so long with its Via."""
    sent = Request(method, "sip:peer@192.0.2.9", [field for field in request(method).fields if field[0] != "via"])
    via = len(f"Via: SIP/2.0/UDP 192.0.2.1:5060;rport;branch={Identifiers().branch()}\r\n")
    sent.fields.append(("subject", "Subject", "x" * (size - len(bytes(sent)) - via - len("Subject: \r\n"))))
    core.layer.request(core.wire, sent, core)
    return sent


@pytest.fixture
def wide(core) -> Wire:
    """The stream beside the core's datagrams."""
    core.wire = Wide(core.clock)
    core.wire.stream = Wire(core.clock, reliable=True)
    return core.wire.stream


def test_request_over_1300_bytes_leaves_udp_with_its_via(core, wide):
    long_request(core, 1300)
    assert len(core.wire.sent[0][1]) == 1300
    assert core.wire.take() == ["INVITE"]
    long_request(core, 1301)
    assert str(wide.last.via).startswith("SIP/2.0/TCP 192.0.2.1:5060;")
    assert (core.wire.take(), wide.take()) == ([], ["INVITE"])


def test_long_request_stays_on_udp_where_there_is_no_other_way(core, wide):
    core.wire.stream = None
    long_request(core, 5000)
    assert core.wire.take() == ["INVITE"]


@pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
def test_long_request_falls_back_to_udp_where_the_stream_fails(core, wide, method):
    long_request(core, 2000, method)
    over_tcp = wide.last
    core.layer.flow_failed(wide)
    assert core.told == []
    over_udp = core.wire.last
    assert over_udp.via.transport == "UDP"
    assert over_udp.via.branch == over_tcp.via.branch
    assert over_udp.fields[1:] == over_tcp.fields[1:]
    core.receive(response(over_udp, 486))
    assert core.told == [f"486 {method}"]
    assert core.wire.take() == [method, "ACK"] if method == "INVITE" else [method]
    core.assert_idle()
    assert not core.layer._smaller


def test_long_request_that_was_answered_over_the_stream_stays_there(core, wide):
    long_request(core, 2000)
    core.receive(response(wide.last, 180))
    core.layer.flow_failed(wide)
    assert core.wire.sent == []
    core.receive(response(wide.last, 486))
    assert wide.take() == ["INVITE", "ACK"]
    core.assert_idle()
    assert not core.layer._smaller


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
