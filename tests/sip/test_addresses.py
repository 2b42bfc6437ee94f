"""pbx.sip.addresses: which of our addresses a peer is told."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from pbx.sip.addresses import Addresses, bracketed, is_local, source_to
from tests.sip.datagrams import Layer, simulated

# Which address a peer is told


@pytest.mark.parametrize(
    ("advertise", "peer", "shown"),
    [
        ("", "198.51.100.9", "192.0.2.1"),
        ("pbx.example.com", "198.51.100.9", "pbx.example.com"),
        ("203.0.113.1", "198.51.100.9", "203.0.113.1"),
        ("203.0.113.1", "10.1.1.1", "192.0.2.1"),
        ("2001:db8::1", "198.51.100.9", "[2001:db8::1]"),
        ("203.0.113.1", "fe80::9%eth0", "192.0.2.1"),
    ],
)
def test_peers_outside_the_local_networks_are_told_the_advertised_host(advertise, peer, shown):
    addresses = Addresses([ip_network("10.0.0.0/8"), ip_network("fe80::/10")], advertise)
    _, transport = simulated(Layer(), addresses=addresses)
    flow = transport.flow((peer, 5060))
    assert flow.host == shown
    assert flow.source == "192.0.2.1"


@pytest.mark.parametrize(
    ("address", "source"),
    [
        (("127.0.0.9", 5060), "127.0.0.1"),
        (("255.255.255.255", 5060), "0.0.0.0"),
        (("fe80::1", 5060, 0, 0), "::"),  # on which link?
    ],
)
def test_source_is_what_leads_there_and_any_where_nothing_does(address, source):
    assert source_to(address, ":" in address[0]) == source


def test_local_is_what_a_socket_can_be_bound_to():
    assert [is_local(host) for host in ("127.0.0.1", "192.0.2.1", "example.com", "")] == [True, False, False, False]


def test_brackets_are_for_ipv6_and_put_once():
    assert [bracketed(host) for host in ("192.0.2.1", "example.com", "::1", "[::1]")] == [
        "192.0.2.1",
        "example.com",
        "[::1]",
        "[::1]",
    ]
