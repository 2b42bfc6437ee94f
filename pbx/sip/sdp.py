"""Session descriptions (RFC 8866) as offer/answer needs them (RFC 3264). A value: text in, text out, nothing judged.

`parse` is total: any bytes become a `SessionDescription` or `Malformed(400)`. Lines that nobody here reads are kept, in
their order, so that `parse(serialise(x)) == x`; what may be passed on to somebody else is decided elsewhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from pbx.sip.errors import Malformed

SENDRECV, SENDONLY, RECVONLY, INACTIVE = "sendrecv", "sendonly", "recvonly", "inactive"
MIRRORED = {SENDRECV: SENDRECV, SENDONLY: RECVONLY, RECVONLY: SENDONLY, INACTIVE: INACTIVE}
_MOST_LINES = 1000  # a browser writes some 200; a line costs more than its bytes, in caches of hundreds of descriptions
_PORT = re.compile("([0-9]{1,5})(?:/([0-9]{1,5}))?")
_DIRECTION_LINES = {f"a={direction}": direction for direction in MIRRORED}


class Codec(NamedTuple):
    """What an `a=rtpmap` says (RFC 8866 section 6.6). Two are equal when they mean the same encoding.

    :param name: the encoding's name in lower case, since it is compared without case.
    :param rate: RTP clock rate in Hz.
    :param channels: audio channels; 1 when the line does not say.
    """

    name: str
    rate: int
    channels: int = 1


# RFC 3551 section 6, tables 4 and 5: payload types that need no a=rtpmap.
STATIC_PAYLOADS = {
    "0": Codec("pcmu", 8000), "3": Codec("gsm", 8000), "4": Codec("g723", 8000), "5": Codec("dvi4", 8000),
    "6": Codec("dvi4", 16000), "7": Codec("lpc", 8000), "8": Codec("pcma", 8000), "9": Codec("g722", 8000),
    "10": Codec("l16", 44100, 2), "11": Codec("l16", 44100), "12": Codec("qcelp", 8000), "13": Codec("cn", 8000),
    "14": Codec("mpa", 90000), "15": Codec("g728", 8000), "16": Codec("dvi4", 11025), "17": Codec("dvi4", 22050),
    "18": Codec("g729", 8000), "25": Codec("celb", 90000), "26": Codec("jpeg", 90000), "28": Codec("nv", 90000),
    "31": Codec("h261", 90000), "32": Codec("mpv", 90000), "33": Codec("mp2t", 90000), "34": Codec("h263", 90000),
}  # fmt: skip


@dataclass(slots=True)
class Media:
    """One m-line and the lines under it (RFC 8866 section 5.14).

    :param kind: "audio", "video", "image", ...
    :param port: 0 to 65535; 0 refuses or removes the stream (RFC 3264 section 6).
    :param profile: the transport protocol, "RTP/AVP" for instance.
    :param formats: for RTP the payload types, most preferred first.
    :param count: the number after the port's slash.
    :param connection: this stream's own c-line, "IN IP4 192.0.2.1"; "" when the session's counts.
    :param lines: all other lines under it, "a=ptime:20" for instance, in their order.
    """

    kind: str
    port: int
    profile: str
    formats: tuple[str, ...]
    count: int = 1
    connection: str = ""
    lines: tuple[str, ...] = ()

    def codecs(self) -> dict[str, Codec]:
        """The encoding of each payload type in `formats`, in their order; one that nothing explains is left out."""
        return codecs(self.formats, self.lines)

    def attribute(self, name: str) -> str | None:
        """The value of the first `a=name:value` line, "" for a bare `a=name`, None when there is neither."""
        return _attribute(self.lines, name)

    def format_parameters(self, payload: str) -> str:
        """What `a=fmtp` says of a payload type; "" when nothing."""
        prefix = f"a=fmtp:{payload} "
        return next((line[len(prefix) :].strip() for line in self.lines if line.startswith(prefix)), "")

    @property
    def ptime(self) -> int | None:
        """Milliseconds of sound that the phone wants in a packet (RFC 8866 section 6.4)."""
        value = (_attribute(self.lines, "ptime") or "").strip()
        return int(value) if _is_number(value, 4) else None


@dataclass(slots=True)
class SessionDescription:
    """A whole description.

    :param origin: the value of the o-line (RFC 8866 section 5.2).
    :param name: the value of the s-line, "-" for none.
    :param connection: the session's c-line, "IN IP4 192.0.2.1"; "" when each stream has its own.
    :param lines: the session's other lines, in their order.
    :param media: the streams; an answer has as many as the offer, in the same order (RFC 3264 section 6).
    """

    origin: str
    name: str
    connection: str
    lines: tuple[str, ...]
    media: tuple[Media, ...]

    def host(self, media: Media) -> str:
        """The address, or name, to which a stream of this description is to be sent; "" when it is not IP."""
        return host(media.connection or self.connection)

    def direction(self, media: Media) -> str:
        """Its own direction, or the session's, or "sendrecv" (RFC 8866 section 6.7)."""
        return direction(media.lines + self.lines)


@lru_cache(maxsize=1024)
def host(connection: str) -> str:
    """The host that a c-line names; see `SessionDescription.host`."""
    words = connection.split()
    return words[2].partition("/")[0] if words[:1] == ["IN"] else ""


