"""The two sides of a call know nothing of each other but what is allowed to cross (RFC 7092; pbx/exchange/crossing.py):
asserted on the bytes that went over the network.
"""

from __future__ import annotations

import re

import pytest

from pbx.sip import sdp
from pbx.sip.message import Request
from pbx.sip.parser import parse
from pbx.testing.exchange import is_sip
from tests.flows.office import office

# What a phone may say in its INVITE; the first two may cross.
MORE = (
    ("subject", "Subject", "lunch"),
    ("alert-info", "Alert-Info", "<http://example.org/ring.wav>"),
    ("user-agent", "User-Agent", "Secret Phone 1.0"),
    ("p-asserted-identity", "P-Asserted-Identity", "<sip:secret@10.0.1.1>"),
    ("x-secret", "X-Secret", "10.0.1.1"),
    ("supported", "Supported", "secret-extension"),
    ("history-info", "History-Info", "<sip:secret@10.0.1.1>;index=1"),
)
OURS = set("via from to call-id cseq contact max-forwards allow content-type content-length reason".split())
OURS |= set("min-se rack require rseq session-expires supported".split())


@pytest.fixture(scope="module")
def call():
    """Everything that was sent in a call with early media, hold from both sides and a hang-up."""
    sim, (alice, bob) = office("1001", "1002")
    start = len(sim.network.sent)
    alice.invites("1002", more=MORE)
    sim.until(lambda: bob.ringing)
    bob.sends_early_media()
    sim.advance(1)
    bob.answers()
    sim.until(lambda: alice.may_offer and bob.may_offer)
    for phone in (alice, bob):
        phone.holds()
        sim.until(lambda: alice.may_offer and bob.may_offer)
        phone.resumes()
        sim.until(lambda: alice.may_offer and bob.may_offer)
    sim.advance(1)
    alice.hangs_up()
    sim.until(lambda: bob.idle)
    sent = [datagram for datagram in sim.network.sent[start:] if is_sip(datagram.packet)]
    return alice, bob, sent


def side(call, phone):
    return [datagram for datagram in call[2] if phone.host in (datagram.source[0], datagram.target[0])]


def messages(call, phone, direction):
    return [parse(d.packet) for d in side(call, phone) if getattr(d, direction)[0] == phone.host]


def test_nothing_that_names_one_side_is_seen_by_the_other(call):
    alice, bob, _ = call
    for one, other in ((alice, bob), (bob, alice)):
        own = set()
        for message in messages(call, one, "source"):
            own |= {message.call_id, message.from_tag, message.to_tag, message.via.branch}
        own |= {one.host, "secret", "Secret", "SECRET"}
        own.discard("")
        seen = b"".join(bytes(message) for message in messages(call, other, "target"))
        assert len(own) > 8
        assert [text for text in own if text.encode() in seen] == []


def test_only_allowed_fields_cross(call):
    alice, bob, _ = call
    invite = next(m for m in messages(call, bob, "target") if isinstance(m, Request) and m.method == "INVITE")
    assert {field[0] for field in invite.fields} - OURS == {"subject", "alert-info"}
    for phone in (alice, bob):
        for message in messages(call, phone, "target")[1:]:
            assert {field[0] for field in message.fields} - OURS <= {"subject", "alert-info"}, message


def test_each_side_has_its_own_numbers(call):
    alice, bob, _ = call
    numbers = {}
    for phone in (alice, bob):
        sent = [m for m in messages(call, phone, "target") if isinstance(m, Request) and m.method != "ACK"]
        numbers[phone.number] = [(m.method, m.cseq) for m in sent]
    assert numbers["1001"] == [("INVITE", 1), ("INVITE", 2)]
    assert numbers["1002"] == [("INVITE", 1), ("PRACK", 2), ("INVITE", 3), ("INVITE", 4), ("BYE", 5)]


def test_every_message_of_the_exchange_leads_back_to_it(call):
    for phone in call[:2]:
        for message in messages(call, phone, "target"):
            if isinstance(message, Request):
                assert message.via.host == "10.0.0.1"
            contact = message.first("contact")
            assert contact in (None, "<sip:10.0.0.1:5060>")
            if message.body:
                description = sdp.parse(message.body)
                assert {description.host(line) for line in description.media} == {"10.0.0.1"}


def test_descriptions_have_an_origin_of_their_own_whose_version_rises(call):
    for phone in call[:2]:
        origins = []
        for message in messages(call, phone, "target"):
            if message.body:
                origin = re.search(rb"o=- (\d+) (\d+) IN IP4 10.0.0.1", message.body)
                text = message.body.replace(origin[0], b"")
                if not origins or origins[-1][2] != text:
                    origins.append((int(origin[1]), int(origin[2]), text))
        assert len({session for session, _, _ in origins}) == 1
        versions = [version for _, version, _ in origins]
        assert len(versions) > 2 and versions == list(range(versions[0], versions[0] + len(versions)))


def test_callee_is_called_by_its_number_from_the_caller_s(call):
    _, bob, _ = call
    invite = messages(call, bob, "target")[0]
    assert invite.target == "sip:10.0.1.2:5060"
    assert str(invite.receiver()) == "<sip:1002@10.0.0.1>"
    assert invite.first("from").startswith('"Phone 1001" <sip:1001@10.0.0.1>;tag=')
