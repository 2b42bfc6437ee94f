"""A bare UDP socket that registers numbers one after the other and knows when each was acknowledged (RFC 3261 10).

It is written from the RFCs and shares nothing with the exchange, digest included (RFC 2617, MD5 with qop=auth).
"""

from __future__ import annotations

import hashlib
import itertools
import re
import socket
import time
from typing import Self

_PATIENCE = 0.5
_TRIES = 8


class Registrant:
    """One socket.

    :param server: "address:port" of the exchange.
    :param ip: its own address, on loopback.
    """

    def __init__(self, server: str, ip: str = "127.0.0.1") -> None:
        host, _, port = server.rpartition(":")
        self._server = (host, int(port))
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((ip, 0))
        self._socket.settimeout(_PATIENCE)
        self.port: int = self._socket.getsockname()[1]
        self.address = f"{ip}:{self.port}"
        self._count = itertools.count(1)
        self.acknowledged: dict[str, float] = {}

    def register(self, number: str, password: str, contact: str = "") -> int:
        """Registers a number for an hour and returns the final status; `acknowledged` gets the time of a 200.

        :param contact: the Contact URI; "": this socket's own address.
        """
        dialog = self._dialog(number, contact)
        status, fields = self._ask(self.compose(number, *dialog, 1))
        if status == 401:
            proof = answer(fields, number, password, f"sip:{self._server[0]}")
            status, fields = self._ask(self.compose(number, *dialog, 2, proof))
        if status == 200:
            self.acknowledged[number] = time.monotonic()
        return status

    def begin(self, number: str, password: str) -> None:
        """Sends what the exchange would acknowledge, and does not wait for it."""
        dialog = self._dialog(number, "")
        _, fields = self._ask(self.compose(number, *dialog, 1))
        self.send(self.compose(number, *dialog, 2, answer(fields, number, password, f"sip:{self._server[0]}")))

    def options(self) -> int:
        """The status with which the exchange answers OPTIONS: a sign of life."""
        call_id, contact = self._dialog("ping", "")
        request = self.compose("ping", call_id, contact, 1, method="OPTIONS")
        # As a stranger: who claims to be one of the exchange's own users may be asked for proof.
        return self._ask(re.sub(rb"(From: <sip:ping@)[^>]*", rb"\1caller.invalid", request))[0]

    def send(self, datagram: bytes) -> None:
        self._socket.sendto(datagram, self._server)

    def _dialog(self, number: str, contact: str) -> tuple[str, str]:
        return f"{number}-{next(self._count)}-{self.port}", contact or f"sip:{number}@{self.address}"

    def compose(
        self, number: str, call_id: str, contact: str, sequence: int, proof: str = "", method: str = "REGISTER"
    ) -> bytes:
        """A request from the user `number`."""
        host = self._server[0]
        lines = [
            f"{method} sip:{host} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.address};branch=z9hG4bK{call_id}.{sequence};rport",
            "Max-Forwards: 70",
            f"From: <sip:{number}@{host}>;tag=f{call_id}",
            f"To: <sip:{number}@{host}>",
            f"Call-ID: {call_id}",
            f"CSeq: {sequence} {method}",
            f"Contact: <{contact}>",
            "Expires: 3600",
            *([f"Authorization: {proof}"] if proof else []),
            "Content-Length: 0",
        ]
        return "\r\n".join([*lines, "", ""]).encode()

    def _ask(self, request: bytes) -> tuple[int, str]:
        """Sends a request until its final response is there, and returns status and text; 0: there is none."""
        branch = re.search(rb"branch=([^;]+)", request)
        assert branch, "every request has a branch"
        for _ in range(_TRIES):
            self.send(request)
            try:
                while True:
                    response = self._socket.recv(65536)
                    if branch[1] in response and response[8:9] != b"1":
                        return int(response[8:11]), response.decode()
            except TimeoutError:
                continue
        return 0, ""

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def answer(response: str, number: str, password: str, uri: str) -> str:
    """The value of Authorization that answers the MD5 challenge of a 401 (RFC 2617 3.2.2)."""
    challenges = re.findall(r"(?im)^WWW-Authenticate: *Digest +(.*?)\r?$", response)
    for challenge in challenges:
        fields = {name.lower(): quoted or bare for name, quoted, bare in
                  re.findall(r'(\w+)=(?:"([^"]*)"|([^,\s]+))', challenge)}  # fmt: skip
        if fields.get("algorithm", "MD5").upper() == "MD5":
            break
    else:
        raise AssertionError(f"no MD5 challenge in\n{response}")
    realm, nonce, cnonce, count = fields["realm"], fields["nonce"], "0a4f113b", "00000001"
    secret = _md5(f"{number}:{realm}:{password}")
    proof = _md5(f"{secret}:{nonce}:{count}:{cnonce}:auth:{_md5(f'REGISTER:{uri}')}")
    opaque = f', opaque="{fields["opaque"]}"' if "opaque" in fields else ""
    return (
        f'Digest username="{number}", realm="{realm}", nonce="{nonce}", uri="{uri}", response="{proof}", '
        f'algorithm=MD5, qop=auth, nc={count}, cnonce="{cnonce}"{opaque}'
    )


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()
