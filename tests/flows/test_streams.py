"""Calls over TCP and TLS: which connection they take, what becomes of them when it is gone, what never leaves TLS.

The flows of RFC 3665 over streams, with every reset that there can be, are in tests/conformance.
"""

from __future__ import annotations

import pytest

from pbx.sip.flow import SIP_PORT
from pbx.sip.parser import parse
from pbx.testing.exchange import SimulatedExchange
from pbx.testing.phone import Phone
from tests.flows.office import ACCOUNTS, plan
from tests.flows.raw import HOST, Raw
from tests.sip.reactor import Peer

STREAMS = pytest.mark.parametrize("transport", ["TCP", "TLS"])


@pytest.fixture
def sim() -> SimulatedExchange:
    return SimulatedExchange(plan, ACCOUNTS)


def connected(sim: SimulatedExchange) -> int:
    return sim.exchange.transports.connections


def call(sim: SimulatedExchange, alice: Phone, bob: Phone) -> None:
    alice.invites(bob.number)
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: alice.talking)
    sim.advance(1)


def loses_its_connection(sim: SimulatedExchange, phone: Phone) -> None:
    """The connection is reset; the phone comes back a second later."""
    (connection,) = phone._line.transports.streams[0].connections
    connection._socket.abortConnection()
    sim.advance(0.25)


@STREAMS
def test_phone_is_called_over_the_connection_that_it_has_registered_over(sim, transport):
    """Behind a NAT there is no other way."""
    alice = sim.phone("1001", transport=transport)
    bob = sim.phone("1002", transport=transport, behind_nat="192.168.1.2")
    assert connected(sim) == 2
    call(sim, alice, bob)
    assert sim.talk(alice, bob)
    alice.hangs_up()
    sim.until(lambda: bob.idle)
    assert connected(sim) == 2
    sim.assert_idle()


@STREAMS
def test_phone_without_its_connection_is_unreachable_until_it_comes_back(sim, transport):
    alice, bob = sim.phone("1001"), sim.phone("1002", transport=transport)
    bob.leaves()
    sim.advance(1)
    assert len(sim.exchange.location) == 2
    alice.invites("1002")
    sim.until(lambda: alice.idle, within=1)
    assert alice.call.status == 480
    bob.registers()
    sim.advance(1)
    assert len(sim.exchange.location) == 2
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    alice.hangs_up()
    sim.until(lambda: bob.idle)
    sim.assert_idle()


@STREAMS
def test_bye_follows_a_phone_behind_nat_to_its_next_connection(sim, transport):
    alice = sim.phone("1001")
    bob = sim.phone("1002", transport=transport, behind_nat="192.168.1.2")
    call(sim, alice, bob)
    loses_its_connection(sim, bob)
    sim.advance(4)
    alice.hangs_up()
    sim.until(lambda: bob.idle)
    assert bob.call.ended_by == "them"
    sim.assert_idle()


@STREAMS
def test_phone_that_comes_back_with_another_contact_is_still_the_same(sim, transport):
    """Many write the port of their connection into it: the Call-ID of its registration says who it is."""
    alice = sim.phone("1001")
    bob = sim.phone("1002", transport=transport, behind_nat="192.168.1.2", register=False)
    bob.registers(contact="<sip:1002@192.168.1.2:40001>")
    sim.advance(1)
    call(sim, alice, bob)
    bob.registered = False
    loses_its_connection(sim, bob)
    bob.registers(contact="<sip:1002@192.168.1.2:40002>")
    sim.advance(1)
    alice.hangs_up()
    sim.until(lambda: bob.idle)
    sim.assert_idle()


@STREAMS
def test_ringing_phone_that_loses_its_connection_can_still_be_answered(sim, transport):
    alice = sim.phone("1001")
    bob = sim.phone("1002", transport=transport, behind_nat="192.168.1.2")
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    loses_its_connection(sim, bob)
    sim.advance(4)
    bob.answers()
    sim.until(lambda: alice.talking)
    assert sim.talk(alice, bob)
    bob.hangs_up()
    sim.until(lambda: alice.idle)
    sim.assert_idle()


