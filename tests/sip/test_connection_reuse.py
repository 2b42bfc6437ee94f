"""Connections that peers have made are used for what goes to them (RFC 5923)."""

from __future__ import annotations

import pytest

from tests.sip.site import OPTIONS, THEIRS, Guard, Site, message


def test_alias_is_reached_over_the_connection_that_the_peer_has_made(site):
    peer = site.peer(message(via="SIP/2.0/TCP 192.0.2.9:5070;alias;branch=z9hG4bK1") * 2, OPTIONS)
    flow = site.transport.flow("192.0.2.9", 5070)
    assert flow is site.ear.flow
    flow.send(OPTIONS)
    site.advance(1)
    assert peer.received == OPTIONS
    peer.transport.abortConnection()
    site.advance(1)
    assert site.transport.flow("192.0.2.9", 5070) is not flow


@pytest.mark.parametrize("via", ["192.0.2.9:5070", "192.0.2.77:5070;alias", "proxy.example.com:5070;alias"])
def test_address_that_is_not_the_peers_own_is_no_alias(site, via):
    site.peer(message(via=f"SIP/2.0/TCP {via}"))
    for host in ("192.0.2.9", "192.0.2.77", "proxy.example.com"):
        assert site.transport.alias(host, 5070) is None


def test_alias_over_a_connection_of_ours_is_nothing_new(site):
    site.listens()
    flow = site.transport.flow(*THEIRS)
    flow.send(OPTIONS)
    site.advance(1)
    site.called[0].transport.write(message(via="SIP/2.0/TCP 192.0.2.9:5070;alias"))
    site.advance(1)
    assert site.ear.flow is flow
    assert site.transport.alias("192.0.2.9", 5070) is None


def test_name_that_a_certificate_proves_is_an_alias():
    guard = Guard("proxy.example.com")
    site = Site("TLS", guard)
    peer = site.peer()
    guard.connections[0].handshakeCompleted()
    for host in ("Proxy.Example.com", "other.example.com", "192.0.2.9"):
        peer.transport.write(message(via=f"SIP/2.0/TLS {host};alias"))
    site.advance(1)
    assert len(site.ear.received) == 3
    flow = site.transport.flow("203.0.113.5", 5061, "proxy.example.com")
    assert flow is site.ear.flow
    assert site.transport.flow("203.0.113.5", 5061, "other.example.com") is not flow
    assert site.transport.flow("192.0.2.9", 5061) is not flow
