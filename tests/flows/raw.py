"""A peer that is no phone: it sends what a test writes, right or wrong, and keeps what comes back."""

from __future__ import annotations

from pbx.sip.message import Request, Response
from pbx.sip.parser import parse
from pbx.testing.exchange import SIP_PORT, SimulatedExchange

HOST = "10.0.7.7"


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

    @property
    def statuses(self) -> list[int]:
        """The statuses of the responses that came."""
        return [message.status for message in self.received if isinstance(message, Response)]

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
            f"Contact: <sip:zoe@{self.host}>",
            *fields,
            f"Content-Length: {len(body)}",
        ]
        self.sends_text("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def answers(self, request: Request, status: int, *, fields: tuple[str, ...] = (), body: bytes = b"") -> None:
        """Answer a request that came, with a tag of ours."""
        response = request.response(status, "", "raw")
        head = bytes(response).partition(b"\r\nContent-Length")[0].decode()
        lines = [head, *fields, f"Content-Length: {len(body)}"]
        self.sends_text("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def sends_text(self, packet: bytes) -> None:
        """Send just this."""
        self._socket.sendto(packet, self._exchange)

    def close(self) -> None:
        """Leave the network."""
        self._socket.close()
