from __future__ import annotations

import random

import pytest

from pbx.sip.correspondence import Correspondence
from pbx.sip.identifiers import Identifiers
from pbx.testing.clock import VirtualClock
from tests.sip.wire import Wire


@pytest.fixture
def way() -> Correspondence:
    identifiers = Identifiers(random.Random(1).randbytes)
    wire = Wire(VirtualClock())
    return Correspondence(identifiers, wire, "sip:bob@192.0.2.9", "<sip:us@192.0.2.1>", "<sip:bob@192.0.2.9>")


def test_requests_of_one_correspondence_differ_in_number_only(way):
    """RFC 3261 8.1.1."""
    first, second = way.request("MESSAGE"), way.request("SUBSCRIBE")
    assert first.target == second.target == "sip:bob@192.0.2.9"
    for key in ("from", "to", "call-id", "max-forwards", "content-length"):
        assert first.first(key) == second.first(key)
    assert (first.first("cseq"), second.first("cseq")) == ("1 MESSAGE", "2 SUBSCRIBE")
    assert first.first("to") == "<sip:bob@192.0.2.9>"
    assert first.first("max-forwards") == "70"


def test_body_has_its_type_and_length(way):
    request = way.request("MESSAGE", (("subject", "Subject", "lunch"),), b"now?", "text/plain")
    assert (request.first("content-type"), request.first("content-length")) == ("text/plain", "4")
    assert (request.first("subject"), request.body) == ("lunch", b"now?")


def test_its_key_lacks_the_peer_s_tag_only(way):
    request = way.request("SUBSCRIBE")
    assert way.key == (request.first("call-id"), request.first("from").partition(";tag=")[2], "")
