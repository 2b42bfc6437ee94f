"""pbx.sip.transports: which way leads to a URI or an address."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pbx.sip.addresses import Addresses
from pbx.sip.headers import parse_via
from pbx.sip.hops import Hop
from pbx.sip.occupancy import CONNECTIONS, Occupancy
from pbx.sip.stream_transport import StreamTransport
from pbx.sip.transports import Transports
from pbx.sip.uri import parse_uri
from pbx.testing.clock import VirtualClock
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


# Over connections


class Nowhere:
    """Connections that are never made (`pbx.sip.stream_transport.Dialer`)."""

    def dial(self, connection, address, source, wrap) -> None:
        """Nothing comes of it."""


def with_streams(layer: Layer, *listeners: str) -> Transports:
    """Transports that listen at these places, written as in the configuration."""
    transports, clock = Transports(), VirtualClock()
    for listener in listeners:
        name, _, place = listener.partition(":")
        host, _, port = place.rpartition(":")
        if name == "udp":
            transports.all.append(simulated(layer, host.strip("[]"), int(port))[1])
        else:
            bound = (host.strip("[]"), int(port))
            transports.streams.append(
                StreamTransport(
                    name.upper(), bound, layer, Addresses(), layer.counts, clock, Nowhere(), Occupancy(*CONNECTIONS)
                )
            )
    return transports


ALL = ("udp:192.0.2.1:5060", "tcp:192.0.2.1:5060", "tls:192.0.2.1:5061", "tcp:[2001:db8::1]:5060")


@pytest.mark.parametrize(
    ("uri", "transport", "port", "domain"),
    [
        ("sip:a@192.0.2.9", "UDP", 5060, None),
        ("sip:a@192.0.2.9;transport=Tcp", "TCP", 5060, "192.0.2.9"),
        ("sip:a@192.0.2.9:5070;transport=tcp", "TCP", 5070, "192.0.2.9"),
        ("sip:a@192.0.2.9;transport=tls", "TLS", 5061, "192.0.2.9"),
        ("sips:a@192.0.2.9", "TLS", 5061, "192.0.2.9"),
        ("sips:a@192.0.2.9;transport=tcp", "TLS", 5061, "192.0.2.9"),
        ("sips:a@192.0.2.9:5071;transport=TLS", "TLS", 5071, "192.0.2.9"),
        ("sips:a@example.com;maddr=192.0.2.9", "TLS", 5061, "example.com"),
        ("sip:a@[2001:DB8::9];transport=tcp", "TCP", 5060, "2001:db8::9"),
    ],
)
def test_uri_leads_to_its_transport(layer, uri, transport, port, domain):
    flow = with_streams(layer, *ALL).flow_to(parse_uri(uri))
    assert (flow.transport, flow.remote[1], getattr(flow, "domain", None)) == (transport, port, domain)


@pytest.mark.parametrize(
    "uri",
    [
        "sips:a@192.0.2.9;transport=udp",
        "sips:a@[2001:db8::9]",
        "sip:a@[2001:db8::9]",
        "sip:a@192.0.2.9;transport=ws",
        "sips:a@example.com",
        "mailto:a@192.0.2.9",
    ],
)
def test_what_asks_for_security_is_never_sent_without_it(layer, uri):
    assert with_streams(layer, *ALL).flow_to(parse_uri(uri)) is None


def test_without_udp_the_usual_transport_is_tcp(layer):
    flow = with_streams(layer, "tcp:192.0.2.1:5060").flow_to(parse_uri("sip:a@192.0.2.9"))
    assert flow.transport == "TCP"


def test_located_server_leads_to_its_transport_and_is_known_by_its_name(layer):
    transports = with_streams(layer, *ALL)
    for transport, domain in (("UDP", None), ("TCP", "192.0.2.9"), ("TLS", "example.com")):
        flow = transports.flow_along(Hop(transport, "192.0.2.9", 5070, "example.com"))
        assert (flow.transport, flow.remote, getattr(flow, "domain", None)) == (transport, ("192.0.2.9", 5070), domain)
    assert transports.flow_along(Hop("TLS", "2001:db8::9", 5061, "example.com")) is None


@pytest.mark.parametrize(
    ("listeners", "supported"), [(ALL, ("UDP", "TCP", "TLS")), (ALL[:1], ("UDP",)), (("tls:192.0.2.1:5061",), ("TLS",))]
)
def test_supported_is_what_we_listen_with(layer, listeners, supported):
    assert with_streams(layer, *listeners).supported() == supported


def test_of_two_stream_listeners_the_one_is_taken_that_leads_to_the_peer(layer):
    transports = with_streams(layer, "tcp:192.0.2.1:5060", "tcp:127.0.0.1:5070")
    assert transports.flow_to(parse_uri("sip:a@127.0.0.9;transport=tcp")).port == 5070


def test_alias_is_found_by_name(layer):
    transports = with_streams(layer, *ALL)
    tls = transports.streams[1]
    tls.add_alias(tls.flow("192.0.2.9", 5061), parse_via("SIP/2.0/TLS 192.0.2.9;alias"), None)
    assert transports.flow_to(parse_uri("sips:a@proxy.example.com")) is None
    flow = tls.flow("192.0.2.9", 5061)
    flow.connection = type("Ready", (), {"ready": True})()
    tls._aliases["proxy.example.com", 5061] = flow
    assert transports.flow_to(parse_uri("sips:a@proxy.example.com")) is flow
    assert transports.flow_to(parse_uri("sip:a@proxy.example.com;transport=tcp")) is None


def test_request_may_leave_udp_where_the_peer_may_have_tcp(layer):
    """RFC 3261 18.1.1; a peer that has taken no connection is left alone for a while."""
    transports = with_streams(layer, *ALL)
    wide = transports.flow_to(parse_uri("sip:a@192.0.2.9"))
    stream = wide.wider()
    assert (stream.transport, stream.remote) == ("TCP", ("192.0.2.9", 5060))
    stream.send(b"OPTIONS")
    (connection,) = transports.streams[0].connections
    connection.connectionLost(None)
    assert wide.wider() is None


def test_registered_phone_is_called_as_it_registered(layer):
    transports = with_streams(layer, *ALL)
    assert transports.flow_between("192.0.2.1", 5060, "192.0.2.9", 5060).wider() is None


def test_without_tcp_there_is_nothing_wider(layer):
    transports = with_streams(layer, "udp:192.0.2.1:5060", "tls:192.0.2.1:5061")
    assert transports.flow_to(parse_uri("sip:a@192.0.2.9")).wider() is None


def test_addresses_of_all_listeners_are_ours(layer):
    transports = with_streams(layer, "udp:192.0.2.1:5060", "tcp:[2001:db8::1]:5060")
    assert [transports.is_listened_at(host) for host in ("192.0.2.1", "[2001:db8::1]", "127.0.0.1")] == [
        True,
        True,
        False,
    ]
    assert with_streams(layer, "tcp:0.0.0.0:5060").is_listened_at("127.0.0.1")
    assert not with_streams(layer, "tcp:0.0.0.0:5060").is_listened_at("203.0.113.77")


def test_connections_of_all_transports_are_counted_and_closed(layer):
    transports = with_streams(layer, *ALL)
    for number, stream in enumerate(transports.streams[:2]):
        stream.flow("192.0.2.9", 5060 + number).send(b"OPTIONS")
    assert transports.connections == 2
    transports.stop()
