"""A simulated phone's line, or a proxy's: the socket or the connection that leads to its exchange."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from pbx.sip.addresses import Addresses
from pbx.sip.errors import Malformed
from pbx.sip.flow import SIP_PORT, SIPS_PORT, Flow
from pbx.sip.message import Request, Response
from pbx.sip.occupancy import CONNECTIONS, Occupancy
from pbx.sip.stream_transport import StreamTransport
from pbx.sip.timers import Clock
from pbx.sip.transport import Receiver, UDPTransport
from pbx.sip.transports import Transports
from pbx.testing.network import Address, Network, SimulatedSocket

BEHIND = 40_000
"""What a NAT adds to our ports, unless told otherwise."""


class Line:
    """The line of one phone or proxy.

    :param layer: whom it tells.
    :param exchange: the exchange's host.
    :param host: the phone's address on the network.
    :param inside: the address that it believes to have; another one behind a NAT.
    :param name: "UDP", "TCP" or "TLS".
    :param lost: called when the connection to the exchange was lost.
    :param outside: what a NAT adds to its ports, where it is behind one.
    :ivar address: where the network reaches the phone's SIP.
    :ivar flow: the way to the exchange.
    :ivar outside: what a NAT adds to the ports of the phone.
    :ivar transports: its transports.
    """

    def __init__(
        self,
        clock: Clock,
        network: Network,
        layer: Receiver,
        exchange: str,
        host: str,
        inside: str,
        name: str,
        lost: Callable[[], None],
        outside: int = BEHIND,
    ) -> None:
        self.transports = Transports()
        self._network = network
        self._layer = layer
        self._host = host
        self._lost = lost
        self._socket: SimulatedSocket | None = None
        port = SIPS_PORT if name == "TLS" else SIP_PORT
        self.outside = 0 if host == inside else outside
        self.address: Address = (host, port + self.outside)
        self.flow: Flow
        if name == "UDP":
            self._socket = network.bind(*self.address, (inside, port))
            datagrams = UDPTransport(self._socket, layer, Addresses(), Counter())
            self._socket.receiver = datagrams.datagram_received
            self.transports.all.append(datagrams)
            self.flow = datagrams.flow((exchange, port))
        else:
            dialer = network.streams.dialer(host)
            stream = StreamTransport(
                name, (inside, port), self, Addresses(), Counter(), clock, dialer, Occupancy(*CONNECTIONS)
            )
            network.streams.listen(self.address, stream.accept)
            self.transports.streams.append(stream)
            self.flow = stream.flow(exchange, port)

    def cut(self) -> None:
        """Nothing arrives any more, and nothing goes out."""
        self._network.streams.unplug(self._host)
        if self._socket is not None:
            self._socket.close()

    # What connections tell (pbx.sip.transport.Receiver)

    def message_received(self, flow: Flow, message: Request | Response) -> None:
        """A message came."""
        self._layer.message_received(flow, message)

    def refuse(self, flow: Flow, request: Request, fault: Malformed) -> None:
        """A malformed request came."""
        self._layer.refuse(flow, request, fault)

    def flow_failed(self, flow: Flow, reached: bool) -> None:
        """A connection is gone, or could not be made."""
        self._layer.flow_failed(flow, reached)
        if flow is self.flow:
            self._lost()
