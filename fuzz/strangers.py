"""Strangers: peers without a SIP stack who send what RFC 4475 and RFC 5118 have published, and requests of all methods,
as datagrams and over connections, damaged or not; with the credentials of an account that they know, or without.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence

from twisted.python.failure import Failure

from pbx.sip.errors import Malformed
from pbx.sip.flow import SIP_PORT, SIPS_PORT
from pbx.sip.framing import Framer
from pbx.sip.headers import CALL_ID, CONTACT, FROM, TO, VIA, Field
from pbx.sip.keyring import Keyring
from pbx.sip.message import Request, Response
from pbx.sip.parser import parse
from pbx.testing.exchange import SimulatedExchange
from pbx.testing.streams import SimulatedStream
from tests.conformance.corpus import FOLDERS, names, on_the_wire

PUBLISHED = tuple(on_the_wire(folder, name) for folder in FOLDERS for name in names(folder))
REQUESTS = tuple(
    "\r\n".join(
        (
            f"{method} sip:1002@10.0.0.1 SIP/2.0",
            f"Via: SIP/2.0/UDP 10.0.7.1;branch=z9hG4bK{method}",
            "Max-Forwards: 70",
            "From: <sip:1001@10.0.0.1>;tag=stranger",
            "To: <sip:1002@10.0.0.1>",
            f"Call-ID: {method}",
            f"CSeq: 1 {method}",
            "Contact: <sip:1001@10.0.7.1>",
            *lines,
            f"Content-Length: {len(body)}",
            "",
            body,
        )
    ).encode()
    for method, lines, body in (
        ("OPTIONS", (), ""),
        ("REGISTER", ("Expires: 60",), ""),
        ("MESSAGE", ("Content-Type: text/plain",), "Hello"),
        ("INFO", ("Content-Type: application/dtmf-relay",), "Signal=5\r\nDuration=160\r\n"),
        ("SUBSCRIBE", ("Event: lamp", "Expires: 60", "Accept: text/plain"), ""),
        ("PUBLISH", ("Event: lamp", "Expires: 60", "Content-Type: text/plain"), "lit"),
        ("NOTIFY", ("Event: lamp", "Subscription-State: active;expires=60", "Content-Type: text/plain"), "lit"),
        ("REFER", ("Refer-To: <sip:1003@10.0.0.1?Replaces=1%3Bto-tag%3D2%3Bfrom-tag%3D3>",), ""),
        ("PRACK", ("RAck: 1 1 INVITE",), ""),
        ("UPDATE", ("Supported: timer", "Session-Expires: 90;refresher=uac"), ""),
        ("INVITE", ("Supported: 100rel, timer", "Require: 100rel", "Session-Expires: 90"), ""),
        ("INVITE", ("Replaces: 1;to-tag=2;from-tag=3",), ""),
    )
)
PORTS = {"TCP": SIP_PORT, "TLS": SIPS_PORT}
ANSWERS = (100, 180, 183, 200, 200, 200, 302, 401, 404, 481, 486, 491, 500, 503, 603)

_REPLACED = frozenset(("authorization", "call-id", "from", "via"))


class Stranger:
    """One of them.

    :param account: the number and the password that he knows.
    :param targets: the numbers that he knows.
    :ivar figures: how many messages he has `sent`, how many of them `proven` by credentials, and how many of these were
        `believed`: answered with something else than a challenge.
    """

    def __init__(
        self, sim: SimulatedExchange, source: random.Random, host: str, account: tuple[str, str], targets: Sequence[str]
    ) -> None:
        self.host = host
        self.figures: Counter[str] = Counter()
        self._sim = sim
        self._source = source
        self._number, password = account
        self._targets = targets
        self._keyring = Keyring(self._number, password, lambda: str(source.random()))
        self._challenged: Request | None = None  # what is sent again when it is asked for credentials
        self._branch: str | None = None  # of the last one that has had any
        self._socket = sim.network.bind(host, SIP_PORT)
        self._socket.receiver = lambda packet, _: self._received(packet, self._send_datagram)
        self._lines = {name: Line(self, sim, port) for name, port in PORTS.items()}

    def sends(self, packet: bytes, transport: str, proven: bool) -> None:
        """Send something.

        :param proven: whether it is sent in the name of the account, with its credentials; only requests can be.
        """
        send = self._lines[transport].send if transport in self._lines else self._send_datagram
        self._challenged = None
        if proven:
            try:
                message = parse(packet)
            except Malformed:
                pass
            else:
                if isinstance(message, Request):
                    self._challenged = message
                    packet = self._proven(message)
        self.figures["sent"] += 1
        send(packet)

    def takes(self, message: Request | Response, send: Callable[[bytes], None]) -> None:
        """A message has come: answer it, or the challenge that it is.

        :param send: the way back.
        """
        source = self._source
        if isinstance(message, Request):
            if message.method != "ACK" and source.random() < 0.8:
                send(bytes(message.response(source.choice(ANSWERS), "", "stranger")))
        elif message.status == 401:
            self._keyring.challenged(message, set())
            again, self._challenged = self._challenged, None
            if again is not None:
                send(self._proven(again))
        elif self._branch is not None and message.via.branch == self._branch:
            self._branch = None
            self.figures["believed"] += 1

    def leaves(self) -> None:
        """Leave the network."""
        self._socket.close()
        for line in self._lines.values():
            line.close()

    def _send_datagram(self, packet: bytes) -> None:
        self._socket.sendto(packet, (self._sim.host, SIP_PORT))

    def _proven(self, request: Request) -> bytes:
        """The request in the name of the account: mostly for somebody whom the exchange knows, with our Contact."""
        source = self._source
        target = request.target
        if source.random() < 0.8:
            target = f"sip:{source.choice(self._targets)}@{self._sim.host}"
        method = request.method
        branch = f"z9hG4bK{source.random()}"
        fields: list[Field] = [
            VIA.field(f"SIP/2.0/UDP {self.host};rport;branch={branch}"),
            FROM.field(f"<sip:{self._number}@{self._sim.host}>;tag={request.from_tag or 'x'}"),
            CALL_ID.field(str(source.randint(1, 50))),
            *[field for field in request.fields if field[0] not in _REPLACED],
        ]
        if method == "REGISTER":
            target = f"sip:{self._sim.host}"
            fields = [field for field in fields if field[0] != "to"]
            fields.append(TO.field(f"<sip:{self._number}@{self._sim.host}>"))
        if source.random() < 0.5:
            fields = [field for field in fields if field[0] != "contact"]
            fields.append(CONTACT.field(f"<sip:{self._number}@{self.host}>"))
        made = Request(method, target, fields, request.body)
        proofs = self._keyring.proofs(made)
        made.fields.extend(proofs)
        if proofs:
            self.figures["proven"] += 1
            self._branch = branch
        return bytes(made)

    def _received(self, packet: bytes, send: Callable[[bytes], None]) -> None:
        try:
            message = parse(packet)
        except Malformed:
            return  # a refusal repeats what it refuses (RFC 3261 8.2.6.2)
        self.takes(message, send)


class Line:
    """A connection of his, made anew whenever there is none (Twisted's protocol)."""

    def __init__(self, stranger: Stranger, sim: SimulatedExchange, port: int) -> None:
        self._stranger = stranger
        self._sim = sim
        self._address = (sim.host, port)
        self._stream: SimulatedStream | None = None
        self._connected = False
        self._waiting: list[bytes] = []
        self._framer = Framer()

    def send(self, packet: bytes) -> None:
        """Send bytes, once there is a connection."""
        self._waiting.append(packet)
        if self._stream is None:
            self._stream = self._sim.network.streams.dial(self._stranger.host, self, self._address)
            self._framer = Framer()
        elif self._connected:
            self._flush()

    def close(self) -> None:
        """Reset the connection."""
        if self._stream is not None:
            self._stream.abortConnection()

    def makeConnection(self, transport: SimulatedStream) -> None:
        """The connection is there."""
        self._connected = True
        self._flush()

    def dataReceived(self, data: bytes) -> None:
        """The exchange says something."""
        for item in self._framer.feed(data):
            if isinstance(item, Request | Response):
                self._stranger.takes(item, self.send)

    def connectionLost(self, reason: Failure) -> None:
        """It is gone, or was refused."""
        self._stream, self._connected = None, False
        self._waiting.clear()

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for packet in waiting:
            if self._stream is not None:
                self._stream.write(packet)
