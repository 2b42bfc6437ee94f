"""Bans in the kernel: they begin and end there as they do here, but for sources that somebody passes."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from pbx.exchange.bans import Bans
from pbx.exchange.thresholds import Thresholds
from pbx.shutters import PAUSE, Shutters
from tests.exchange.test_bans import Door

EVIL, GOOD = "127.0.0.66", "127.0.0.2"


class Entrance:
    """Bans, and a socket that they hold for."""

    def __init__(self) -> None:
        self.door = Door(Thresholds(failures=3))
        self.bans: Bans = self.door.bans
        self.clock = self.door.clock
        self.sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
        for one, host in zip(self.sockets, ("127.0.0.1", EVIL, GOOD), strict=True):
            one.bind((host, 0))
            one.setblocking(False)
        self.shutters = Shutters(self.bans, self.sockets[:1], self.clock)

    def passes(self, host: str) -> bool:
        """Whether a datagram from there arrives."""
        receiver, sender = self.sockets[0], self.sockets[1 if host == EVIL else 2]
        sender.sendto(b"x", receiver.getsockname())
        try:
            receiver.recv(9)
        except BlockingIOError:
            return False
        return True


@pytest.fixture
def entrance() -> Iterator[Entrance]:
    made = Entrance()
    yield made
    made.shutters.stop()
    for one in made.sockets:
        one.close()


def test_kernel_drops_what_is_banned_until_the_ban_ends(entrance):
    assert (entrance.clock.pending, entrance.shutters.counts) == ([], {})
    entrance.door.fail(4, ("UDP", EVIL, 5060))
    entrance.clock.advance(PAUSE)
    assert not entrance.passes(EVIL)
    assert entrance.passes(GOOD)
    assert entrance.shutters.counts == {"by the kernel": 1}
    entrance.clock.advance(59.875 - PAUSE)
    assert not entrance.passes(EVIL)
    entrance.clock.advance(0.125)
    assert entrance.passes(EVIL)
    assert not entrance.clock.pending


def test_bans_of_the_last_run_are_in_the_kernel_from_the_start(entrance):
    entrance.door.fail(4, ("UDP", EVIL, 5060))
    entrance.shutters.stop()
    again = Shutters(entrance.bans, entrance.sockets[:1], entrance.clock)
    entrance.clock.advance(PAUSE)
    assert not entrance.passes(EVIL)
    again.stop()


def test_ban_that_is_removed_is_removed_there(entrance):
    entrance.door.fail(4, ("UDP", EVIL, 5060))
    entrance.clock.advance(PAUSE)
    entrance.bans.remove(EVIL)
    entrance.clock.advance(PAUSE)
    assert entrance.passes(EVIL)


def test_source_of_a_registered_phone_is_left_to_those_who_can_tell_them_apart(entrance):
    entrance.door.known["UDP", EVIL, 5060] = "1001"
    entrance.door.fail(4, ("UDP", EVIL, 5070))
    entrance.clock.advance(PAUSE)
    assert entrance.bans.shuts_out("UDP", EVIL, 5070)
    assert entrance.passes(EVIL)


def test_kernel_that_takes_no_filter_is_done_without(entrance):
    entrance.sockets[0].close()
    entrance.door.fail(4, ("UDP", EVIL, 5060))
    entrance.clock.advance(PAUSE)
    assert entrance.bans.shuts_out("UDP", EVIL, 5060)
    entrance.door.fail(4, ("UDP", GOOD, 5060))
    assert not entrance.clock.pending
