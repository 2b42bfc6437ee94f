"""The kernel's filter, on real sockets: what it shuts out does not arrive, all else does."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest

from pbx.sip.packet_filter import MOST, drops, shut_out

SO_DETACH_FILTER = 27


@pytest.fixture
def sockets() -> Iterator[Callable[[str], socket.socket]]:
    """Makes bound UDP sockets."""
    made: list[socket.socket] = []

    def make(host: str) -> socket.socket:
        one = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        made.append(one)
        try:
            one.bind((host, 0))
        except OSError:
            pytest.skip(f"{host} is not here")
        one.setblocking(False)
        return one

    yield make
    for one in made:
        one.close()


def arrives(sender: socket.socket, receiver: socket.socket) -> bool:
    """Whether a datagram does: over loopback it is there at once, or never."""
    sender.sendto(b"x", receiver.getsockname())
    try:
        receiver.recv(10)
    except BlockingIOError:
        return False
    return True


def test_sources_are_shut_out_and_let_in_again(sockets):
    receiver, evil, good = sockets("127.0.0.1"), sockets("127.0.0.66"), sockets("127.0.0.2")
    shut_out(receiver, ["127.0.0.65", "127.0.0.66", "2001:db8::/64"])
    before = drops(receiver)
    assert not arrives(evil, receiver)
    assert arrives(good, receiver)
    assert drops(receiver) == before + 1
    shut_out(receiver, ["127.0.0.2"])
    assert arrives(evil, receiver)
    assert not arrives(good, receiver)
    shut_out(receiver, [])
    shut_out(receiver, ["2001:db8::/64"])
    assert arrives(evil, receiver)
    assert arrives(good, receiver)


def test_neighbour_on_the_link_is_not_shut_out_with_all_others_there(sockets):
    receiver = sockets("::1")
    shut_out(receiver, ["fe80::1%eth0"])
    with pytest.raises(FileNotFoundError):
        receiver.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)


def test_ipv6_networks(sockets):
    receiver, sender = sockets("::1"), sockets("::1")
    shut_out(receiver, ["2001:db8::/64", "127.0.0.1"])
    assert arrives(sender, receiver)
    shut_out(receiver, ["2001:db8::/64", "::/64"])
    assert not arrives(sender, receiver)


def test_more_than_the_kernel_should_compare_are_left_to_us(sockets):
    receiver, evil = sockets("127.0.0.1"), sockets("127.0.0.66")
    others = [f"10.0.{n // 256}.{n % 256}" for n in range(5000)]
    shut_out(receiver, [*others[: MOST - 1], "127.0.0.66", *others[MOST:]])
    assert not arrives(evil, receiver)
    shut_out(receiver, [*others, "127.0.0.66"])
    assert arrives(evil, receiver)
