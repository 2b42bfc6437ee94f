from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.sip.dialog import Dialog, sdp_of
from pbx.sip.errors import Malformed
from pbx.sip.headers import RECORD_ROUTE
from pbx.sip.message import Request
from pbx.testing.clock import VirtualClock
from tests.sip.messages import messages, uris
from tests.sip.wire import SDP, Wire, received, request, response

OURS = "<sip:1001@192.0.2.1>;tag=ours"
TARGET = "sip:peer@192.0.2.9"
P1, P2, P3 = "<sip:p1.example.com;lr>", "<sip:p2.example.com;lr>", "<sip:p3.example.com;lr>"


def recorded(*routes: str) -> tuple[tuple[str, str, str], ...]:
    return tuple([RECORD_ROUTE.field(route) for route in routes])


def called(*routes: str, **parts) -> Dialog:
    """The dialog of an INVITE that the peer sent."""
    return Dialog.as_uas(request(more=recorded(*routes), **parts), "ours", Wire(VirtualClock()))


def calling(*routes: str, status: int = 200, **parts) -> Dialog:
    """The dialog of an INVITE that we sent, by its response."""
    sent = request(caller=OURS, callee="<sip:peer@192.0.2.9>", cseq=7)
    answer = response(sent, status, "theirs", more=recorded(*routes), **parts)
    return Dialog.as_uac(OURS, TARGET, answer, Wire(VirtualClock()))


def routes_of(message: Request) -> list[str]:
    return [value for key, _, value in message.fields if key == "route"]


# How a dialog begins (RFC 3261 12.1)


def test_dialog_of_a_request_is_the_peer_s_seen_from_our_side():
    dialog = called(cseq=314)
    assert dialog.key == ("call", "ours", "peer")
    assert dialog.local == "<sip:1001@192.0.2.1>;tag=ours"
    assert dialog.remote == "<sip:peer@192.0.2.9>;tag=peer"
    assert (dialog.local_cseq, dialog.remote_cseq) == (0, 314)
    assert dialog.remote_target == dialog.next_hop == "sip:peer@192.0.2.9:5070"
    assert dialog.routes == ()


SECURE = "sips:1001@192.0.2.1"


@pytest.mark.parametrize(
    ("routes", "parts", "secure"),
    [
        ((), {}, False),
        ((), {"target": SECURE}, True),
        ((), {"contact": "<sips:peer@192.0.2.9>"}, True),
        (("<sips:p1.example.com;lr>", P2), {}, True),
        ((P1, "<sips:p2.example.com;lr>"), {"contact": "<sips:peer@192.0.2.9>"}, False),
    ],
)
@pytest.mark.parametrize("transport", ["TLS", "TCP"])
def test_our_contact_is_as_secure_as_what_the_peer_has_asked_for(routes, parts, secure, transport):
    """RFC 3261 12.1.1: the Request-URI, the top Record-Route or, without any, the Contact."""
    wire = Wire(VirtualClock(), reliable=True)
    wire.transport = transport
    dialog = Dialog.as_uas(request(more=recorded(*routes), **parts), "ours", wire)
    secure = secure and transport == "TLS"
    assert dialog.secure is secure
    assert dialog.contact[2].startswith("<sips:" if secure else "<sip:")


@pytest.mark.parametrize(("target", "secure"), [("sips:peer@192.0.2.9", True), (TARGET, False)])
def test_our_contact_is_as_secure_as_what_we_have_asked_for(target, secure):
    wire = Wire(VirtualClock(), reliable=True)
    wire.transport = "TLS"
    answer = response(request(caller=OURS, callee=f"<{target}>", cseq=7), 200, "theirs")
    dialog = Dialog.as_uac(OURS, target, answer, wire)
    assert dialog.secure is secure
    assert dialog.contact[2].startswith("<sips:" if secure else "<sip:")


def test_dialog_of_a_response_is_ours():
    dialog = calling()
    assert dialog.key == ("call", "ours", "theirs")
    assert dialog.local == OURS
    assert dialog.remote == "<sip:peer@192.0.2.9>;tag=theirs"
    assert (dialog.local_cseq, dialog.remote_cseq) == (7, -1)
    assert dialog.remote_target == dialog.next_hop == "sip:peer@192.0.2.9:5070"


def test_both_ends_of_one_call_have_the_same_dialog_mirrored():
    sent = request(caller=OURS, callee="<sip:peer@192.0.2.9>")
    theirs = Dialog.as_uas(sent, "theirs", Wire(VirtualClock()))
    ours = Dialog.as_uac(OURS, TARGET, response(sent, 200, "theirs"), Wire(VirtualClock()))
    assert theirs.key == (ours.call_id, ours.remote_tag, ours.local_tag)
    assert (theirs.local, theirs.remote) == (ours.remote, ours.local)


