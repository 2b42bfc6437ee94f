"""An internet for real programs: each is in a network of its own, whose only way out is in our hands. What it sends
goes through the translators of `pbx.testing.nat` to whoever has the address that comes out.

A network is a namespace of Linux with one TUN device in it; packets are IPv4 and UDP, and there are no others. It takes
root, or at least CAP_NET_ADMIN. Nothing of it is seen outside, and nothing is left when we end.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from selectors import EVENT_READ, DefaultSelector
from typing import Self

from pbx.testing.nat import Address, Translator
from tests.programs import leave_out, program

_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_DEVICE = "way-out"
_LARGEST = 9000  # bytes of a packet: nobody has to cut a description into pieces
_UDP = 17
_IP_HEAD, _UDP_HEAD = struct.Struct("!BBHHHBBH4s4s"), struct.Struct("!HHHH")


class Network:
    """Where a program is: a namespace with loopback, one address, and the way out.

    :param address: its address, IPv4.
    :ivar way_out: the descriptor of its TUN device, which does not block.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        with open("/proc/thread-self/ns/net", "rb") as ours:
            if _LIBC.unshare(_CLONE_NEWNET):
                leave_out(f"a network for a program cannot be made: {os.strerror(ctypes.get_errno())} (it takes root)")
            try:
                self._namespace = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
                self.way_out = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
                fcntl.ioctl(self.way_out, _TUNSETIFF, struct.pack("16sH22x", _DEVICE.encode(), _IFF_TUN | _IFF_NO_PI))
                for order in (
                    "link set lo up",
                    f"address add {address}/32 dev {_DEVICE}",
                    f"link set {_DEVICE} mtu {_LARGEST} up",
                    f"route add default dev {_DEVICE}",
                ):
                    subprocess.run([program("ip"), *order.split()], check=True)
            finally:
                _LIBC.setns(ours.fileno(), _CLONE_NEWNET)

    def enter(self) -> None:
        """From now on this thread is here: for a child process, before it becomes another program."""
        _LIBC.setns(self._namespace, _CLONE_NEWNET)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Inside, this thread is here: a socket that is made stays here for ever."""
        with open("/proc/thread-self/ns/net", "rb") as ours:
            self.enter()
            try:
                yield
            finally:
                _LIBC.setns(ours.fileno(), _CLONE_NEWNET)

    def close(self) -> None:
        os.close(self.way_out)
        os.close(self._namespace)


class Internet:
    """What joins networks, in a thread of its own while it is a context manager's.

    :ivar translators: what stands between them.
    :ivar delivered: the payload of each datagram that reached a network, in order, by the network's address.
    """

    def __init__(self) -> None:
        self.translators: list[Translator] = []
        self.delivered: dict[str, list[bytes]] = {}
        self._networks: dict[str, Network] = {}
        self._ready = DefaultSelector()
        self._end, self._ending = os.pipe()
        self._ready.register(self._end, EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="internet", daemon=True)

    def network(self, address: str) -> Network:
        """A new network with this address."""
        network = self._networks[address] = Network(address)
        self.delivered[address] = []
        self._ready.register(network.way_out, EVENT_READ)
        return network

    def _run(self) -> None:
        while True:
            for key, _ in self._ready.select():
                if key.fd == self._end:
                    return
                try:
                    self._pass(os.read(key.fd, _LARGEST))
                except BlockingIOError:
                    pass

    def _pass(self, packet: bytes) -> None:
        """Take a packet where it goes; nowhere, if nobody has that address or a translator does not let it in."""
        if packet[0] != 0x45 or packet[9] != _UDP:
            return  # IPv6 looks for routers
        *_, from_host, to_host = _IP_HEAD.unpack_from(packet)
        from_port, to_port, *_ = _UDP_HEAD.unpack_from(packet, _IP_HEAD.size)
        source: Address = (socket.inet_ntoa(from_host), from_port)
        wanted: Address = (socket.inet_ntoa(to_host), to_port)
        for translator in self.translators:
            source = translator.outgoing(source, wanted)
        target: Address | None = wanted
        for translator in self.translators:
            if target is not None:
                target = translator.incoming(source, target)
        network = self._networks.get(target[0]) if target is not None else None
        if network is None or target is None:
            return
        payload = packet[_IP_HEAD.size + _UDP_HEAD.size :]
        self.delivered[network.address].append(payload)
        os.write(network.way_out, _datagram(source, target, payload))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        os.close(self._ending)
        self._thread.join()
        os.close(self._end)
        self._ready.close()
        for network in self._networks.values():
            network.close()


def _datagram(source: Address, target: Address, payload: bytes) -> bytes:
    """An IPv4 packet with a UDP datagram, which has no checksum (RFC 768 allows that)."""
    size = _UDP_HEAD.size + len(payload)
    hosts = socket.inet_aton(source[0]), socket.inet_aton(target[0])
    head = _IP_HEAD.pack(0x45, 0, _IP_HEAD.size + size, 0, 0, 64, _UDP, 0, *hosts)
    total: int = sum(struct.unpack("!10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    checksum = ~(total + (total >> 16)) & 0xFFFF  # RFC 1071
    return head[:10] + checksum.to_bytes(2, "big") + head[12:] + _UDP_HEAD.pack(source[1], target[1], size, 0) + payload
