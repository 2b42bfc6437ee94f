"""A stream of bytes to messages (RFC 3261 7.5 and 18.3): a machine without input and output of its own.

What comes out does not depend on how the stream was cut into pieces. A message ends where its Content-Length says;
after one whose end is not known nothing more is read. What waits for its end is bounded by the limits of the parser.
"""

from __future__ import annotations

import re

from pbx.sip.errors import Malformed
from pbx.sip.grammar import number
from pbx.sip.message import Message, Request, Response
from pbx.sip.parser import LIMITS, BadRequest, Limits, Unanswerable, content_length, parse_head, refusal

_END = b"\r\n\r\n"
# For heads that are beyond parsing. Two of them, or another spelling, and the end of the message is not known.
_LENGTH = re.compile(rb"^(?:content-length|l)[ \t]*:[ \t]*([0-9]{1,10})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)


class KeepAlive:
    """The double CRLF of a peer that wants a CRLF in return (RFC 5626 4.4.1)."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<keep-alive>"


PING = KeepAlive()

Item = Request | Response | BadRequest | Unanswerable | KeepAlive
"""What comes out of a stream: messages, requests to be refused, what is to be dropped, keep-alives."""


class Framer:
    """Finds the messages in one stream.

    :param limits: how long a message may be.
    :ivar over: whether nothing more is read, since the end of a message could not be found.
    """

    __slots__ = ("_blank", "_buffer", "_item", "_length", "_limits", "_searched", "over")

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.over = False
        self._limits = limits
        self._buffer: bytearray | None = None  # of what came, the part that waits for more
        self._searched = 0  # how many bytes of it hold no end of a head
        self._item: Item | None = None  # what waits for its body
        self._length = 0  # how long that is
        self._blank = False  # whether an odd number of CRLFs came since the last message

    @property
    def waits(self) -> bool:
        """Whether a message has begun and not ended."""
        return self._buffer is not None or self._item is not None

    def feed(self, received: bytes) -> list[Item]:
        """Take the next piece of the stream, and return what it completes."""
        items: list[Item] = []
        stream: bytes | bytearray = received
        if self._buffer is not None:
            self._buffer += received
            stream = self._buffer
        position = 0
        while not self.over:
            if self._item is None:
                while stream.startswith(b"\r\n", position):
                    position += 2
                    if self._blank:
                        items.append(PING)
                    self._blank = not self._blank
                body = self._head(stream, position)
                if body < 0:
                    break
                position = body
            end = position + self._length
            if end > len(stream):
                break
            item, self._item = self._item, None
            assert item is not None
            if self._length and isinstance(item, Request | Response):
                item.body = bytes(stream[position:end])
            items.append(item)
            position = end
        self._keep(stream, position)
        return items

    def _keep(self, stream: bytes | bytearray, position: int) -> None:
        """Keep what was not used up."""
        if self.over or position == len(stream):
            self._buffer = None
        elif isinstance(stream, bytearray):
            del stream[:position]
        else:
            self._buffer = bytearray(stream[position:])

    def _head(self, stream: bytes | bytearray, begin: int) -> int:
        """Read the head that begins there. Returns where its body begins, or -1 while the head is not complete."""
        end = stream.find(_END, begin + self._searched)
        limit = self._limits.head
        longest = (len(stream) - 3 if end < 0 else end) - begin  # without its end it is at least that long
        if longest > limit:
            self._parse(bytes(stream[begin : begin + limit + 1]))
            self._wait(self._item, None)
            return begin
        if end < 0:
            self._searched = max(0, longest)
            return -1
        self._searched = 0
        self._blank = False
        self._parse(bytes(stream[begin:end]))
        return end + 4

    def _parse(self, head: bytes) -> None:
        """Parse a head, and find out how long the body is that follows it."""
        limits = self._limits
        try:
            message = parse_head(head, limits)
        except BadRequest as fault:
            self._wait(fault, _only_length(fault.request))
            return
        except Unanswerable as fault:
            found = _LENGTH.findall(head)
            self._wait(fault, int(found[0]) if len(found) == 1 else None)
            return
        try:
            length = content_length(message)
            if length is None:
                raise Malformed(400, "missing Content-Length")
            if length > limits.body:
                raise Malformed(513, "body too long")
        except Malformed as fault:
            self._wait(refusal(fault, message), None)
        else:
            self._wait(message, length)

    def _wait(self, item: Item | None, length: int | None) -> None:
        """Wait for the body of what was read; without a length, or with too much of it, the stream is over."""
        self._item = item
        self._length = length or 0
        if length is None or length > self._limits.body:
            self._length = 0
            self.over = True


def _only_length(message: Message) -> int | None:
    """The Content-Length of a malformed message, where it can be trusted."""
    values = [value for key, _, value in message.fields if key == "content-length"]
    try:
        return number(values[0]) if len(values) == 1 else None
    except Malformed:
        return None