@STREAMS
def test_invite_that_comes_again_over_the_next_connection_is_answered_there(sim, transport):
    """Behind a NAT, and before the phone has registered again, there is no other way."""
    alice = sim.phone("1001", transport=transport, behind_nat="192.168.1.2", register=False)
    bob = sim.phone("1002")
    sim.network.loses("INVITE", target=bob.host)
    alice.invites("1002")
    sim.advance(0.0625)
    loses_its_connection(sim, alice)
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: alice.talking)
    assert sim.talk(alice, bob)
    bob.hangs_up()
    sim.until(lambda: alice.idle)
    sim.assert_idle()


def test_another_peer_with_the_same_address_and_port_is_not_the_phone(sim):
    """A NAT gives the port of a phone that went to the next one who connects."""
    alice, bob = sim.phone("1001"), sim.phone("1002", transport="TCP")
    bob.leaves()
    sim.advance(1)
    stranger = Peer()
    sim.network.streams._port -= 1  # the port that bob had
    sim.network.streams.dial(bob.host, stranger, (sim.host, SIP_PORT))
    sim.advance(1)
    stranger.transport.write(
        b"OPTIONS sip:10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.1.2:5060;alias;branch=z9hG4bKx\r\n"
        b"From: <sip:x@y>;tag=1\r\nTo: <sip:x@y>\r\nCall-ID: x\r\n"
        b"CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
    sim.advance(1)
    assert stranger.received.startswith(b"SIP/2.0 200 ")
    alice.invites("1002")
    sim.until(lambda: alice.idle, within=1)
    assert alice.call.status == 480
    assert b"INVITE sip:" not in stranger.received


def test_phone_that_vanishes_in_a_call_is_given_up(sim):
    alice, bob = sim.phone("1001"), sim.phone("1002", transport="TCP")
    call(sim, alice, bob)
    bob.vanishes()
    alice.hangs_up()
    sim.until(lambda: not sim.exchange.agent.sessions, within=64)
    bob.hangs_up()
    sim.assert_idle()


def test_exchange_that_has_restarted_waits_for_phones_over_streams(sim):
    """Their connections are gone, and their addresses lead nowhere."""
    sim.phone("1002", transport="TCP", behind_nat="192.168.1.2")
    (binding,) = sim.store.rows.values()
    again = SimulatedExchange(plan, ACCOUNTS, host="10.0.0.2")
    again.exchange.registrar.restore([binding])
    assert again.exchange.location.contacts("1002") == [binding]
    alice = again.phone("1001")
    alice.invites("1002")
    again.until(lambda: alice.idle, within=1)
    assert alice.call.status == 480


# sips (RFC 3261 26.2.2) ---------------------------------------------------------------


@pytest.mark.parametrize(("transport", "rings"), [("UDP", False), ("TCP", False), ("TLS", True)])
def test_call_to_a_sips_address_reaches_phones_over_tls_only(sim, transport, rings):
    alice, bob = sim.phone("1001", transport="TLS"), sim.phone("1002", transport=transport)
    alice.address_of = lambda number: f"sips:{number}@10.0.0.1"
    alice.invites("1002")
    sim.until(lambda: bob.ringing or alice.idle, within=1)
    assert bob.ringing is rings
    if rings:
        alice.hangs_up()
        sim.until(lambda: bob.idle)
    else:
        assert alice.call.status == 480
    sim.assert_idle()


@pytest.mark.parametrize("transport", ["UDP", "TCP", "TLS"])
def test_phone_that_registers_a_sips_address_is_called_over_tls_only(sim, transport):
    alice = sim.phone("1001")
    bob = sim.phone("1002", transport=transport, register=False)
    bob.registers(contact="<SIPS:1002@10.0.1.2>")
    sim.advance(1)
    assert bob.registered
    alice.invites("1002")
    sim.until(lambda: bob.ringing or alice.idle, within=1)
    assert bob.ringing is (transport == "TLS")


def test_contacts_of_a_secure_call_are_secure(sim):
    """RFC 3261 8.1.1.8, 12.1.1: who dials again what he has seen comes securely, and so does all of the dialog."""
    alice = sim.phone("1001", transport="TLS")
    bob = sim.phone("1002", transport="TLS", register=False)
    bob.registers(contact="<sips:1002@10.0.1.2>")
    sim.advance(1)
    alice.address_of = lambda number: f"sips:{number}@10.0.0.1"
    call(sim, alice, bob)
    bob.holds()
    sim.until(lambda: bob.may_offer and alice.call.held)
    bob.hangs_up()
    sim.until(lambda: alice.idle)
    contacts = {
        value
        for datagram in sim.network.sent
        if datagram.source[0] == sim.host and datagram.kind in ("INVITE", "200 INVITE")
        for value in [parse(datagram.packet).first("contact")]
    }
    assert contacts == {f"<sips:{sim.host}:5061>"}
    targets = [parse(one.packet).target for one in sim.network.sent if one.kind in ("ACK", "BYE", "INVITE")]
    assert all(target.startswith("sips:") for target in targets)
    sim.assert_idle()


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_request_for_a_sips_address_is_taken_over_tls_only(sim, transport):
    """RFC 3261 26.2.2: somebody before us has broken the promise; we do not cover that up."""
    alice = sim.phone("1001", transport=transport)
    alice.address_of = lambda number: f"sips:{number}@10.0.0.1"
    alice.invites("1002")
    sim.until(lambda: alice.idle)
    assert alice.call.status == 416
    sim.assert_idle()


def test_call_from_a_sips_address_goes_nowhere_without_tls(sim):
    zoe, alice = Raw(sim), sim.phone("1001", transport="TLS")
    alice.address_of = lambda number: f"sips:{number}@10.0.0.1"
    alice.invites("602")  # which the dialplan sends to sip:zoe@10.0.9.9
    sim.until(lambda: alice.idle, within=1)
    assert alice.call.status == 480
    assert zoe.received == []


# Long requests (RFC 3261 18.1.1) --------------------------------------------------------


LONG = (("subject", "Subject", "x" * 1300),)


def answered(peer: Peer) -> None:
    """The peer refuses whatever INVITE came over its connection."""
    peer.transport.write(bytes(parse(peer.received).response(486, "", "zoe")))


def test_long_invite_goes_over_tcp_where_the_peer_takes_it(sim):
    zoe, alice = Raw(sim), sim.phone("1001")
    called: list[Peer] = []

    def accept(source, target) -> Peer:
        called.append(Peer())
        return called[-1]

    sim.network.streams.listen((HOST, SIP_PORT), accept)
    alice.invites("602", more=LONG)
    sim.until(lambda: called and called[0].received)
    invite = parse(called[0].received)
    assert invite.via.transport == "TCP"
    assert zoe.received == []
    answered(called[0])
    sim.until(lambda: alice.idle)
    assert alice.call.status == 486
    assert called[0].received.count(b"ACK sip:") == 1
    zoe.close()
    sim.assert_idle()


def test_long_invite_falls_back_to_udp_and_the_next_one_does_not_even_try(sim):
    zoe, alice = Raw(sim), sim.phone("1001")
    for number in (1, 2):
        alice.invites("602", more=LONG)
        sim.until(lambda n=number: len(zoe.requests("INVITE")) == n, within=0.25)
        invite = zoe.requests("INVITE")[-1]
        assert invite.via.transport == "UDP"
        zoe.answers(invite, 486)
        sim.until(lambda: alice.idle)
        assert alice.call.status == 486
        assert len(zoe.requests("ACK")) == number
        sim.advance(32)
    assert sim.network.streams._port - 50_000 == 1  # connections that were tried


def test_long_invite_to_a_registered_phone_goes_as_it_registered(sim):
    alice, bob = sim.phone("1001"), sim.phone("1002")
    alice.invites("1002", more=LONG)
    sim.until(lambda: bob.ringing)
    assert sim.network.streams.open == 0
    alice.hangs_up()
    sim.until(lambda: bob.idle)
