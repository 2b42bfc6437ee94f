"""Phones over TLS that make load: one connection for all calls out, one for all calls in, and as many idle ones as are
asked for. SIPp, as Debian builds it, has no TLS.

A process of its own, so that its CPU time is not the exchange's. It is told "calls COUNT RATE" and "connections COUNT"
on standard input, and answers each with a line once that is done.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from OpenSSL import SSL
from twisted.internet import reactor as twisted_reactor
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import Certificate, CertificateOptions, PrivateCertificate
from twisted.internet.stdio import StandardIO
from twisted.protocols.basic import LineOnlyReceiver

from pbx.sip.framing import Framer
from pbx.sip.message import Request, Response

reactor: Any = twisted_reactor
TALK = 0.5  # seconds between the answer and the hang-up
PER_ADDRESS = 250  # idle connections from one address: the exchange takes 500 by default
AT_ONCE = 50  # connections that are being made
_SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 101\r\n"
    "a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"
)
_REQUEST = (
    "{method} {target} SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:5061;branch=z9hG4bK{method}{n};rport\r\n"
    "Max-Forwards: 70\r\nFrom: <sip:caller@caller.invalid>;tag=c{n}\r\nTo: {to}\r\nCall-ID: {n}@load\r\n"
    "CSeq: {sequence} {method}\r\nContact: <sip:caller@127.0.0.1:5061;transport=tls>\r\n"
    "{kind}Content-Length: {length}\r\n\r\n{body}"
)
_KIND = "Content-Type: application/sdp\r\n"


class Phone(Protocol):
    """One connection.

    :ivar answered: told of each final response.
    """

    def __init__(self, contact: str = "") -> None:
        self._framer = Framer()
        self._contact = contact
        self.begun: Callable[[], None] = lambda: None
        self.answered: Callable[[Response], None] = lambda response: None

    def connectionMade(self) -> None:
        """TLS is on its way, and what is sent waits for it."""
        self.begun()

    def dataReceived(self, data: bytes) -> None:
        """Messages came."""
        for item in self._framer.feed(data):
            if isinstance(item, Request):
                self._requested(item)
            elif isinstance(item, Response) and item.status >= 200:
                self.answered(item)

    def send(self, method: str, target: str, n: int, sequence: int, to: str = "", described: bool = False) -> None:
        """Send a request; an INVITE is `described`."""
        body = _SDP.format(port=20000 + 2 * (n % 10000)) if described else ""
        request = _REQUEST.format(
            method=method,
            target=target,
            n=n,
            to=to or f"<{target}>",
            sequence=sequence,
            kind=_KIND if described else "",
            length=len(body),
            body=body,
        )
        self.transport.write(request.encode())  # type: ignore[union-attr]

    def _requested(self, request: Request) -> None:
        if request.method == "ACK":
            return
        tag = f"e{request.first('call-id')}"
        contact = ("contact", "Contact", self._contact)
        replies = [request.response(200, "", tag, (contact,))]
        if request.method == "INVITE":
            replies.insert(0, request.response(180, "", tag, (contact,)))
            body = _SDP.format(port=20000).encode()
            fields = [field for field in replies[1].fields if field[0] != "content-length"]
            fields.append(("content-type", "Content-Type", "application/sdp"))
            fields.append(("content-length", "Content-Length", str(len(body))))
            replies[1] = Response(200, "OK", fields, body)
        for reply in replies:
            self.transport.write(bytes(reply))  # type: ignore[union-attr]


class Load(LineOnlyReceiver):
    """What is asked for, and what came of it.

    :param server: where the exchange listens.
    :param contexts: TLS.
    """

    delimiter = b"\n"

    def __init__(self, server: tuple[str, int], contexts: CertificateOptions) -> None:
        self._server = server
        self._contexts = contexts
        self._numbers = count(1)
        self._idle: list[Phone] = []

    def lineReceived(self, line: bytes) -> None:
        """Do what a line says."""
        word, *numbers = line.decode().split()
        if word == "calls":
            Calls(self, int(numbers[0]), float(numbers[1])).begin()
        else:
            self._connect_more(int(numbers[0]))

    def connectionLost(self, reason: Any = None) -> None:
        """Who asks is gone."""
        if reactor.running:
            reactor.stop()

    def say(self, words: str) -> None:
        """Answer."""
        self.sendLine(words.encode())  # type: ignore[no-untyped-call]

    def uri(self, user: str) -> str:
        """A URI at the exchange."""
        return f"sip:{user}@{self._server[0]}:{self._server[1]};transport=tls"

    def next(self) -> int:
        """A number that no call or request has had."""
        return next(self._numbers)

    def phone(self, connected: Callable[[Phone], None], source: str = "127.0.0.1") -> Phone:
        """A phone that connects."""
        phone = Phone()
        phone.begun = lambda: connected(phone)
        reactor.connectSSL(*self._server, _Dialled(phone), self._contexts, bindAddress=(source, 0))
        return phone

    def _connect_more(self, wanted: int) -> None:
        """Each asks once for a sign of life, so that the exchange knows it for a phone, and is silent from then on."""
        started = answered = 0

        def begin() -> None:
            nonlocal started
            if started < wanted:
                source = f"127.0.0.{2 + (len(self._idle) // PER_ADDRESS)}"
                started += 1
                phone = self.phone(lambda phone: phone.send("OPTIONS", self.uri("ping"), self.next(), 1), source)
                phone.answered = live
                self._idle.append(phone)

        def live(response: Response) -> None:
            nonlocal answered
            answered += 1
            if answered == wanted:
                self.say(f"connections {wanted}")
            else:
                begin()

        for _ in range(min(AT_ONCE, wanted)):
            begin()


class _Dialled:
    """What Twisted wants of a connection that is being made."""

    noisy = False

    def __init__(self, phone: Phone) -> None:
        self._phone = phone

    def buildProtocol(self, address: object) -> Phone:
        return self._phone

    def doStart(self) -> None:
        """It begins."""

    def doStop(self) -> None:
        """It is over."""

    def startedConnecting(self, connector: object) -> None:
        """It goes on."""

    def clientConnectionFailed(self, connector: object, reason: object) -> None:
        print(f"no connection: {reason}", file=sys.stderr, flush=True)

    def clientConnectionLost(self, connector: object, reason: object) -> None:
        """At the end, or the exchange has closed it: then calls are missing."""


class Calls:
    """A number of calls at a steady rate, each half a second long.

    :param load: whom they belong to.
    :param total: how many.
    :param rate: how many are begun each second.
    """

    def __init__(self, load: Load, total: int, rate: float) -> None:
        self._load = load
        self._total = total
        self._gap = 1 / rate
        self._begun = self._over = self._failed = 0
        self._caller: Phone | None = None

    def begin(self) -> None:
        """Connect, then call."""

        def connected(phone: Phone) -> None:
            self._start = reactor.seconds()
            self._next()

        self._caller = self._load.phone(connected)
        self._caller.answered = self._answered

    def _next(self) -> None:
        assert self._caller is not None
        self._caller.send("INVITE", self._load.uri("1000"), self._load.next(), 1, described=True)
        self._begun += 1
        if self._begun < self._total:
            reactor.callLater(max(0, self._start + self._begun * self._gap - reactor.seconds()), self._next)

    def _answered(self, response: Response) -> None:
        assert self._caller is not None
        n = int((response.first("call-id") or "0").partition("@")[0])
        to = response.first("to") or ""
        if (response.first("cseq") or "").endswith("INVITE"):
            if response.status == 200:
                target = (response.first("contact") or "").strip("<>")
                self._caller.send("ACK", target, n, 1, to)
                reactor.callLater(TALK, self._caller.send, "BYE", target, n, 2, to)
                return
            self._caller.send("ACK", self._load.uri("1000"), n, 1, to)
        self._over += 1
        if response.status != 200:
            print(
                f"refused: {response.status} {response.reason} to {response.first('cseq')}", file=sys.stderr, flush=True
            )
            self._failed += 1
        if self._over == self._total:
            self._load.say(f"calls {self._total} failed {self._failed}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    parser.add_argument("--server", required=True, metavar="IP:PORT", help="the exchange's TLS listener")
    parser.add_argument("--port", required=True, type=int, help="where it answers calls, on 127.0.0.1")
    parser.add_argument("--certificate", required=True, type=Path, help="of the exchange, and its own")
    parser.add_argument("--key", required=True, type=Path, help="of that certificate")
    given = parser.parse_args()
    certificate = given.certificate.read_bytes()
    own: Any = PrivateCertificate.loadPEM(certificate + given.key.read_bytes())  # type: ignore[no-untyped-call]
    trusted = Certificate.loadPEM(certificate)
    contexts = CertificateOptions(trustRoot=trusted)
    contexts.getContext().set_session_cache_mode(SSL.SESS_CACHE_OFF)
    contact = f"<sip:127.0.0.1:{given.port};transport=tls>"
    answering = Factory.forProtocol(lambda: Phone(contact))
    reactor.listenSSL(given.port, answering, own.options(), interface="127.0.0.1")
    host, _, port = given.server.rpartition(":")
    load = Load((host, int(port)), contexts)
    StandardIO(load)  # type: ignore[no-untyped-call]
    reactor.callWhenRunning(load.say, "ready")
    reactor.run()


if __name__ == "__main__":
    main()
