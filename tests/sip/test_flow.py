"""What a flow says of us to its peer."""

from __future__ import annotations

from collections import Counter

import pytest

from pbx.sip.flow import contact_of, hostport_of, via_of
from pbx.sip.identifiers import Identifiers
from pbx.sip.transaction_layer import TransactionLayer
from pbx.sip.transport import Addresses, UDPTransport
from pbx.testing.clock import VirtualClock
from pbx.testing.network import Network


@pytest.mark.parametrize(
    ("host", "port", "hostport"),
    [("10.0.0.1", 5060, "10.0.0.1"), ("10.0.0.1", 5074, "10.0.0.1:5074"), ("fd00::1", 5074, "[fd00::1]:5074")],
)
def test_peer_is_told_where_it_reaches_us(host: str, port: int, hostport: str) -> None:
    clock = VirtualClock()
    layer = TransactionLayer(clock, Identifiers())
    transport = UDPTransport(Network(clock).bind(host, port), layer, Addresses(), Counter())
    flow = transport.flow((host, 5060))
    assert hostport_of(flow) == hostport
    assert contact_of(flow, secure=True) == f"<sips:{flow.host}:{port}>"
    full = hostport if hostport.endswith(str(port)) else f"{hostport}:{port}"
    assert contact_of(flow) == f"<sip:{full}>"
    assert via_of(flow, "z9hG4bKx") == f"SIP/2.0/UDP {full};rport;branch=z9hG4bKx"
