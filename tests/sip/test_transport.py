"""pbx.sip.transport: datagrams to messages and back."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given

from pbx.sip import stun
from pbx.sip import transport as module
from pbx.sip.addresses import Addresses, is_local
from pbx.sip.message import Response
from pbx.sip.parser import Limits, parse
from pbx.sip.trace import Trace
from pbx.sip.transport import UDPTransport
from tests.sip.datagrams import Bound, Layer, Loopback, packet, simulated
from tests.sip.messages import damaged


@pytest.fixture
def layer() -> Layer:
    return Layer()


# Where a request came from, and where its response goes (RFC 3261 18.2.1, 18.2.2, RFC 3581 4)


@pytest.mark.parametrize(
    ("via", "source", "stamped", "target"),
    [
        # The example of RFC 3581 5.
        ("10.1.1.1:4540;rport;branch=z9hG4bKkjshdyff", ("192.0.2.2", 9988), ";rport=9988;received=192.0.2.2", 9988),
        # With rport even where the address is right (RFC 3581 4: MUST).
        ("192.0.2.9:5070;rport", ("192.0.2.9", 5070), ";rport=5070;received=192.0.2.9", 5070),
        ("192.0.2.9;rport=1", ("192.0.2.9", 40000), ";rport=40000;received=192.0.2.9", 40000),
        # Without rport the port is that of sent-by, and the address is where it came from.
        ("192.0.2.9", ("192.0.2.9", 40000), "", 5060),
        ("192.0.2.9:5070", ("192.0.2.9", 40000), "", 5070),
        ("192.0.2.9:5070", ("192.0.2.9", 5070), "", 5070),
        ("10.1.1.1:5070", ("192.0.2.9", 40000), ";received=192.0.2.9", 5070),
        ("phone.example.com", ("192.0.2.9", 40000), ";received=192.0.2.9", 5060),
        # A peer's own words about it are not believed.
        ("10.1.1.1;received=203.0.113.1;rport=7", ("192.0.2.9", 40000), ";received=192.0.2.9;rport=40000", 40000),
        ("10.1.1.1;received=203.0.113.1", ("192.0.2.9", 40000), ";received=192.0.2.9", 5060),
    ],
)
def test_via_is_stamped_and_the_response_goes_back_there(layer, via, source, stamped, target):
    bound, transport = simulated(layer)
    transport.datagram_received(packet(f"SIP/2.0/UDP {via}"), source)
    layer.answer()
    ((answer, address),) = bound.sent
    assert address == (source[0], target)
    before, _, given = via.partition(";")
    lasting = "".join(f";{one}" for one in given.split(";") if one.startswith("branch"))
    told = parse(answer).via
    kept = {name: value for name, value in told.parameters.items() if name != "branch"}
    assert f"{told.host}{f':{told.port}' if told.port else ''}" == before
    assert "".join(f";{name}={value}" for name, value in kept.items()) == stamped
    assert (f";branch={told.branch}" if told.branch else "") == lasting


@pytest.mark.parametrize(
    ("via", "source", "received"),
    [
        ("[2001:db8::9]", ("2001:db8::9", 5060, 0, 0), None),
        ("[2001:db8::9]", ("2001:db8::7", 5060, 0, 0), "2001:db8::7"),
        ("[2001:db8::9];rport", ("2001:db8::9", 7777, 0, 0), "2001:db8::9"),
        ("[fe80::9]", ("fe80::9%eth0", 5060, 0, 2), None),
        ("10.1.1.1", ("fe80::9%eth0", 5060, 0, 2), "fe80::9"),  # a zone means something on this machine only
    ],
)
def test_via_is_stamped_with_ipv6_addresses(layer, via, source, received):
    bound, transport = simulated(layer, "2001:db8::1", 5060, 0, 0)
    transport.datagram_received(packet(f"SIP/2.0/UDP {via}"), source)
    layer.answer()
    ((answer, address),) = bound.sent
    assert parse(answer).via.parameters.get("received") == received
    assert address[1:] == source[1:]
    assert layer.flow.host == "[2001:db8::1]"
    assert layer.flow.source == "2001:db8::1"


@pytest.mark.parametrize("compact", ["Via", "v"])
def test_only_the_topmost_of_several_vias_is_stamped(layer, compact):
    bound, transport = simulated(layer)
    first = "SIP/2.0/UDP 10.1.1.1;rport;branch=z9hG4bK1"
    rest = ['SIP/2.0/UDP p2;x="a,b";branch=z9hG4bK2', "SIP/2.0/TCP p3;rport;branch=z9hG4bK3"]
    message = packet(f"{first} , {rest[0]}", f"V: {rest[1]}").replace(b"Via", compact.encode())
    transport.datagram_received(message, ("192.0.2.9", 40000))
    layer.answer()
    values = [value for key, _, value in parse(bound.sent[0][0]).fields if key == "via"]
    assert values == [f"SIP/2.0/UDP 10.1.1.1;rport=40000;branch=z9hG4bK1;received=192.0.2.9, {rest[0]}", rest[1]]


def test_response_comes_as_it_is_with_the_flow_of_its_sender(layer):
    _, transport = simulated(layer)
    transport.datagram_received(packet(start="SIP/2.0 200 OK"), ("192.0.2.9", 40000))
    flow, message = layer.received[0]
    assert isinstance(message, Response)
    assert str(message.via) == "SIP/2.0/UDP 192.0.2.9;rport;branch=z9hG4bK1"
    assert flow.remote == ("192.0.2.9", 40000)


def test_one_peer_has_one_flow(layer):
    _, transport = simulated(layer)
    for number in range(3):
        transport.datagram_received(packet(), ("192.0.2.9", 40000 + number // 2))
    assert layer.received[0][0] is layer.received[1][0] is not layer.received[2][0]


def test_flows_are_forgotten_before_they_fill_the_memory(layer, monkeypatch):
    monkeypatch.setattr(module, "_FLOWS_KEPT", 10)
    _, transport = simulated(layer)
    for number in range(100):
        transport.datagram_received(packet(), ("192.0.2.9", 40000 + number))
    assert len(transport._flows) <= 10
    assert layer.received[0][0].remote == ("192.0.2.9", 40000)


# What cannot be read


def test_malformed_request_is_refused_with_the_flow_of_its_response(layer):
    _, transport = simulated(layer)
    transport.datagram_received(packet("SIP/2.0/UDP 10.1.1.1;rport", "Content-Length: 5"), ("192.0.2.9", 40000))
    ((flow, request, fault),) = layer.refused
    assert flow.remote == ("192.0.2.9", 40000)
    assert fault.status == 400
    assert str(request.via) == "SIP/2.0/UDP 10.1.1.1;rport=40000;received=192.0.2.9"


def test_limits_are_those_that_are_set(layer):
    transport = UDPTransport(Bound(), layer, Addresses(), layer.counts, Limits(fields=4))
    transport.datagram_received(packet("SIP/2.0/UDP 10.1.1.1;rport"), ("192.0.2.9", 40000))
    ((_, _, fault),) = layer.refused
    assert fault.status == 513


@pytest.mark.parametrize("pulse", [b"", b"\r\n", b"\r\n\r\n", b"\0", b"\0\0\0\0"])
def test_keep_alive_is_counted_and_nothing_else(layer, pulse):
    bound, transport = simulated(layer)
    transport.datagram_received(pulse, ("192.0.2.9", 5060))
    assert layer.counts == {"keep-alives": 1}
    assert not (layer.received or layer.refused or bound.sent)


@pytest.mark.parametrize("address", [("192.0.2.9", 40000), ("192.0.2.9%eth0", 40000)])
def test_stun_request_is_answered_with_where_it_came_from(layer, address):
    """RFC 5626 3.5.2: the keep-alive of phones over UDP."""
    bound, transport = simulated(layer)
    transport.trace = Trace(lambda: 0.0, 1_000_000)
    request = bytes.fromhex("0001 0000 2112a442") + b"twelve bytes"
    transport.datagram_received(request, address)
    assert transport.trace.entries == []  # where thousands of phones keep alive, it would push calls out
    assert bound.sent == [(stun.answer(request, "192.0.2.9", 40000), address)]
    assert layer.counts == {"keep-alives": 1}
    assert not (layer.received or layer.refused)


def test_stun_answer_leaves_from_the_address_that_was_asked(layer, loopback):
    one = loopback("0.0.0.0")
    one.peer.sendto(bytes.fromhex("0001 0000 2112a442") + b"twelve bytes", ("127.0.0.8", one.transport.port))
    one.transport.doRead()
    answer, source = one.peer.recvfrom(100)
    assert source == ("127.0.0.8", one.transport.port)
    assert answer[:2] == b"\x01\x01"


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xff\xfe\x00garbage\r\n\r\n",
        b"OPTIONS sip:x SIP/2.0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"SIP/2.0 200 OK\r\nVia: nonsense\r\n\r\n",
        packet("SIP/2.0/UDP 192.0.2.9", "Content-Length: 5", start="ACK sip:b@192.0.2.1 SIP/2.0"),
        packet("SIP/2.0/UDP 192.0.2.9", "Content-Length: 5", start="SIP/2.0 200 OK"),
        packet("SIP/2.0/UDP :5060"),
        b"\0" * 65507 + b"x",
    ],
)
def test_garbage_is_counted_and_dropped(layer, garbage):
    bound, transport = simulated(layer)
    transport.datagram_received(garbage, ("192.0.2.9", 5060))
    assert layer.counts == {"malformed datagrams": 1}
    assert not (layer.received or layer.refused or bound.sent)


@given(damaged())
def test_whatever_arrives_raises_nothing(bytes_that_arrive):
    layer = Layer()
    _, transport = simulated(layer)
    transport.datagram_received(bytes_that_arrive, ("192.0.2.9", 5060))
    assert len(layer.received) + len(layer.refused) + layer.counts.total() == 1


# Reading the socket


def test_flood_does_not_keep_the_reactor_from_its_timers(layer):
    bound, transport = simulated(layer)
    bound.waiting = [(packet(), ("192.0.2.9", 5060))] * 100
    transport.doRead()
    assert len(layer.received) == 64
    transport.doRead()
    assert len(layer.received) == 100


def test_peer_that_sends_more_than_can_be_dealt_with_has_its_share_and_others_are_served(layer):
    bound, transport = simulated(layer)
    flood, other = ("192.0.2.9", 5060), ("192.0.2.8", 5060)
    bound.waiting = [(packet(), flood)] * 3000 + [(packet(), other)] * 10
    while bound.waiting:
        transport.doRead()
    hosts = [flow.remote[0] for flow, _ in layer.received]
    assert (hosts.count("192.0.2.9"), hosts.count("192.0.2.8")) == (1024, 10)
    assert layer.counts["flooding datagrams"] == 3000 - 1024
    # Once all is read, it begins anew.
    transport.doRead()
    bound.waiting = [(packet(), flood)]
    transport.doRead()
    assert len(layer.received) == 1024 + 10 + 1


def test_forged_addresses_of_a_flood_are_forgotten_before_they_fill_the_memory(layer, monkeypatch):
    monkeypatch.setattr("pbx.sip.transport._FLOWS_KEPT", 100)
    bound, transport = simulated(layer)
    bound.waiting = [(packet(), (f"192.0.2.{number}", 5060)) for number in range(192)]
    while bound.waiting:
        transport.doRead()
    assert len(layer.received) == 192
    assert len(transport._came) <= 100


def test_error_while_reading_is_counted_and_the_next_datagram_is_read(layer):
    bound, transport = simulated(layer)
    bound.waiting = [OSError(errno.ECONNREFUSED, "refused"), (packet(), ("192.0.2.9", 5060))]
    transport.doRead()
    assert layer.counts == {"receive errors": 1}
    assert len(layer.received) == 1


def test_exception_while_reading_is_logged_and_the_next_datagram_is_read(layer, logged_errors):
    """Raised into the reactor it would close the socket: one datagram would end the exchange."""
    bound, transport = simulated(layer)
    bound.waiting = [(packet(), ("192.0.2.9", 5060))] * 2
    messages = iter([ValueError("a bug"), None])

    def fails_once(flow, message):
        if error := next(messages):
            raise error
        layer.received.append((flow, message))

    layer.message_received = fails_once
    transport.doRead()
    assert len(layer.received) == 1
    assert layer.counts == {"failures": 1}
    (event,) = logged_errors()
    assert "a bug" in str(event["log_failure"].value)


# What nobody answers waits for what goes out next

ACK, ANSWER, BYE = b"ACK sip:b SIP/2.0", b"SIP/2.0 200 OK", b"BYE sip:b SIP/2.0"


def says(layer: Layer, *packets: tuple[bytes, str]) -> None:
    """Whatever comes is dealt with by sending this, each a packet and its method."""

    def dealt_with(flow, message) -> None:
        for one, method in packets:
            flow.send(one, method)

    layer.message_received = dealt_with


@pytest.mark.parametrize(
    ("packets", "together"),
    [
        ([(ACK, ""), (ANSWER, ""), (ANSWER, "OPTIONS")], [2, 1]),  # a callee's 2xx goes on to the caller
        ([(ANSWER, "BYE"), (BYE, "BYE")], [2]),  # one party hangs up, and the other hears of it
        ([(ANSWER, "OPTIONS"), (ANSWER, "BYE"), (ACK, "")], [1, 2]),  # nothing follows: when all is read
    ],
)
def test_what_nobody_answers_goes_out_with_what_somebody_does_and_in_its_order(layer, packets, together):
    bound, transport = simulated(layer)
    says(layer, *packets)
    flush, flushed = transport.flush, []

    def flushes() -> None:
        flushed.append(len(transport.waiting))
        flush()

    transport.flush = flushes
    bound.waiting = [(packet(), ("192.0.2.9", 5060))]
    transport.doRead()
    assert [one for one, _ in bound.sent] == [one for one, _ in packets]
    assert flushed == together


def test_what_nobody_answers_goes_at_once_when_nothing_is_read(layer):
    bound, transport = simulated(layer)
    transport.datagram_received(packet(), ("192.0.2.9", 5060))
    layer.flow.send(ACK)
    layer.flow.send(ANSWER, "BYE")
    assert [one for one, _ in bound.sent] == [ACK, ANSWER]


def test_what_waits_goes_out_when_dealing_with_a_datagram_fails_or_the_kernel_refuses_one(layer, logged_errors):
    bound, transport = simulated(layer)

    def fails(flow, message) -> None:
        flow.send(ACK)
        raise ValueError("a bug")

    def refused_once(packet, address) -> None:
        del bound.sendto
        raise OSError(errno.ENOBUFS, "full")

    layer.message_received = fails
    bound.sendto = refused_once
    bound.waiting = [(packet(), ("192.0.2.9", 5060)), (packet(), ("192.0.2.8", 5060))]
    transport.doRead()
    assert bound.sent == [(ACK, ("192.0.2.8", 5060))]
    assert layer.counts == {"failures": 2, "send errors": 1}
    assert len(logged_errors()) == 2


# Real sockets on this machine


@pytest.fixture
def loopback(layer):
    made = []

    def make(*hosts: str, **parts) -> Loopback:
        made.append(Loopback(layer, *hosts, **parts))
        return made[-1]

    yield make
    for one in made:
        one.close()
        assert one.bound.fileno() == -1


def test_request_comes_in_and_its_answer_goes_back(layer, loopback):
    one = loopback()
    one.asks("127.0.0.1")
    assert layer.flow.source == layer.flow.host == "127.0.0.1"
    assert layer.flow.port == one.bound.getsockname()[1]
    assert repr(layer.flow) == f"<UDP 127.0.0.1:{one.transport.port} to 127.0.0.1:{one.peer.getsockname()[1]}>"
    layer.answer()
    answer, source = one.hears()
    assert (answer.status, source) == (200, "127.0.0.1")
    assert answer.via.parameters["rport"] == str(one.peer.getsockname()[1])


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "127.9.8.7"])
def test_answer_leaves_from_the_address_that_the_request_was_sent_to(layer, loopback, host):
    one = loopback("0.0.0.0")
    one.asks(host)
    assert layer.flow.source == layer.flow.host == host
    layer.answer()
    assert one.hears()[1] == host


def test_wildcard_socket_calls_from_the_address_that_leads_to_the_peer(layer, loopback):
    one = loopback("0.0.0.0", "127.0.0.5")
    flow = one.transport.flow(one.peer.getsockname())
    assert flow.source == flow.host == "127.0.0.1"
    flow.send(packet(start="SIP/2.0 200 OK"))
    assert one.hears()[1] == "127.0.0.1"


@pytest.mark.skipif(not is_local("::1"), reason="this machine has no IPv6 loopback address")
@pytest.mark.parametrize("host", ["::1", "::"])
def test_ipv6_carries_the_same(layer, loopback, host):
    one = loopback(host, "::1")
    one.asks("::1")
    assert layer.flow.source == "::1"
    assert layer.flow.host == "[::1]"
    layer.answer()
    answer, source = one.hears()
    assert source == "::1"
    assert answer.via.parameters["received"] == "::1"


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_what_is_too_long_for_a_datagram_is_counted_and_lost(layer, loopback, host):
    one = loopback(host)
    one.asks("127.0.0.1")
    flow = layer.flow
    flow.send(b"x" * 70_000)
    assert layer.counts == {"send errors": 1}
    layer.answer()
    assert one.hears()[0].status == 200


def test_wildcard_socket_to_where_nothing_leads_counts_what_is_lost(layer, loopback):
    one = loopback("0.0.0.0")
    flow = one.transport.flow(("255.255.255.255", 5060))
    assert flow.source == "0.0.0.0"
    flow.send(b"x")
    assert layer.counts == {"send errors": 1}


def test_receive_takes_64_datagrams_at_once_from_a_real_socket(layer, loopback):
    one = loopback()
    for _ in range(70):
        one.peer.sendto(packet(), one.bound.getsockname())
    one.transport.doRead()
    assert len(layer.received) == 64
    one.transport.doRead()
    assert len(layer.received) == 70


# What streams need and datagrams do not


def test_flow_over_udp_is_always_open_and_has_nothing_wider(layer):
    _, transport = simulated(layer)
    flow = transport.flow(("192.0.2.9", 5060))
    flow.keep_until(1e10)
    flow.succeeded_by(transport.flow(("192.0.2.7", 5060)))
    assert flow.is_open
    assert flow.wider() is None


def test_flow_that_may_leave_udp_asks_for_another_one(layer):
    bound, transport = simulated(layer)
    asked = []
    flow = transport.flow(("192.0.2.9", 5070))
    wide = flow.widened(lambda *address: asked.append(address))
    assert wide.wider() is None
    assert asked == [("192.0.2.9", 5070)]
    assert flow.widened(lambda *address: None) is wide
    assert (wide.remote, wide.host, wide.port, wide.source) == (flow.remote, flow.host, flow.port, flow.source)
    wide.send(b"x")
    assert bound.sent == [(b"x", ("192.0.2.9", 5070))]
