"""A peer that is no phone: it sends what a test writes, right or wrong, and keeps what comes back."""

from __future__ import annotations

from pbx.sip.message import Request, Response
from pbx.sip.parser import parse
from pbx.testing.exchange import SIP_PORT, SimulatedExchange

HOST = "10.0.9.9"
DESCRIPTION = (
    b"v=0\r\no=zoe 7 1 IN IP4 10.0.9.9\r\ns=-\r\nc=IN IP4 10.0.9.9\r\nt=0 0\r\n"
    b"m=audio 30000 RTP/AVP 0\r\na=sendrecv\r\n"
)


class Raw:
    """One such peer.

    :ivar received: what came, the latest last.
    """

    def __init__(self, sim: SimulatedExchange, host: str = HOST) -> None:
        self.host = host
        self.received: list[Request | Response] = []
        self._exchange = (sim.host, SIP_PORT)
        self._socket = sim.network.bind(host, SIP_PORT)
        self._socket.receiver = lambda packet, source: self.received.append(parse(packet))

    def requests(self, method: str) -> list[Request]:
        """The requests of a method that came."""
        return [message for message in self.received if isinstance(message, Request) and message.method == method]

    @property
    def responses(self) -> list[Response]:
        """The responses that came."""
        return [message for message in self.received if isinstance(message, Response)]

    @property
    def statuses(self) -> list[int]:
        """The statuses of the responses that came."""
        return [response.status for response in self.responses]

    def sends(
        self,
        method: str,
        target: str = "sip:1001@10.0.0.1",
        *,
        sender: str = "<sip:zoe@example.org>;tag=zoe",
        to_tag: str = "",
        branch: str = "z9hG4bK1",
        call_id: str = "raw",
        cseq: int = 1,
        contact: str = f"<sip:zoe@{HOST}>",
        fields: tuple[str, ...] = (),
        body: bytes = b"",
    ) -> None:
        """Send a request that is whole unless told otherwise."""
        lines = [
            f"{method} {target} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.host}:{SIP_PORT};rport;branch={branch}",
            f"From: {sender}",
            f"To: <{target}>" + (f";tag={to_tag}" if to_tag else ""),
            f"Call-ID: {call_id}",
            f"CSeq: {cseq} {method}",
            *([f"Contact: {contact}"] if contact else []),
            *fields,
            *(
                ["Content-Type: application/sdp"]
                if body and not any(f.startswith("Content-Type") for f in fields)
                else []
            ),
            f"Content-Length: {len(body)}",
        ]
        self.sends_text("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def answers(
        self, request: Request, status: int, *, tag: str = "raw", fields: tuple[str, ...] = (), body: bytes = b""
    ) -> None:
        """Answer a request that came."""
        contact = (f"Contact: <sip:zoe@{self.host}>",) if not any(f.startswith("Contact") for f in fields) else ()
        head = bytes(request.response(status, "", tag)).partition(b"\r\nContent-Length")[0]
        typed = any(f.startswith("Content-Type") for f in fields)
        kind = ("Content-Type: application/sdp",) if body and not typed else ()
        lines = [*contact, *fields, *kind, f"Content-Length: {len(body)}"]
        self.sends_text(head + b"\r\n" + "\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def answers_all(self, status: int, *, fields: tuple[str, ...] = ()) -> None:
        """Answer every INVITE that comes from now on, also when it comes again."""

        def answer(packet: bytes, source: object) -> None:
            message = parse(packet)
            self.received.append(message)
            if isinstance(message, Request) and message.method == "INVITE":
                self.answers(message, status, fields=fields)

        self._socket.receiver = answer

    def sends_text(self, packet: bytes) -> None:
        """Send just this."""
        self._socket.sendto(packet, self._exchange)

    def close(self) -> None:
        """Leave the network."""
        self._socket.close()