@pytest.mark.parametrize("contact", ["", "*", "<sip:peer@", "nonsense"])
def test_request_without_a_usable_contact_makes_no_dialog(contact):
    with pytest.raises(Malformed) as caught:
        called(contact=contact)
    assert caught.value.status == 400


def test_response_without_contact_leaves_the_peer_where_we_called_it():
    assert calling(status=183, contact="").remote_target == TARGET


def test_peer_without_tag_is_an_element_of_rfc_2543():
    assert called(caller="sip:peer@192.0.2.9").key == ("call", "ours", "")


# The route set (RFC 3261 12.1.1, 12.1.2, 16.12.1)


def test_uas_takes_the_route_set_in_order_and_uac_reversed():
    """RFC 3261 16.12.1.1: the proxy nearest to the callee put itself on top."""
    assert called(P3, P2, P1).routes == (P3, P2, P1)
    assert calling(P3, P2, P1).routes == (P1, P2, P3)


def test_route_set_may_stand_in_one_field_and_keeps_its_parameters():
    joined = f'{P3}, "Proxy, second" <sip:p2.example.com;lr;ftag=x>;x=y'
    assert called(joined).routes == (P3, '"Proxy, second" <sip:p2.example.com;lr;ftag=x>;x=y')


@pytest.mark.parametrize("route", ["<sip:p1", "nonsense", "<>"])
def test_malformed_route_set_is_refused(route):
    with pytest.raises(Malformed) as caught:
        called(P1, route)
    assert caught.value.status == 400


def test_route_set_of_more_than_70_hops_is_refused():
    """It would be in each of our requests."""
    assert len(called(*[P1] * 70).routes) == 70
    for make in (called, calling):
        with pytest.raises(Malformed) as caught:
            make(*[P1] * 71)
        assert caught.value.status == 400


def test_loose_routers_get_the_remote_target_in_the_request_line():
    dialog = calling(P3, P2, P1)
    bye = dialog.request("BYE")
    assert bye.target == "sip:peer@192.0.2.9:5070"
    assert routes_of(bye) == [P1, P2, P3]
    assert dialog.next_hop == "sip:p1.example.com;lr"


def test_strict_router_gets_itself_in_the_request_line_and_the_remote_target_last():
    """The example of RFC 3261 12.2.1.1."""
    dialog = called("<sip:proxy1>, <sip:proxy2>, <sip:proxy3;lr>, <sip:proxy4>", contact="<sip:user@remoteua>")
    bye = dialog.request("BYE")
    assert bye.target == dialog.next_hop == "sip:proxy1"
    assert routes_of(bye) == ["<sip:proxy2>", "<sip:proxy3;lr>", "<sip:proxy4>", "<sip:user@remoteua>"]


def test_single_strict_router_leaves_the_remote_target_as_only_route():
    bye = called("<sip:proxy1;method=BYE?Subject=x>").request("BYE")
    assert bye.target == "sip:proxy1"  # without what may not stand in a Request-URI (RFC 3261 19.1.1)
    assert routes_of(bye) == ["<sip:peer@192.0.2.9:5070>"]


def test_contact_loses_what_may_not_stand_in_a_request_line():
    """RFC 3261 19.1.1: no headers, no method."""
    dialog = called(contact="<sip:peer@192.0.2.9;transport=udp;method=INVITE;x=1?Route=%3Csip:evil%3E>")
    assert dialog.remote_target == "sip:peer@192.0.2.9;transport=udp;x=1"
    assert called(contact="<tel:+123;method=x>").remote_target == "tel:+123;method=x"


# Requests in the dialog (RFC 3261 12.2)


def test_requests_are_numbered_from_the_invite_on():
    dialog = calling()
    assert [dialog.request(method).first("cseq") for method in ("INVITE", "BYE")] == ["8 INVITE", "9 BYE"]
    assert called(cseq=314).request("BYE").first("cseq") == "1 BYE"


def test_request_has_all_that_a_request_must_have():
    """RFC 3261 8.1.1, apart from Via, which the transaction layer adds."""
    made = calling().request("INVITE", (("subject", "Subject", "hold"),), SDP)
    made.fields.insert(0, ("via", "Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"))
    again = received(made)
    assert (again.method, again.target, again.call_id) == ("INVITE", "sip:peer@192.0.2.9:5070", "call")
    assert (again.from_tag, again.to_tag) == ("ours", "theirs")
    assert again.max_forwards == 70
    assert again.first("subject") == "hold"
    assert again.first("content-type") == "application/sdp"
    assert again.body == SDP


