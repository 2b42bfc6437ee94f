"""Requests that are too long for a datagram (RFC 3261 18.1.1)."""

from __future__ import annotations

import pytest

from pbx.sip.identifiers import Identifiers
from pbx.sip.message import Request
from tests.sip.wire import Wire, request, response


class Wide(Wire):
    """A flow over UDP to a peer that may have TCP, too."""

    stream: Wire | None = None

    def wider(self) -> Wire | None:
        return self.stream


def long_request(core, size: int, method: str = "INVITE") -> Request:
    """A request that is so long with its Via."""
    sent = Request(method, "sip:peer@192.0.2.9", [field for field in request(method).fields if field[0] != "via"])
    via = len(f"Via: SIP/2.0/UDP 192.0.2.1:5060;rport;branch={Identifiers().branch()}\r\n")
    sent.fields.append(("subject", "Subject", "x" * (size - len(bytes(sent)) - via - len("Subject: \r\n"))))
    core.layer.request(core.wire, sent, core)
    return sent


@pytest.fixture
def wide(core) -> Wire:
    """The stream beside the core's datagrams."""
    core.wire = Wide(core.clock)
    core.wire.stream = Wire(core.clock, reliable=True)
    return core.wire.stream


def test_request_over_1300_bytes_leaves_udp_with_its_via(core, wide):
    long_request(core, 1300)
    assert len(core.wire.sent[0][1]) == 1300
    assert core.wire.take() == ["INVITE"]
    long_request(core, 1301)
    assert str(wide.last.via).startswith("SIP/2.0/TCP 192.0.2.1:5060;")
    assert (core.wire.take(), wide.take()) == ([], ["INVITE"])


def test_long_request_stays_on_udp_where_there_is_no_other_way(core, wide):
    core.wire.stream = None
    long_request(core, 5000)
    assert core.wire.take() == ["INVITE"]


@pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
def test_long_request_falls_back_to_udp_where_the_stream_fails(core, wide, method):
    long_request(core, 2000, method)
    over_tcp = wide.last
    core.layer.flow_failed(wide)
    assert core.told == []
    over_udp = core.wire.last
    assert over_udp.via.transport == "UDP"
    assert over_udp.via.branch == over_tcp.via.branch
    assert over_udp.fields[1:] == over_tcp.fields[1:]
    core.receive(response(over_udp, 486))
    assert core.told == [f"486 {method}"]
    assert core.wire.take() == [method, "ACK"] if method == "INVITE" else [method]
    core.assert_idle()
    assert not core.layer._smaller


def test_long_request_that_was_answered_over_the_stream_stays_there(core, wide):
    long_request(core, 2000)
    core.receive(response(wide.last, 180))
    core.layer.flow_failed(wide)
    assert core.wire.sent == []
    core.receive(response(wide.last, 486))
    assert wide.take() == ["INVITE", "ACK"]
    core.assert_idle()
    assert not core.layer._smaller
