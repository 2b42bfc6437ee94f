"""pbx.sip.stream_transport: how a flow finds a connection for what goes out, and whatever happens."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.sip.connection import CONNECTING, UNSENT
from pbx.sip.message import Request
from pbx.sip.parser import parse
from pbx.sip.stream_transport import UNREACHABLE
from tests.sip.reactor import Peer
from tests.sip.site import DELAY, OK, OPTIONS, OURS, THEIRS, Site, message

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
    second.succeeded_by(first)
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