def test_ack_has_the_number_of_its_invite_the_route_set_and_a_branch_of_its_own():
    """RFC 3261 13.2.2.4."""
    dialog = calling(P1)
    dialog.request("INVITE")
    ack = received(dialog.ack(7, "z9hG4bKnew", SDP))
    assert ack.first("cseq") == "7 ACK"
    assert ack.via.branch == "z9hG4bKnew"
    assert routes_of(ack) == [P1]
    assert ack.body == SDP
    assert dialog.local_cseq == 8


def test_number_that_is_not_higher_is_refused():
    """RFC 3261 12.2.2."""
    dialog = called(cseq=314)
    for low in (313, 314):
        with pytest.raises(Malformed) as caught:
            dialog.judge(request("BYE", cseq=low))
        assert caught.value.status == 500
    dialog.judge(request("BYE", cseq=400))
    assert dialog.remote_cseq == 400


def test_first_number_of_the_peer_may_be_any():
    dialog = calling()
    dialog.judge(request("BYE", cseq=0))
    assert dialog.remote_cseq == 0


def test_target_refresh_moves_the_remote_target_and_not_the_route_set():
    """RFC 3261 12.2: the route set never changes within a dialog."""
    dialog = called(P1)
    dialog.refresh(request(cseq=2, contact="<sip:peer@192.0.2.77>", more=recorded(P2)))
    assert dialog.remote_target == "sip:peer@192.0.2.77"
    assert dialog.routes == (P1,)
    dialog.refresh(request(cseq=3, contact=""))
    assert dialog.remote_target == "sip:peer@192.0.2.77"


# Anything

ADDRESSES = st.one_of(
    st.sampled_from(["", "*", "<sip:", "nonsense", '"', "<>", "sip:peer@192.0.2.77;x=y", "<tel:+1>"]),
    uris().map("<{}>".format),
)
INPUTS = st.one_of(
    st.tuples(st.just("judge"), st.integers(0, 2**31 - 1)),
    st.tuples(st.just("refresh"), ADDRESSES),
    st.tuples(st.sampled_from(["INVITE", "BYE", "ACK"]), st.sampled_from([b"", SDP])),
)


@given(st.sampled_from([called, calling]), st.lists(ADDRESSES, max_size=3), st.lists(INPUTS, max_size=15))
def test_any_input_in_any_state(make, routes, inputs):
    """The numbers rise, the route set and the ID stay, and all that is made can be read."""
    try:
        dialog = make(*routes)
    except Malformed as fault:
        assert fault.status == 400
        return
    key, ours, theirs = dialog.key, dialog.local_cseq, dialog.remote_cseq
    route_set = dialog.routes
    for step, detail in inputs:
        if step == "judge":
            try:
                dialog.judge(request("BYE", cseq=detail))
                assert detail > theirs
                theirs = detail
            except Malformed as fault:
                assert (fault.status, detail <= theirs) == (500, True)
        elif step == "refresh":
            before = dialog.remote_target
            try:
                dialog.refresh(request(contact=detail))
            except Malformed as fault:
                assert (fault.status, dialog.remote_target) == (400, before)
        else:
            made = dialog.request(step, (), detail) if step != "ACK" else dialog.ack(ours, "z9hG4bKa", detail)
            if step != "ACK":
                ours += 1
                made.fields.insert(0, ("via", "Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"))
            again = received(made)
            assert (again.call_id, again.from_tag, again.to_tag, again.cseq) == (*key, ours)
            assert again.body == detail
        assert (dialog.key, dialog.local_cseq, dialog.remote_cseq, dialog.routes) == (key, ours, theirs, route_set)
        assert dialog.next_hop


@given(messages())
def test_any_message_makes_a_dialog_or_is_refused(message):
    try:
        message.identify()
        if isinstance(message, Request):
            dialog = Dialog.as_uas(message, "ours", Wire(VirtualClock()))
        else:
            dialog = Dialog.as_uac(OURS, TARGET, message, Wire(VirtualClock()))
    except Malformed as fault:
        assert fault.status == 400
    else:
        dialog.local_cseq = 1  # a response has the number that we gave
        bye = dialog.request("BYE")
        bye.fields.insert(0, ("via", "Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"))
        assert received(bye).call_id == dialog.call_id == message.call_id


def test_body_without_a_type_describes_no_session():
    message = request(sdp=SDP)
    message.fields = [field for field in message.fields if field[0] != "content-type"]
    assert sdp_of(received(message)) == b""
