"""What every message must obey, whatever happened: checked on all that went over a simulated network."""

from __future__ import annotations

import re
from math import inf

from pbx.sip.message import Message, Request, Response
from pbx.sip.parser import parse
from pbx.sip.timers import T1
from pbx.testing.exchange import SimulatedExchange, is_sip
from pbx.testing.network import LATE, Datagram

ARRIVED = ("delivered", "doubled", "overtaken", "reset")

_ORIGIN = re.compile(rb"^o=- (\d+) (\d+) ", re.MULTILINE)


def assert_lawful(sim: SimulatedExchange) -> None:
    """Check the whole conversation of a simulation whose calls are over."""
    witness = _Witness()
    for datagram in sim.network.sent:
        if is_sip(datagram.packet):
            message = parse(datagram.packet)
            try:
                if isinstance(message, Request):
                    witness.request_sent(message, datagram)
                else:
                    witness.response_sent(message, datagram)
                    if datagram.fate in ARRIVED:
                        witness.response_arrived(message, datagram)
            except AssertionError as failure:
                failure.add_note(f"at {datagram!r}")
                raise
    assert not witness.unacknowledged, f"never acknowledged: {witness.unacknowledged}"


class _Witness:
    """What has been seen so far.

    Everybody is known by host: a connection that takes the place of another one comes from another port.

    :ivar unacknowledged: the 2xx to INVITE that arrived, by who got them, Call-ID and CSeq number, and had no ACK.
    """

    def __init__(self) -> None:
        self.unacknowledged: dict[tuple[str, str, int], Response] = {}
        self._acknowledged: set[tuple[str, str, int]] = set()
        self._awaited: dict[str, float] = {}
        self._requests: dict[tuple[str, str], bytes] = {}
        self._finals: dict[tuple[str, str, str], bytes] = {}
        self._numbers: dict[tuple[str, str, str], int] = {}
        self._described: set[tuple[str, str, str]] = set()
        self._left: set[tuple[str, str, str]] = set()
        self._descriptions: dict[tuple[str, str, str], tuple[bytes, int, bytes]] = {}

    def request_sent(self, request: Request, datagram: Datagram) -> None:
        packet, method, sender = datagram.packet, request.method, (datagram.source[0], request.call_id)
        self._awaited.setdefault(request.via.branch, datagram.sent_at + 64 * T1 - LATE)
        if method == "ACK":
            number = (*sender, request.cseq)
            self._acknowledged.add(number)
            self.unacknowledged.pop(number, None)
        former = self._requests.get((request.via.branch, method))
        assert former in (None, packet), "what is sent again is the same (RFC 3261 17.1)"
        self._requests[request.via.branch, method] = packet
        if former is not None or method in ("ACK", "CANCEL"):
            return
        # What one server has failed at goes to the next as it was (RFC 3263 4.3).
        way = (*sender, datagram.target[0])
        assert request.cseq > self._numbers.get(way, -1), "numbers rise (RFC 3261 12.2.1.1)"
        assert way not in self._left, "nothing comes after BYE (RFC 3261 15)"
        self._numbers[way] = request.cseq
        if method == "BYE":
            self._left.add(way)
        self._describes(way, request)

    def response_sent(self, response: Response, datagram: Datagram) -> None:
        packet, source = datagram.packet, datagram.source[0]
        transaction = (source, response.via.branch, response.cseq_method)
        final = self._finals.get(transaction)
        if response.status >= 200:
            # Whoever is asked for a password is asked anew each time: for that the exchange keeps no state.
            challenged = response.status == 401 and final is not None and final.startswith(b"SIP/2.0 401 ")
            # Over connections a transaction is over with its answer (timer J), and what is refused at once has none:
            # what comes again over another connection, from another port, is answered anew.
            anew = response.via.transport != "UDP" and (response.cseq_method != "INVITE" or response.status >= 300)
            assert final in (None, packet) or challenged or anew, "there is one final response (RFC 3261 17.2)"
            self._finals[transaction] = packet
            described = response.body or transaction in self._described
            assert described or response.status >= 300 or response.cseq_method != "INVITE", "nothing is described"
        else:
            assert final is None, "nothing is provisional after the final response"
            if response.body and response.first("rseq") is not None:
                # What arrived so is the answer, and the 2xx need not repeat it (RFC 3261 13.2.1).
                self._described.add(transaction)
        self._describes((source, response.call_id, datagram.target[0]), response)

    def response_arrived(self, response: Response, datagram: Datagram) -> None:
        if datagram.sent_at > self._awaited[response.via.branch]:
            return  # nothing came for 64*T1: by then nobody waits for it
        self._awaited[response.via.branch] = inf
        if response.cseq_method == "INVITE" and 200 <= response.status < 300:
            number = (datagram.target[0], response.call_id, response.cseq)
            if number not in self._acknowledged:
                self.unacknowledged[number] = response

    def _describes(self, sender: tuple[str, str, str], message: Message) -> None:
        origin = _ORIGIN.search(message.body)
        if origin is None:
            return
        session, version, last = origin[1], int(origin[2]), self._descriptions.get(sender)
        if last is not None and last[2] != message.body:
            assert last[0] == session and version > last[1], "another description has a higher version (RFC 3264 8)"
        self._descriptions[sender] = (session, version, message.body)
