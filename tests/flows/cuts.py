"""The framer alone on what a flow has sent: the bytes of each direction as one stream, cut in two and byte by byte."""

from __future__ import annotations

from pbx.sip.framing import PING, Framer
from pbx.testing.exchange import SimulatedExchange, is_sip
from pbx.testing.network import Address

PONG = b"\r\n"  # nothing to whoever gets it


def cut_everywhere(sim: SimulatedExchange, step: int = 1) -> None:
    """However the streams are cut, the same messages come out of them.

    :param step: each so many-th byte is a place to cut; which is the first differs from stream to stream.
    """
    streams: dict[tuple[Address, Address], list[bytes]] = {}
    for sent in sim.network.sent:
        if is_sip(sent.packet):
            streams.setdefault((sent.source, sent.target), []).append(sent.packet)
    assert len(streams) >= 2
    for packets in streams.values():
        stream = b"".join(packets)
        messages = [packet for packet in packets if packet != PONG]
        assert read(*[stream[place : place + 1] for place in range(len(stream))]) == messages
        for place in range(len(stream) % step, len(stream), step):
            assert read(stream[:place], stream[place:]) == messages, f"cut after {place} bytes"


def read(*pieces: bytes) -> list[bytes]:
    """The messages that a framer finds in a stream that comes in pieces."""
    framer = Framer()
    items = [item for piece in pieces for item in framer.feed(piece)]
    assert not framer.waits and not framer.over
    return [2 * PONG if item is PING else bytes(item) for item in items]
