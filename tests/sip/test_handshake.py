"""What waits for the handshake of TLS, and for the server that was meant (`pbx.sip.connection.Security`)."""

from __future__ import annotations

import pytest

from pbx.sip.connection import PATIENCE
from pbx.sip.flow import contact_of
from tests.sip.site import OPTIONS, THEIRS, Guard, Site


def test_nothing_is_sent_before_the_handshake_is_over():
    guard = Guard("example.com")
    site = Site("TLS", guard)
    site.listens(("192.0.2.9", 5061))
    flow = site.transport.flow("192.0.2.9", 5061, "example.com")
    flow.send(OPTIONS)
    site.advance(1)
    assert site.called[0].received == b""
    assert not flow.is_open
    guard.connections[0].handshakeCompleted()
    site.advance(1)
    assert site.called[0].received == OPTIONS
    assert flow.is_open
    assert contact_of(flow) == "<sip:192.0.2.1:5060;transport=tls>"


def test_server_that_is_not_the_one_we_meant_gets_nothing():
    guard = Guard("example.com")
    site = Site("TLS", guard)
    site.listens(("192.0.2.9", 5061))
    flow = site.transport.flow("192.0.2.9", 5061, "bank.example.com")
    flow.send(OPTIONS)
    site.advance(1)
    guard.connections[0].handshakeCompleted()
    site.advance(1)
    assert site.called[0].received == b""
    assert site.called[0].lost is not None
    assert site.ear.failed == [(flow, False)]
    assert site.counts == {"untrusted servers": 1}


def test_one_domain_is_not_reached_over_the_connection_of_another():
    site = Site("TLS", Guard())
    first = site.transport.flow("192.0.2.9", 5061, "one.example.com")
    assert site.transport.flow("192.0.2.9", 5061, "two.example.com") is not first
    assert site.transport.flow("192.0.2.9", 5061, "one.example.com") is first
    plain = Site().transport
    first = plain.flow("192.0.2.9", 5060, "one.example.com")
    assert plain.flow("192.0.2.9", 5060, "two.example.com") is first


@pytest.mark.parametrize("inbound", [True, False])
def test_handshake_that_does_not_end_is_given_up(inbound):
    site = Site("TLS", Guard("x"))
    site.listens()
    if inbound:
        peer = site.peer()
    else:
        site.transport.flow(*THEIRS, "x").send(OPTIONS)
        site.advance(0.25)
        (peer,) = site.called
    site.advance(PATIENCE + 1)
    assert peer.lost is not None
    assert site.counts == {"slow connections": 1}
    site.assert_idle()