def codecs(formats: tuple[str, ...], lines: tuple[str, ...]) -> dict[str, Codec]:
    """The encodings of an m-line with these payload types and these lines under it; see `Media.codecs`."""
    mapped = {}
    for line in lines:
        if line.startswith("a=rtpmap:"):
            payload, _, encoding = line[9:].partition(" ")
            mapped[payload] = _codec(encoding)
    found = {}
    for payload in formats:
        codec = mapped[payload] if payload in mapped else STATIC_PAYLOADS.get(payload)
        if codec is not None:
            found[payload] = codec
    return found


def direction(lines: tuple[str, ...]) -> str:
    """The direction that the first of these lines gives which gives one; see `SessionDescription.direction`."""
    for line in lines:
        if line in _DIRECTION_LINES:
            return _DIRECTION_LINES[line]
    return SENDRECV


def rtcp(lines: tuple[str, ...]) -> tuple[str, int] | None:
    """What `a=rtcp` says (RFC 3605): host, "" for the stream's own, and port. None when it says nothing of use."""
    words = (_attribute(lines, "rtcp") or "").split()
    if not words or not _is_number(words[0], 5) or not 0 < int(words[0]) < 65536:
        return None
    return (words[3] if len(words) == 4 else "", int(words[0]))


def parse(body: bytes) -> SessionDescription:
    """Read a description. Line ends may be CR LF or LF alone (RFC 8866 section 5); empty lines are skipped.

    :raises Malformed: 400, when it is none.
    """
    text = body.decode("utf-8", "surrogateescape").replace("\r\n", "\n")
    if "\r" in text or "\0" in text:
        raise Malformed(400, "SDP with a stray CR or NUL")
    rows = text.split("\n")
    if len(rows) > _MOST_LINES:
        raise Malformed(400, "SDP of too many lines")
    if rows[0] != "v=0":
        raise Malformed(400, "SDP does not begin with v=0")
    origin = name = None
    description = SessionDescription("", "-", "", (), ())
    section: SessionDescription | Media = description
    lines: list[str] = []
    media: list[Media] = []
    for row in rows[1:]:
        kind = row[:2]
        if kind == "a=":
            lines.append(row)
        elif kind == "m=":
            words = row[2:].split()
            if len(words) < 3:
                raise Malformed(400, "SDP m= line is too short")
            found = _PORT.fullmatch(words[1])
            if found is None or (port := int(found[1])) > 65535:
                raise Malformed(400, "SDP m= line without a port")
            if port and len(words) == 3:
                raise Malformed(400, "SDP m= line without a format")
            section.lines = tuple(lines)
            section, lines = Media(words[0], port, words[2], tuple(words[3:]), int(found[2] or 1)), []
            media.append(section)
        elif kind == "c=" and not section.connection:
            section.connection = row[2:]
            if len(section.connection.split()) != 3:
                raise Malformed(400, "SDP c= line is not of three words")
        elif kind == "o=" and origin is None:
            origin = row[2:]
        elif kind == "s=" and name is None:
            name = row[2:]
        elif kind[1:] == "=":
            lines.append(row)
        elif row:
            raise Malformed(400, "SDP line is not of the form x=value")
    if origin is None:
        raise Malformed(400, "SDP without o=")
    section.lines = tuple(lines)
    for stream in media:
        if stream.port and not stream.connection and not description.connection:
            raise Malformed(400, "SDP without c= for a stream")
    description.origin, description.media = origin, tuple(media)
    if name is not None:
        description.name = name
    return description


def serialise(description: SessionDescription) -> bytes:
    """Write a description, lines ended by CR LF, c= after i=, u=, e= and p= (RFC 8866 section 9)."""
    rows = ["v=0", f"o={description.origin}", f"s={description.name}"]
    sections: tuple[SessionDescription | Media, ...] = (description, *description.media)
    for section in sections:
        if isinstance(section, Media):
            count = f"/{section.count}" if section.count != 1 else ""
            rows.append(f"m={section.kind} {section.port}{count} {section.profile} {' '.join(section.formats)}")
        lines = section.lines
        first = 0
        if section.connection:
            while first < len(lines) and lines[first][0] in "iuep":
                first += 1
            rows += lines[:first]
            rows.append(f"c={section.connection}")
        rows += lines[first:]
    rows.append("")
    return "\r\n".join(rows).encode("utf-8", "surrogateescape")


def _attribute(lines: tuple[str, ...], name: str) -> str | None:
    prefix = f"a={name}:"
    for line in lines:
        if line.startswith(prefix):
            return line[len(prefix) :]
        if line == prefix[:-1]:
            return ""
    return None


@lru_cache(maxsize=512)
def _codec(encoding: str) -> Codec | None:
    """The value of "opus/48000/2"; None when it is not one."""
    name, _, rest = encoding.strip().partition("/")
    rate, _, channels = rest.partition("/")
    if not name or not _is_number(rate, 9):
        return None
    return Codec(name.lower(), int(rate), int(channels) if _is_number(channels, 3) else 1)


def _is_number(text: str, longest: int) -> bool:
    """Whether it is of 1 to `longest` ASCII digits; `int` alone accepts signs, spaces and the digits of all scripts."""
    return 0 < len(text) <= longest and text.isascii() and text.isdigit()
