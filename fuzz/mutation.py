"""Damage: what may become of a datagram on its way. Every kind is as likely as any other, and all of it is seeded."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

Damage = Callable[[random.Random, bytes, Sequence[bytes]], bytes]

_NUMBER = re.compile(rb"[0-9]+")
_PARAMETER = re.compile(rb";[^;,<>\r\n]*")

NUMBERS = b"0 1 2 -1 69 70 71 255 256 422 423 5060 65535 65536 2147483647 2147483648 4294967295 4294967296 1e9".split()
NUMBERS += [b"", b"00000000000000000000001", b"9" * 40, "\u0664\u0665".encode()]

METHODS = b"INVITE ACK CANCEL BYE OPTIONS REGISTER PRACK UPDATE INFO REFER MESSAGE SUBSCRIBE NOTIFY PUBLISH FOO".split()
METHODS += [b"invite"]

STARTS = [
    b"SIP/2.0 100 Trying",
    b"SIP/2.0 180 Ringing",
    b"SIP/2.0 200 OK",
    b"SIP/2.0 299 Odd",
    b"SIP/2.0 401 Unauthorized",
    b"SIP/2.0 487 Request Terminated",
    b"SIP/2.0 699 ",
    b"SIP/3.0 200 OK",
    b"INVITE sip:1002@10.0.0.1 SIP/7.0",
    b"INVITE tel:+123 SIP/2.0",
    b"INVITE  sip:1002@10.0.0.1 SIP/2.0",
    b"GET / HTTP/1.1",
    b"",
]

VALUES = [
    b"",
    b"*",
    b"<>",
    b'"',
    b'"\\',
    b",",
    b",,,",
    b";",
    b"=",
    b"sip:",
    b"<sip:1001@10.0.0.1>;tag=",
    b"<sip:1001@10.0.0.1>;tag=x;tag=y",
    b"<sip:%00@10.0.0.1:99999;lr?a=b>",
    b"sip:1001@10.0.0.1;transport=tls;maddr=255.255.255.255",
    b"<sip:a@[::1]>, <sip:b@[fe80::1%25eth0]>",
    b'"\xff\xfe" <sip:\xc3\xa9@x>',
    b"SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK;rport;received=::1",
    b"SIP / 2.0 / TCP [::]:0 ;rport=x",
    b"Digest realm=pbx, username=1001, nonce=, uri=, response=",
    b'Digest realm="pbx", nonce="\\", qop=auth-int, algorithm=MD5-sess',
    b"multipart/mixed;boundary=x",
    b"application/sdp;charset=\xff",
    b"100rel, timer, replaces",
    b"presence;id=1",
    b"a" * 5000,
    b"(" * 2000,
    b'"' + b"\\a" * 2000,
    b"<sip:a@b>," * 400,
    b"a;" + b"b;" * 1000,
]

NAMES = (
    b"Via From To Call-ID CSeq Contact Route Record-Route Max-Forwards Content-Length Content-Type Content-Encoding "
    b"Authorization Proxy-Authorization Require Proxy-Require Supported Expires Min-Expires Event Replaces Refer-To "
    b"Timestamp Date Reason Session-Expires RSeq RAck Path v f t i m c l k x-unknown"
).split()

SDP_LINES = [
    b"v=1",
    b"v=",
    b"o=- 99999999999999999999 0 IN IP4 0.0.0.0",
    b"o=",
    b"s=",
    b"c=IN IP4 0.0.0.0",
    b"c=IN IP4 10.0.0.1",
    b"c=IN IP6 ::1",
    b"c=IN IP4 example.com",
    b"c=IN IP4 224.2.1.1/127/3",
    b"c=",
    b"t=",
    b"m=audio 0 RTP/AVP 0",
    b"m=audio 65536 RTP/AVP 0",
    b"m=audio 4000/2 RTP/AVP 0 0 0",
    b"m=audio 4000 RTP/SAVPF 0 8 101",
    b"m=video 4002 RTP/AVP 96",
    b"m=audio 4000 RTP/AVP",
    b"m=image 4000 udptl t38",
    b"m=",
    b"a=rtpmap:0 PCMU/0",
    b"a=rtpmap:999 X/8000",
    b"a=rtpmap:",
    b"a=fmtp:101 0-16",
    b"a=rtcp:70000",
    b"a=rtcp:53 IN IP4 10.0.0.9",
    b"a=sendonly",
    b"a=inactive",
    b"a=ptime:0",
    b"a=" + b"x" * 3000,
    b"nonsense",
    b"",
]


def damaged(source: random.Random, packet: bytes, corpus: Sequence[bytes]) -> bytes:
    """Damage a datagram once or a few times.

    :param corpus: others, parts of which may get into it.
    """
    for _ in range(source.choice((1, 1, 1, 2, 2, 3, 5))):
        packet = source.choice(KINDS)(source, packet, corpus)
    return packet[:65_000]


def _bytes(source: random.Random, packet: bytes, corpus: Sequence[bytes]) -> bytes:
    start = source.randint(0, len(packet))
    put = source.choice((b"", b"\0", b"\r\n", b"\r", b"\n", b"\r\n ", b"\t", b"\xff", b'"', b"<", source.randbytes(4)))
    return packet[:start] + put + packet[start + source.randint(0, 8) :]


def _cut(source: random.Random, packet: bytes, corpus: Sequence[bytes]) -> bytes:
    return packet[: source.randint(0, len(packet))]


def _doubled(source: random.Random, packet: bytes, corpus: Sequence[bytes]) -> bytes:
    start, end = sorted((source.randint(0, len(packet)), source.randint(0, len(packet))))
    return packet[:end] + packet[start:end] + packet[end:]


def _number(source: random.Random, packet: bytes, corpus: Sequence[bytes]) -> bytes:
    found = list(_NUMBER.finditer(packet))
    if not found:
        return packet
    one = source.choice(found)
    return packet[: one.start()] + source.choice(NUMBERS) + packet[one.end() :]


def _parameter(source: random.Random, packet: bytes, corpus: Sequence[bytes]) -> bytes:
    found = list(_PARAMETER.finditer(packet))
    if not found:
        return packet
    one = source.choice(found)
    put = source.choice((b"", one[0] * 2, one[0] + b"x", one[0].partition(b"=")[0], b";rport", b";lr", b";expires=0"))
    return packet[: one.start()] + put + packet[one.end() :]


def _start(source: random.Random, packet: bytes, corpus: Sequence[bytes]) -> bytes:
    line, end, rest = packet.partition(b"\r\n")
    method, space, uri = line.partition(b" ")
    new = source.choice(
        (source.choice(STARTS), source.choice(METHODS) + space + uri, method + b" sip:600@10.0.0.1 SIP/2.0")
    )
    return new + end + rest


def _method(source: random.Random, packet: bytes, corpus: Sequence[bytes]) -> bytes:
    """Another method throughout: a well-formed request that comes when nobody expects it."""
    old = packet.partition(b" ")[0]
    return packet.replace(old, source.choice(METHODS)) if old in METHODS else packet


def _line(source: random.Random, packet: bytes, corpus: Sequence[bytes]) -> bytes:
    """A header line is lost, comes twice, moves, or gets another name or value."""
    head, end, body = packet.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    place = source.randrange(len(lines))
    name, colon, value = lines[place].partition(b":")
    kind = source.randrange(6)
    if kind == 0:
        del lines[place]
    elif kind == 1:
        lines.insert(place, lines[place])
    elif kind == 2:
        lines.insert(source.randrange(len(lines)), lines.pop(place))
    elif kind == 3:
        lines[place] = source.choice(NAMES) + colon + value
    elif kind == 4:
        lines[place] = name + colon + source.choice(VALUES)
    else:
        lines.insert(place + 1, source.choice(NAMES) + b": " + source.choice(VALUES))
    return b"\r\n".join(lines) + end + body


def _spliced(source: random.Random, packet: bytes, corpus: Sequence[bytes]) -> bytes:
    """A header line of another message gets into this one, over its own of that name or beside it."""
    other = source.choice(corpus).partition(b"\r\n\r\n")[0].split(b"\r\n")[1:] if corpus else []
    if not other:
        return packet
    line = source.choice(other)
    name = line.partition(b":")[0]
    head, end, body = packet.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    same = [place for place, own in enumerate(lines) if own.partition(b":")[0] == name]
    if same and source.random() < 0.7:
        lines[source.choice(same)] = line
    else:
        lines.insert(source.randint(1, len(lines)), line)
    return b"\r\n".join(lines) + end + body


def _described(source: random.Random, packet: bytes, corpus: Sequence[bytes]) -> bytes:
    """The body is damaged, and its length is right all the same: it will be read."""
    head, end, body = packet.partition(b"\r\n\r\n")
    lines = body.split(b"\r\n")
    place = source.randrange(len(lines))
    kind = source.randrange(5)
    if kind == 0:
        lines.insert(place, source.choice(SDP_LINES))
    elif kind == 1:
        lines[place] = source.choice(SDP_LINES)
    elif kind == 2:
        del lines[place]
    elif kind == 3:
        lines.insert(source.randrange(len(lines)), lines[place])
    body = b"\r\n".join(lines) if kind < 4 else _bytes(source, body, corpus)
    head = re.sub(rb"(?i)(\r\nContent-Length: )[0-9]+", lambda found: found[1] + str(len(body)).encode(), head)
    return head + end + body


def _another(source: random.Random, packet: bytes, corpus: Sequence[bytes]) -> bytes:
    """Another datagram of before instead of this one."""
    return source.choice(corpus) if corpus else packet


KINDS: tuple[Damage, ...] = (
    _bytes,
    _cut,
    _doubled,
    _number,
    _parameter,
    _start,
    _method,
    _line,
    _line,
    _spliced,
    _spliced,
    _described,
    _described,
    _another,
)
