"""A stranger who calls the exchange with a plain socket, and hears no more than the status."""

from __future__ import annotations

import socket

from tests.interop.exchange import REALM, Exchange


def status_of(exchange: Exchange, number: str) -> int:
    """The final status that a call to a number gets."""
    host, port = exchange.address.split(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.bind(("127.0.0.1", 0))
        phone.settimeout(10)
        me = f"127.0.0.1:{phone.getsockname()[1]}"
        fields = [
            f"INVITE sip:{number}@{REALM} SIP/2.0",
            f"Via: SIP/2.0/UDP {me};branch=z9hG4bK{number}",
            "From: <sip:guest@elsewhere.test>;tag=1",
            f"To: <sip:{number}@{REALM}>",
            f"Call-ID: {number}@{me}",
            "CSeq: 1 INVITE",
            f"Contact: <sip:{me}>",
            "Max-Forwards: 70",
            "Content-Length: 0",
        ]
        phone.sendto("\r\n".join([*fields, "", ""]).encode(), (host, int(port)))
        while (status := int(phone.recv(65535).split()[1])) < 200:
            pass
        ack = [line.replace("INVITE", "ACK") for line in fields]
        phone.sendto("\r\n".join([*ack, "", ""]).encode(), (host, int(port)))
        return status
