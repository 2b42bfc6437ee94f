"""Which connections are ended or refused: silent, slow and idle ones, and too many."""

from __future__ import annotations

import pytest

from pbx.sip.connection import IDLE, LINGER, PATIENCE
from pbx.testing.clock import VirtualClock
from tests.sip.reactor import Peer
from tests.sip.site import OPTIONS, OURS, THEIRS, Site


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
