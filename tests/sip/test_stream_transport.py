"""pbx.sip.stream_transport and pbx.sip.connection: flows over connections, in virtual time."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.sip.addresses import Addresses
from pbx.sip.connection import CONNECTING, IDLE, LINGER, PATIENCE, UNSENT, Connection
from pbx.sip.flow import contact_of
from pbx.sip.message import Request, Response
from pbx.sip.occupancy import Occupancy
from pbx.sip.parser import parse
from pbx.sip.stream_transport import UNREACHABLE, StreamTransport
from pbx.testing.clock import VirtualClock
from pbx.testing.streams import GIVEN_UP, SimulatedStreams
from tests.sip.datagrams import Layer
from tests.sip.reactor import Peer

OURS = ("192.0.2.1", 5060)
THEIRS = ("192.0.2.9", 5060)
DELAY = 1 / 128


def message(
    start: str = "OPTIONS sip:1001@192.0.2.1 SIP/2.0",
    via: str = "SIP/2.0/TCP 192.0.2.9;branch=z9hG4bK1",
    length: str = "Content-Length: 0\r\n",
) -> bytes:
    """A message with the fields that it must have."""
    fields = "From: <sip:a@192.0.2.9>;tag=1\r\nTo: <sip:b@192.0.2.1>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n"
    return f"{start}\r\nVia: {via}\r\n{fields}{length}\r\n".encode()


OPTIONS = message()
OK = message("SIP/2.0 200 OK", via="SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1")


class Site:
    """A transport of ours on a simulated network, and peers."""

    def __init__(self, name: str = "TCP", security=None, **limits: int) -> None:
        self.clock = VirtualClock()
        self.carried: list[bytes] = []
        self.fates: list[str] = []
        self.streams = SimulatedStreams(self.clock, DELAY, self._carry)
        self.ear = Layer()
        self.counts = self.ear.counts
        dialer = self.streams.dialer(OURS[0])
        occupancy = Occupancy(**({"in_all": 5000, "per_address": 500} | limits))
        self.transport = StreamTransport(
            name, OURS, self.ear, Addresses(), self.counts, self.clock, dialer, occupancy, security
        )
        self.streams.listen(OURS, self.transport.accept)
        self.called: list[Peer] = []

    def _carry(self, source, target, packet) -> str:
        self.carried.append(packet)
        return self.fates.pop(0) if self.fates else "delivered"

    def peer(self, *packets: bytes, host: str = "192.0.2.9") -> Peer:
        """A peer that connects, and what it sends, one piece after the other."""
        peer = Peer()
        self.streams.dial(host, peer, OURS)
        self.advance(0.25)
        for packet in packets:
            peer.transport.write(packet)
            self.advance(0.25)
        return peer

    def listens(self, address=THEIRS) -> None:
        """A peer that takes connections."""

        def accept(source, target) -> Peer:
            self.called.append(Peer())
            return self.called[-1]

        self.streams.listen(address, accept)

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def assert_idle(self) -> None:
        self.advance(0.25)
        self.transport.stop()
        self.advance(GIVEN_UP)
        assert not self.transport.connections
        assert self.clock.pending == []
        assert self.streams.open == 0


@pytest.fixture
def site() -> Site:
    return Site()


# What comes in --------------------------------------------------------------------


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


# Silence, slowness, floods -----------------------------------------------------------


def test_silent_peer_is_dropped(site):
    peer = site.peer()
    site.advance(PATIENCE - 0.5)
    assert peer.lost is None
    site.advance(0.5)
    assert peer.lost is not None
    assert site.counts == {"slow connections": 1}
    site.assert_idle()


def test_keep_alives_without_a_message_do_not_help(site):
    peer = site.peer()
    while peer.lost is None:
        peer.transport.write(b"\r\n\r\n")
        site.advance(1)
        assert site.clock.seconds() < VirtualClock().seconds() + PATIENCE + 2


def test_peer_that_sends_a_byte_now_and_then_is_dropped(site):
    peer = site.peer(OPTIONS)
    started = site.clock.seconds()
    for place in range(100):
        peer.transport.write(OPTIONS[place : place + 1])
        site.advance(0.5)
        if peer.lost is not None:
            break
    assert site.clock.seconds() - started == pytest.approx(PATIENCE, abs=1)
    assert site.counts["slow connections"] == 1
    assert len(site.ear.received) == 1


def test_each_message_has_its_own_time(site):
    peer = site.peer(OPTIONS[:50])
    for _ in range(5):
        site.advance(PATIENCE - 2)
        peer.transport.write(OPTIONS[50:] + OPTIONS[:50])
        site.advance(0.25)
    assert peer.lost is None
    assert len(site.ear.received) == 5


def test_idle_connection_is_closed(site):
    peer = site.peer(OPTIONS)
    site.advance(IDLE - 2)
    peer.transport.write(b"\r\n\r\n")
    site.advance(IDLE - 2)
    assert peer.lost is None
    site.advance(4)
    assert peer.lost is not None
    assert site.counts["idle connections"] == 1
    assert site.ear.failed == []
    site.assert_idle()


def test_connection_that_somebody_has_registered_over_may_be_silent(site):
    peer = site.peer(OPTIONS)
    site.ear.flow.keep_until(site.clock.seconds() + 7200)
    site.ear.flow.keep_until(site.clock.seconds() + 60)
    site.advance(7190)
    assert peer.lost is None
    site.advance(20)
    assert peer.lost is not None


def test_there_is_a_limit_in_all(site):
    site = Site(in_all=2)
    peers = [site.peer(OPTIONS, host=f"192.0.2.{number}") for number in (9, 10)]
    third = Peer()
    site.streams.dial("192.0.2.11", third, OURS)
    site.advance(1)
    assert third.lost is not None
    assert site.counts == {"refused connections": 1}
    peers[0].transport.loseConnection()
    site.advance(1)
    assert site.peer(OPTIONS, host="192.0.2.11").lost is None


def test_there_is_a_limit_for_each_address():
    site = Site(per_address=1)
    first = site.peer(OPTIONS)
    second = Peer()
    site.streams.dial("192.0.2.9", second, OURS)
    assert site.peer(OPTIONS, host="192.0.2.10").lost is None
    assert second.lost is not None
    first.transport.abortConnection()
    site.advance(1)
    assert site.peer(OPTIONS).lost is None


def test_connections_of_our_own_do_not_count():
    site = Site(in_all=1)
    site.listens()
    site.transport.flow(*THEIRS).send(OPTIONS)
    site.advance(1)
    assert site.peer(OPTIONS).lost is None
    site.called[0].transport.abortConnection()
    site.advance(1)
    assert not site.transport._occupancy.enter("192.0.2.77")


def test_peer_that_does_not_close_its_side_is_dropped(site):
    peer = site.peer(OPTIONS)
    (connection,) = site.transport.connections

    class Deaf:
        """A connection whose peer never answers a close."""

        aborted = False

        def loseConnection(self) -> None: ...

        def abortConnection(self) -> None:
            self.aborted = True
            peer.transport.abortConnection()

    deaf = connection._socket = Deaf()
    connection.close()
    peer.transport.write(OPTIONS)
    site.advance(LINGER - 0.5)
    assert not deaf.aborted
    assert len(site.ear.received) == 1  # what comes while it is being closed, is not read any more
    site.advance(0.5)
    assert deaf.aborted
    site.advance(1)
    assert not site.transport.connections


# What goes out --------------------------------------------------------------------------


def test_flow_connects_when_something_is_to_be_sent(site):
    site.listens()
    flow = site.transport.flow(*THEIRS)
    site.advance(1)
    assert site.called == []
    assert not flow.is_open
    flow.send(OPTIONS)
    flow.send(OPTIONS)
    site.advance(1)
    (peer,) = site.called
    assert peer.received == OPTIONS * 2
    assert flow.is_open
    flow.send(OK)
    site.advance(1)
    assert peer.received == OPTIONS * 2 + OK
    peer.transport.write(OK)
    site.advance(1)
    assert site.ear.flow is flow
    assert site.transport.flow(*THEIRS) is flow
    site.assert_idle()


def test_flow_that_is_not_needed_any_more_is_forgotten(site):
    site.transport.flow(*THEIRS)
    assert len(site.transport._flows) == 0


def test_peer_that_refuses_the_connection_is_told_of_later(site):
    flow = site.transport.flow(*THEIRS)
    assert site.transport.may_reach(*THEIRS)
    flow.send(OPTIONS)
    assert site.ear.failed == []
    site.advance(1)
    assert site.ear.failed == [(flow, False)]
    assert not site.transport.may_reach(*THEIRS)
    site.advance(UNREACHABLE)
    assert site.transport.may_reach(*THEIRS)
    site.assert_idle()


def test_peer_that_is_reached_is_no_longer_unreachable(site):
    flow = site.transport.flow(*THEIRS)
    flow.send(OPTIONS)
    site.advance(1)
    site.listens()
    flow.send(OPTIONS)
    site.advance(1)
    assert site.transport.may_reach(*THEIRS)
    assert site.called[0].received == OPTIONS


def test_unreachable_peers_are_forgotten_before_they_fill_the_memory(site):
    for number in range(1100):
        site.transport.flow("192.0.2.9", number + 1).send(OPTIONS)
    site.advance(1)
    assert 0 < len(site.transport._unreachable) <= 1000


def test_peer_that_does_not_answer_is_given_up(site):
    site.streams.unplug("192.0.2.9")
    flow = site.transport.flow(*THEIRS)
    flow.send(OPTIONS)
    site.advance(CONNECTING - 0.5)
    assert site.ear.failed == []
    site.advance(1)
    assert site.ear.failed == [(flow, False)]
    site.assert_idle()


def test_what_waits_for_a_connection_is_bounded(site):
    site.listens()
    flow = site.transport.flow(*THEIRS)
    packet = b"x" * 20_000
    for _ in range(10):
        flow.send(packet)
    assert site.counts == {"send errors": 10 - UNSENT // 20_000}
    site.advance(1)
    assert len(site.called[0].received) == 60_000


def test_nobody_is_told_that_a_connection_is_gone_over_which_nothing_was_asked(site):
    peer = site.peer(OPTIONS)
    site.ear.answer()
    peer.transport.abortConnection()
    site.advance(1)
    assert site.ear.failed == []
    assert not site.transport.connections


@pytest.mark.parametrize("fate", ["reset", "torn"])
def test_reset_after_a_request_is_told_and_the_next_one_connects_again(site, fate):
    site.listens()
    flow = site.transport.flow(*THEIRS)
    site.fates = [fate]
    flow.send(OPTIONS)
    site.advance(1)
    assert site.ear.failed == [(flow, True)]
    flow.send(OPTIONS)
    site.advance(1)
    assert site.called[1].received == OPTIONS
    assert site.transport.flow(*THEIRS) is flow
    site.assert_idle()
    assert site.ear.failed == [(flow, True)] * 2


def test_response_goes_over_a_new_connection_to_the_via_when_its_own_is_gone(site):
    """RFC 3261 18.2.2: to the address it came from, at the port of the Via."""
    site.listens(("192.0.2.9", 5070))
    peer = site.peer(message(via="SIP/2.0/TCP 10.1.1.1:5070;branch=z9hG4bK1"))
    peer.transport.abortConnection()
    site.advance(1)
    assert not site.ear.flow.is_open
    site.ear.answer()
    site.advance(1)
    assert parse(site.called[0].received).status == 200
    assert site.ear.flow.is_open
    site.called[0].transport.write(OPTIONS)
    site.advance(1)
    assert site.ear.received[1][0] is site.ear.received[0][0]
    site.assert_idle()


@pytest.mark.parametrize(("name", "port"), [("TCP", 5060), ("TLS", 5061)])
def test_port_of_a_via_without_any_is_that_of_the_transport(name, port):
    site = Site(name)
    site.listens(("192.0.2.9", port))
    site.peer(OPTIONS).transport.abortConnection()
    site.advance(1)
    site.ear.answer()
    site.advance(1)
    assert site.called[0].received
    assert site.ear.flow.domain == "192.0.2.9"


def test_response_that_cannot_be_delivered_is_lost_and_nobody_is_told(site):
    site.peer(OPTIONS).transport.abortConnection()
    site.advance(1)
    site.ear.answer()
    site.advance(8)
    assert site.ear.failed == []
    assert site.transport.may_reach(*THEIRS)
    site.assert_idle()


def test_flow_without_any_request_leads_nowhere_once_it_is_gone(site):
    peer = site.peer(OK)
    peer.transport.abortConnection()
    site.advance(1)
    site.ear.flow.send(OPTIONS)
    assert site.counts == {"send errors": 1}
    site.assert_idle()


def test_what_cannot_be_sent_follows_the_peer_to_its_next_connection(site):
    site.peer(OPTIONS).transport.abortConnection()
    second = site.peer(OPTIONS)
    first, successor = [flow for flow, _ in site.ear.received]
    first.succeeded_by(first)
    first.succeeded_by(successor)
    first.send(OPTIONS)
    site.advance(1)
    assert second.received == OPTIONS


def test_connection_that_its_peer_has_left_is_closed_and_what_comes_later_goes_to_the_next_one(site):
    left = site.peer(OPTIONS)
    second = site.peer(OPTIONS)
    first, successor = [flow for flow, _ in site.ear.received]
    first.keep_until(site.clock.seconds() + 3600)
    first.succeeded_by(successor)
    first.send(OPTIONS)
    first.close()
    first.close()
    site.advance(3)
    assert left.received == OPTIONS and not first.is_open
    first.send(OPTIONS)
    site.advance(1)
    assert second.received == OPTIONS and successor.is_open
    successor.close()
    site.advance(3)
    site.assert_idle()


def test_flow_that_is_registered_over_again_is_its_own_successor(site):
    site.peer(OPTIONS).transport.abortConnection()
    site.peer(OPTIONS).transport.abortConnection()
    site.advance(1)
    first, second = [flow for flow, _ in site.ear.received]
    first.succeeded_by(second)
    second.keep_until(0)
    second.succeeded_by(first)
    first.keep_until(0)
    site.listens()
    second.send(OPTIONS)  # and does not go round in circles
    site.advance(1)
    assert len(site.called) == 1
    assert site.called[0].received == OPTIONS


def test_closing_waits_for_what_was_sent(site):
    site.listens()
    flow = site.transport.flow(*THEIRS)
    flow.send(OPTIONS)
    site.advance(1)
    flow.send(OPTIONS)
    site.transport.stop()
    flow.send(OPTIONS)  # over a new connection
    site.advance(1)
    assert [peer.received for peer in site.called] == [OPTIONS * 2, OPTIONS]
    assert site.ear.failed == []  # the flow has another connection
    site.assert_idle()


def test_connection_that_is_not_there_yet_is_given_up_at_once(site):
    site.listens()
    site.transport.flow(*THEIRS).send(OPTIONS)
    site.transport.stop()
    site.advance(1)
    assert site.called == []
    site.assert_idle()


def test_connection_that_could_not_even_be_tried_is_only_waited_for(site):
    """The dialer has nothing that could be given up; it tells that it failed when it can."""
    told = []
    site.transport._dialer.dial = lambda connection, *_: told.append(connection)
    site.transport.flow(*THEIRS).send(OPTIONS)
    site.transport.stop()
    assert len(site.transport.connections) == 1
    told[0].connectionLost(None)
    site.assert_idle()


# Connection reuse (RFC 5923) ---------------------------------------------------------------


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


class Guard:
    """TLS that a test decides about (`pbx.sip.connection.Security`).

    :ivar names: whose certificates peers have shown.
    """

    def __init__(self, *names: str) -> None:
        self.names = names
        self.connections: list[Connection] = []

    def users(self, socket):
        return frozenset()

    def server(self, connection):
        self.connections.append(connection)
        return connection

    client = server

    def trusts(self, socket, domain):
        return domain in self.names

    proves = trusts


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


# With TLS between ---------------------------------------------------------------------------


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


# Anything ------------------------------------------------------------------------------------


@given(st.integers(0, 2**32))
def test_whatever_happens_nothing_raises_and_nothing_is_left(seed):
    source = random.Random(seed)
    site = Site(in_all=4)
    site.listens()
    peers: list[Peer] = []
    for _ in range(30):
        step = source.choice(["connect", "message", "half", "garbage", "drop", "close", "send", "answer", "time"])
        open_ones = [peer for peer in [*peers, *site.called] if peer.transport and not peer.lost]
        peer = source.choice(open_ones) if open_ones else None
        site.fates = source.choices(["delivered", "reset", "torn"], [8, 1, 1], k=3)
        if step == "connect":
            peers.append(Peer())
            site.streams.dial("192.0.2.9", peers[-1], OURS)
        elif step == "send":
            site.transport.flow(*THEIRS).send(OPTIONS)
        elif step == "answer" and site.ear.received and isinstance(site.ear.received[-1][1], Request):
            site.ear.answer()
        elif step == "time":
            site.advance(source.choice([0.5, 3.0, 12.0, 1000.0]))
        elif peer is not None and step in ("drop", "close"):
            peer.transport.abortConnection() if step == "drop" else peer.transport.loseConnection()
        elif peer is not None:
            packets = {"message": OPTIONS, "half": OPTIONS[:60], "garbage": b"\xff\r\n\r\n"}
            peer.transport.write(packets.get(step, OK))
        site.advance(source.choice([0.0, DELAY, 0.25]))
    site.assert_idle()
    assert site.counts["failures"] == 0
    assert site.transport._occupancy._by_address == Counter()
