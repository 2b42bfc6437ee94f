"""Which relay passes the sound on: native threads where they were built, else Python; or what `[media] engine` says."""

from __future__ import annotations

from typing import Any

from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger

from pbx.config import Config
from pbx.faults import Fault
from pbx.media import native, srtp
from pbx.media.native import NativeThreads
from pbx.media.ng import Address, Instances
from pbx.media.sockets import MediaSockets
from pbx.sip.identifiers import Identifiers
from pbx.sip.timers import Clock

_NOT_BUILT = "there was no C compiler when pbx was installed"

_log = Logger()


def require(config: Config) -> None:
    """See that the relay and the SRTP can be had that the administrator wants.

    :raises Fault: one was not built, or is not installed.
    """
    if config.media.engine == "native" and not native.is_there():
        what = f'[media] engine is "native", and {_NOT_BUILT}'
        raise Fault("", 0, what, 'install one and then pbx again, or write "auto"')
    if config.media.srtp in ("offer", "require", "pass") and not srtp.is_there():
        what = f'[media] srtp is "{config.media.srtp}", and the library for it is not installed'
        raise Fault("", 0, what, "install it with: pip install txpbx[srtp]")


def sockets(config: Config, reactor: Any, most_files: int) -> MediaSockets:
    """The media sockets, with native threads if these are there and nobody forbade them.

    :param most_files: how many files the process may have open.
    """
    media = config.media
    threads = None
    if media.engine not in ("python", "rtpengine"):
        if native.is_there():
            try:
                threads = NativeThreads(reactor, media.threads, media.silence)
            except OSError as error:
                _log.warn("RTP is forwarded in Python, at twice the cost: {why}", why=error)
        else:
            _log.warn(f"RTP is forwarded in Python, at twice the cost: {_NOT_BUILT}")
    return MediaSockets(reactor, media.ports, threads, media.silence, most_files)


class NgPort(DatagramProtocol):
    """The socket through which instances of rtpengine are asked.

    :ivar instances: is told what comes.
    """

    instances: Instances

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Something came."""
        self.instances.received(datagram, addr)

    def send(self, datagram: bytes, address: Address) -> None:
        """Send; what the kernel refuses is asked again soon."""
        assert self.transport is not None
        try:
            self.transport.write(datagram, address)
        except OSError:
            return


def instances(config: Config, clock: Clock, reactor: Any) -> Instances | None:
    """The instances of rtpengine, with their socket; None where something else relays."""
    if config.media.engine != "rtpengine":
        return None
    addresses = [(place.host, place.port) for place in config.media.rtpengine]
    ports = {is_ipv6: NgPort() for is_ipv6 in {":" in host for host, _ in addresses}}
    found = Instances(clock, Identifiers(), addresses, lambda data, at: ports[":" in at[0]].send(data, at))
    for is_ipv6, port in ports.items():
        port.instances = found
        reactor.listenUDP(0, port, "::" if is_ipv6 else "")
    found.start()
    return found


def described(sockets: MediaSockets, instances: Instances | None = None) -> str:
    """What forwards RTP: "python", "native" with the number of its threads, or "rtpengine" with its instances."""
    if instances is not None:
        known = [f"{instance} {'answers' if instance.alive else 'is silent'}" for instance in instances.all]
        return f"rtpengine: {', '.join(known)}"
    return "python" if sockets.threads is None else f"native:{len(sockets.threads)}"
