"""pbx.sip.transports: which way leads to a URI or an address."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pbx.sip.transports import Transports
from pbx.sip.uri import parse_uri
from tests.sip.datagrams import Layer, Loopback, packet, simulated


@pytest.fixture
def layer() -> Layer:
    return Layer()


# Finding a flow


def several(layer: Layer, *hosts: str) -> Transports:
    transports = Transports()
    for host in hosts:
        address, _, port = host.rpartition(":")
        transports.all.append(simulated(layer, address.strip("[]"), int(port))[1])
    return transports


@pytest.mark.parametrize(
    ("uri", "remote"),
    [
        ("sip:a@192.0.2.9", ("192.0.2.9", 5060)),
        ("sip:192.0.2.9:5070", ("192.0.2.9", 5070)),
        ("sip:a@192.0.2.9;transport=UDP", ("192.0.2.9", 5060)),
        ("sip:a@example.com;maddr=192.0.2.7", ("192.0.2.7", 5060)),
        ("sip:a@[2001:DB8::9]:5070", ("2001:db8::9", 5070)),
        ("sip:a@example.com", None),
        ("sip:a@192.0.2.9;transport=tcp", None),
        ("sips:a@192.0.2.9", None),
        ("tel:+123", None),
        ("sip:a@1.2.3", None),
    ],
)
def test_uri_leads_to_a_flow_or_to_none(layer, uri, remote):
    """RFC 3261 18.1.1; names are not resolved yet."""
    flow = several(layer, "192.0.2.1:5060", "[2001:db8::1]:5060").flow_to(parse_uri(uri))
    assert (flow and flow.remote) == remote


def test_without_a_transport_of_the_family_there_is_no_way(layer):
    transports = several(layer, "192.0.2.1:5060")
    assert transports.flow_to(parse_uri("sip:a@[2001:db8::9]")) is None
    assert Transports().flow_between("192.0.2.1", 5060, "192.0.2.9", 5060) is None


def test_flow_leaves_from_the_listener_that_was_asked_for(layer):
    transports = several(layer, "192.0.2.1:5060", "192.0.2.1:5070", "192.0.2.3:5060")
    flow = transports.flow_between("192.0.2.1", 5070, "192.0.2.9", 5062)
    assert (flow.source, flow.port, flow.remote) == ("192.0.2.1", 5070, ("192.0.2.9", 5062))
    assert transports.flow_between("192.0.2.3", 5060, "192.0.2.9", 5062).source == "192.0.2.3"


def test_flow_leaves_from_another_listener_when_that_one_is_gone(layer):
    transports = several(layer, "192.0.2.1:5060", "192.0.2.3:5060")
    flow = transports.flow_between("192.0.2.77", 5060, "192.0.2.9", 5062)
    assert flow.remote == ("192.0.2.9", 5062)


def test_of_two_listeners_the_one_is_taken_that_leads_to_the_peer(layer):
    transports = several(layer, "192.0.2.1:5060", "127.0.0.1:5060")
    assert transports.flow_to(parse_uri("sip:a@127.0.0.9")).source == "127.0.0.1"


@pytest.fixture
def wildcard(layer) -> Iterator[Loopback]:
    one = Loopback(layer, "0.0.0.0")
    yield one
    one.close()


def test_wildcard_listener_stands_for_every_address_of_the_machine(wildcard):
    one = wildcard
    transports = Transports()
    transports.all.append(one.transport)
    peer = one.peer.getsockname()
    flow = transports.flow_between("127.0.0.3", one.transport.port, *peer)
    assert (flow.source, flow.port) == ("127.0.0.3", one.transport.port)
    flow.send(packet(start="SIP/2.0 200 OK"))
    assert one.hears()[1] == "127.0.0.3"
    # An address that is no longer ours, or another port: the address that leads there.
    assert transports.flow_between("203.0.113.77", one.transport.port, *peer).source == "127.0.0.1"
    assert transports.flow_between("127.0.0.3", 1, *peer).source == "127.0.0.1"


@pytest.mark.parametrize(
    ("host", "local"), [("127.0.0.1", True), ("127.5.5.5", True), ("203.0.113.77", False), ("example.com", False)]
)
def test_address_of_this_machine_is_known_to_the_kernel(host, local):
    transports = Transports()
    assert transports.is_local(host) is local
    assert transports.is_local(host) is local
