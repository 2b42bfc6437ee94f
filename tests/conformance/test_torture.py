"""Every message of RFC 4475 and RFC 5118 goes through the real parser and through a whole exchange."""

from __future__ import annotations

import hashlib

import pytest

from pbx.dialplan import Call, Plan
from pbx.sip.digest import parse_challenge
from pbx.sip.errors import Malformed
from pbx.sip.message import Request
from pbx.sip.parser import BadRequest, Unanswerable, parse
from pbx.testing.exchange import SIP_PORT, SimulatedExchange
from tests.conformance.corpus import FOLDERS, HERE, names, on_the_wire, published
from tests.conformance.torture import DROPPED, MALFORMED, RFC4475, RFC5118, Row, read

TABLES = {"rfc4475": RFC4475, "rfc5118": RFC5118}
EACH = pytest.mark.parametrize(
    ("folder", "row"), [pytest.param(folder, row, id=row.name) for folder in FOLDERS for row in TABLES[folder]]
)
OURS = {"rfc4475": "192.0.2.200", "rfc5118": "2001:db8::10"}
THEIRS = {"rfc4475": "192.0.2.177", "rfc5118": "2001:db8::b1"}
PASSWORD = "secret"
USERS = ("user", "j.user", "watson", "null-\0-null")

plan = Plan()


@plan.internal("<number:any>")
@plan.anonymous("<number:any>")
async def answered(call: Call, number: str) -> None:
    await call.answer()


class Sender:
    """Somebody who sends packets to an exchange, and nothing afterwards."""

    def __init__(self, folder: str) -> None:
        self.address = (THEIRS[folder], SIP_PORT)
        self.sim = SimulatedExchange(plan, dict.fromkeys(USERS, PASSWORD), host=OURS[folder], domains=("example.com",))

    def send(self, packet: bytes) -> list[bytes]:
        """Send a packet; return what the exchange answers at once."""
        sent = self.sim.network.sent
        before = len(sent)
        self.sim.socket.receiver(packet, self.address)
        self.sim.advance(0.25)
        answers = [datagram for datagram in sent[before:] if datagram.source == (self.sim.host, SIP_PORT)]
        assert all(datagram.target[0] == self.address[0] for datagram in answers)
        return [datagram.packet for datagram in answers]


def statuses(packets: list[bytes]) -> list[int]:
    return [int(packet.removeprefix(b"SIP/2.0 ")[:3]) for packet in packets]


def final(packets: list[bytes]) -> bytes:
    """The only final response; a 100 may have gone before it."""
    last = packets[-1]
    assert set(statuses(packets[:-1])) <= {100}, packets
    return last


def with_credentials(packet: bytes, challenged: bytes) -> bytes:
    """The same request again, with the answer to a 401."""
    request = parse(packet)
    assert isinstance(request, Request)
    challenge = parse_challenge(parse(challenged).first("www-authenticate") or "")
    assert challenge is not None
    user = request.sender().uri.decoded_user
    credentials = challenge.answer(user, PASSWORD, request.method, request.target, "cnonce")
    start, rest = packet.split(b"\r\n", 1)
    return b"\r\n".join((start, f"Authorization: {credentials}".encode(), rest))


@pytest.mark.parametrize(("folder", "count"), [("rfc4475", 49), ("rfc5118", 12)])
def test_each_message_has_its_row_and_is_as_published(folder, count):
    assert names(folder) == sorted(row.name for row in TABLES[folder])
    assert len(TABLES[folder]) == count
    sums = dict(reversed(line.split()) for line in (HERE / folder / "SHA256SUMS").read_text().splitlines())
    assert sums == {f"{name}.dat": hashlib.sha256(published(folder, name)).hexdigest() for name in names(folder)}


@EACH
def test_message_is_read(folder: str, row: Row):
    packet = on_the_wire(folder, row.name)
    if row.reads is None:
        with pytest.raises(BadRequest if row.status else Unanswerable) as caught:
            parse(packet)
        assert caught.value.status == (row.status or 400)
        return
    message = parse(packet)
    for name, value in row.reads.items():
        if value is MALFORMED:
            for _ in range(2):
                with pytest.raises(Malformed, match="400"):
                    read(message, name)
        else:
            assert read(message, name) == value
    assert parse(bytes(message)) == message


@EACH
def test_message_is_answered_by_the_exchange(folder: str, row: Row):
    sender = Sender(folder)
    packet = on_the_wire(folder, row.name)
    answers = sender.send(packet)
    assert statuses(answers)[-1:] == ([] if row.status == DROPPED else [row.status])
    if answers:
        answer = final(answers)
        if row.reads is not None:
            assert_answers(packet, answer, row)
        if row.proven:
            proven = final(sender.send(with_credentials(packet, answer)))
            assert statuses([proven]) == [row.proven]
            user = parse(packet).receiver().uri.decoded_user
            assert tuple(binding.contact for binding in sender.sim.exchange.location.contacts(user)) == row.bound
    sender.sim.assert_idle()
    assert sender.sim.exchange.counts["failures"] == 0


def assert_answers(packet: bytes, answer: bytes, row: Row) -> None:
    """The response belongs to the request, and tells what it has to tell (RFC 3261 8.2.6.2)."""
    request, response = parse(packet), parse(answer)
    for key in ("call-id", "cseq", "from"):
        assert response.first(key) == request.first(key)
    assert response.via.branch == request.via.branch
    assert response.to_tag
    for key, value in row.fields.items():
        assert response.first(key) == value
