"""A scripted rtpengine in virtual time: it answers, keeps silent, is slow, refuses, or says nonsense, as it is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pbx.media.ng import Address, Instances
from pbx.sip import sdp
from pbx.sip.identifiers import Identifiers
from pbx.sip.timers import Clock

HOST = "10.0.7.7"


class Daemon:
    """One instance.

    :ivar mode: "fine", "silent", or a datagram's body with which it answers everything.
    :ivar delay: seconds to each answer.
    :ivar commands: what it was told, repetitions too.
    :ivar calls: the call-ids that it has.
    :ivar packets: how many packets it says came from each phone.
    :ivar lost: how many of them each phone has reported to be missing, and with which jitter, in ms.
    """

    def __init__(self, clock: Clock, address: Address, answer: Callable[[bytes, Address], None]) -> None:
        self.mode: str | bytes = "fine"
        self.delay = 0.0
        self.commands: list[dict[str, Any]] = []
        self.calls: set[str] = set()
        self.packets = 0
        self.lost = 0, 0
        self._clock = clock
        self._address = address
        self._answer = answer
        self._port = 30_000
        self._said: dict[bytes, dict[str, Any]] = {}
        self._phones: dict[str, dict[str, tuple[str, int]]] = {}  # by call-id and tag: where a phone is

    def received(self, datagram: bytes) -> None:
        """A command came."""
        cookie, _, body = datagram.partition(b" ")
        command = json.loads(body)
        self.commands.append(command)
        if self.mode == "silent":
            return
        if isinstance(self.mode, bytes):
            reply = self.mode
        else:
            if cookie not in self._said:
                self._said[cookie] = self._done(command)
            reply = json.dumps(self._said[cookie]).encode()
        self._clock.callLater(self.delay, self._answer, cookie + b" " + reply, self._address)

    def asked(self, name: str) -> list[dict[str, Any]]:
        """The commands of that name."""
        return [command for command in self.commands if command["command"] == name]

    def _done(self, command: dict[str, Any]) -> dict[str, Any]:
        name, call = command["command"], command.get("call-id", "")
        if name == "ping":
            return {"result": "pong"}
        if name == "offer":
            self.calls.add(call)
        if call not in self.calls:
            return {"result": "error", "error-reason": "Unknown call-id"}
        if name == "delete":
            self.calls.remove(call)
        if name == "query":
            tags = {tag: {"medias": [self._media(place)]} for tag, place in self._phones.get(call, {}).items()}
            lost, jitter = self.lost
            report = {"cumulative loss": lost, "average MOS": {"MOS": 43, "jitter": jitter, "packet loss": 1}}
            return {
                "result": "ok",
                "tags": tags,
                "SSRC": {str(place[1]): report for place in self._phones[call].values()},
            }
        if name == "delete":
            return {"result": "ok"}
        description = sdp.parse(command["sdp"].encode())
        (first, *_) = description.media
        tag = command["from-tag" if name == "offer" else "to-tag"]
        self._phones.setdefault(call, {})[tag] = (description.host(first), first.port)
        description.connection = f"IN IP4 {HOST}"
        for media in description.media:
            self._port += 2
            media.connection, media.port = "", media.port and self._port
        return {"result": "ok", "sdp": sdp.serialise(description).decode()}

    def _media(self, place: tuple[str, int]) -> dict[str, Any]:
        """A stream, in as much of the form of rtpengine 10.5 as is read of it."""
        where = {"family": "IPv4", "address": place[0], "port": place[1]}
        counts = {"packets": self.packets, "bytes": 172 * self.packets, "errors": 0}
        stream = {"endpoint": where, "advertised endpoint": where, "SSRC": place[1], "stats": counts}
        return {"type": "audio", "codec": "PCMU/8000", "streams": [stream]}


class Daemons:
    """Some of them, and the client that asks them."""

    def __init__(self, clock: Clock, count: int = 1) -> None:
        addresses = [("10.0.7.7", 2223 + number) for number in range(count)]
        self.instances = Instances(clock, Identifiers(), addresses, self._send)
        self.all = [Daemon(clock, address, self.instances.received) for address in addresses]
        self._at = dict(zip(addresses, self.all, strict=True))

    def _send(self, datagram: bytes, address: Address) -> None:
        self._at[address].received(datagram)
