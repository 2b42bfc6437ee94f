"""pbx.sip.connection: what comes over one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pbx.sip.flow import contact_of
from pbx.sip.message import Request, Response
from pbx.sip.parser import parse
from tests.sip.site import OK, OPTIONS, OURS, Site, message


def test_request_comes_stamped_and_its_response_takes_the_same_connection(site):
    peer = site.peer(message(via="SIP/2.0/TCP 10.1.1.1:5070;rport;branch=z9hG4bK1"))
    ((flow, request),) = site.ear.received
    assert str(request.via) == "SIP/2.0/TCP 10.1.1.1:5070;rport=50001;branch=z9hG4bK1;received=192.0.2.9"
    assert (flow.transport, flow.reliable, flow.host, flow.port, flow.source) == ("TCP", True, *OURS, OURS[0])
    assert flow.remote == ("192.0.2.9", 50001)
    assert flow.is_open
    assert flow.wider() is None
    assert repr(flow) == "<TCP 192.0.2.1:5060 to 192.0.2.9:50001>"
    site.ear.answer()
    site.advance(0.25)
    assert parse(peer.received).status == 200
    site.assert_idle()


def test_contact_names_the_transport(site):
    site.peer(OPTIONS)
    assert contact_of(site.ear.flow) == "<sip:192.0.2.1:5060;transport=tcp>"


def test_response_comes_as_it_is(site):
    site.peer(OK)
    ((_, response),) = site.ear.received
    assert isinstance(response, Response)
    assert site.ear.flow.sent_by is None
    assert str(response.via) == "SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1"


@given(st.lists(st.integers(1, 200), max_size=8), st.integers(1, 4))
def test_messages_come_however_the_network_cuts_them(cuts, times):
    site = Site()
    stream, pieces = OPTIONS * times, []
    for cut in cuts:
        pieces.append(stream[:cut])
        stream = stream[cut:]
    site.peer(*[piece for piece in [*pieces, stream] if piece])
    assert [type(one) for _, one in site.ear.received] == [Request] * times


def test_one_connection_has_one_flow(site):
    site.peer(OPTIONS, OPTIONS)
    site.peer(OPTIONS)
    first, second, third = [flow for flow, _ in site.ear.received]
    assert first is second is not third


def test_double_crlf_is_answered_with_crlf_and_a_single_one_is_not(site):
    """RFC 5626 4.4.1."""
    peer = site.peer(OPTIONS, b"\r\n\r\n")
    assert peer.received == b"\r\n"
    peer.transport.write(b"\r\n")
    peer.transport.write(OPTIONS + b"\r\n\r\n" * 3)
    site.advance(0.25)
    assert peer.received == b"\r\n" * 4
    assert site.counts["keep-alives"] == 4
    assert len(site.carried) == 6  # what answers several goes out at once


def test_malformed_request_is_refused_and_the_connection_goes_on(site):
    bad = message(length="Content-Length: 0\r\nFrom: <sip:twice@x>;tag=2\r\n", via="SIP/2.0/TCP 10.1.1.1;rport")
    site.peer(bad + OPTIONS)
    ((flow, request, fault),) = site.ear.refused
    assert fault.status == 400
    assert request.via.parameters["received"] == "192.0.2.9"
    assert site.ear.flow is flow
    assert flow.is_open


def test_malformed_response_is_counted_and_the_connection_goes_on(site):
    site.peer(message("SIP/2.0 200 OK", via="nonsense") + OPTIONS)
    assert site.counts["malformed messages"] == 1
    assert len(site.ear.received) == 1


def test_message_without_content_length_is_answered_400_and_the_connection_is_closed(site):
    site.ear.refuse = lambda flow, request, fault: flow.send(bytes(request.response(fault.status, fault.why)))
    peer = site.peer(OPTIONS + message(length="") + OPTIONS)
    assert len(site.ear.received) == 1
    assert parse(peer.received).start_line() == "SIP/2.0 400 missing Content-Length"
    assert peer.lost is not None
    site.assert_idle()


def test_failure_while_a_message_is_dealt_with_costs_only_that_message(site, logged_errors):
    def fails_once(flow, message):
        del site.ear.message_received
        raise ValueError("a bug")

    site.ear.message_received = fails_once
    site.peer(OPTIONS + OPTIONS)
    assert len(site.ear.received) == 1
    assert site.counts["failures"] == 1
    assert len(logged_errors()) == 1
