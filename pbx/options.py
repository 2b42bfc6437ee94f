"""What one option may hold: a reader for each kind turns the TOML value into ours, or says what is wrong with it.

A reader takes the option's name, for its sentence, and the value; it raises `Wrong` and nothing else.
"""

from __future__ import annotations

import difflib
import errno
import json
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path

Network = IPv4Network | IPv6Network

# RFC 1918, loopback and link-local (RFC 3927), unique local addresses (RFC 4193): peers there see our own address.
_IPV4 = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16")
_IPV6 = ("::1/128", "fe80::/10", "fc00::/7")
LOCAL_NETWORKS: tuple[Network, ...] = tuple(map(ip_network, _IPV4 + _IPV6))

# Encoding names of RFC 3551 and of those registered since: a misspelt codec is found before it costs a call.
CODECS = (
    *("opus", "G722", "PCMA", "PCMU", "telephone-event", "AMR", "AMR-WB", "CN", "DVI4", "EVS", "G719", "G7221"),
    *("G723", "G726-16", "G726-24", "G726-32", "G726-40", "G728", "G729", "GSM", "GSM-EFR", "iLBC", "L16"),
    *("LPC", "red", "SILK", "speex"),
)
DIGESTS = ("MD5", "SHA-256")
_NOT_SPEECH = frozenset({"telephone-event", "CN", "red"})

_LARGEST = 2**20  # bytes of a configuration file

# RFC 3261 section 25.1, `host`, loosely.
_HOST_NAME = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")


def contents(path: str | Path) -> bytes:
    """Read a whole configuration file.

    :raises OSError: it cannot be read, or it is none: it has no end, say.
    """
    with open(path, "rb") as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise OSError(errno.EFBIG, f"it is larger than {_LARGEST >> 20} MiB")
    return content


class Wrong(Exception):
    """What is wrong with an option, and its remedy; whoever reads the file adds the place."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what, remedy)
        self.what = what
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Listener:
    """One address on which SIP is received.

    :param transport: "UDP", "TCP" or "TLS", as Via writes it.
    :param host: an IP address, without brackets.
    :param port: 0 takes any free port.
    """

    transport: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.transport.lower()}:{host}:{self.port}"


def shown(value: object) -> str:
    """Return the value about as TOML writes it, cut to what fits into a sentence."""
    written = json.dumps(value, default=str)
    return written if len(written) <= 60 else f"{written[:57]}..."


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the remedy for a misspelt name."""
    names = list(known)
    close = difflib.get_close_matches(name, names, 1)
    return f"did you mean {close[0]}?" if close else f"known here: {', '.join(names)}"


def text(label: str, value: object) -> str:
    """Read a text without control characters."""
    if not isinstance(value, str):
        raise Wrong(f"{label} is {shown(value)}, not a text", "put it in double quotes")
    if not value.isprintable():
        raise Wrong(f"{label} is {shown(value)}, with a control character in it", "remove that character")
    return value


def texts(label: str, value: object) -> list[str]:
    """Read a list of texts, none of them twice."""
    if not isinstance(value, list):
        raise Wrong(f"{label} is {shown(value)}, not a list", 'write ["...", "..."]')
    items = [text(label, item) for item in value]
    seen: set[str] = set()
    for item in items:
        if item.lower() in seen:
            raise Wrong(f"{label} names {shown(item)} twice", "remove one of the two")
        seen.add(item.lower())
    return items


def seconds(label: str, value: object, highest: float = 86400) -> float:
    """Read a number of seconds, fractions allowed."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -math.inf < value < math.inf:
        raise Wrong(f"{label} is {shown(value)}, not a number", "write a number of seconds, without quotes")
    if not 0 <= value <= highest:
        raise Wrong(f"{label} is {shown(value)}", f"write a number of seconds from 0 to {highest}")
    return value


def expires(label: str, value: object) -> int:
    """Read whole seconds from 1 to the highest delta-seconds (RFC 3261 20.19)."""
    number = seconds(label, value, 2**32 - 1)
    if not isinstance(number, int) or number == 0:
        raise Wrong(f"{label} is {shown(value)}", "write a whole number of seconds, at least 1")
    return number


def whole(lowest: int, highest: int) -> Callable[[str, object], int]:
    """Return the reader of a whole number within bounds."""

    def reader(label: str, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
            raise Wrong(f"{label} is {shown(value)}", f"write a whole number from {lowest} to {highest}")
        return value

    return reader


def one_of(*known: str) -> Callable[[str, object], str]:
    """Return the reader of a text that must be one of a few."""

    def reader(label: str, value: object) -> str:
        word = text(label, value)
        if word not in known:
            raise Wrong(f"{label} is {shown(word)}", f"write one of {', '.join(known)}")
        return word

    return reader


def _is_address(written: str) -> bool:
    try:
        ip_address(written)
    except ValueError:
        return False
    return True


def host(label: str, value: object) -> str:
    """Read "", a host name or an IP address; return it in lower case and without brackets."""
    written = text(label, value)
    bare = written[1:-1] if written.startswith("[") and written.endswith("]") else written
    if written and not _is_address(bare) and not _HOST_NAME.fullmatch(written):
        raise Wrong(f"{label} is {shown(written)}", "write a host name or an IP address, without a port")
    return bare.lower()


def server(label: str, value: object) -> tuple[str, int] | None:
    """Read "", or "HOST:PORT", IPv6 in brackets; return them apart, None for ""."""
    written = text(label, value)
    if not written:
        return None
    name, _, port = written.rpartition(":")
    if not name or not re.fullmatch("[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        raise Wrong(f"{label} is {shown(written)}", 'write a host and a port, such as "localhost:25"')
    return host(label, name), int(port)


def address(label: str, value: object) -> str:
    """Read "" or an IP address, and not the one that means all of them: no phone could send there."""
    written = text(label, value)
    if written and not (_is_address(written) and not ip_address(written).is_unspecified):
        raise Wrong(f"{label} is {shown(written)}, not an IP address", 'write one of this machine\'s, or ""')
    return written


def domains(label: str, value: object) -> tuple[str, ...]:
    """Read a list of host names."""
    hosts = tuple(host(label, item) for item in texts(label, value))
    if "" in hosts:
        raise Wrong(f"{label} holds an empty text", 'remove it, or write a domain such as "example.com"')
    return hosts


def listen(label: str, value: object) -> tuple[Listener, ...]:
    """Read at least one listener."""
    items = texts(label, value)
    if not items:
        raise Wrong(f"{label} is empty", 'write for example ["udp:0.0.0.0:5060"]')
    return tuple(_listener(label, item) for item in items)


def rtpengines(label: str, value: object) -> tuple[Listener, ...]:
    """Read where instances of rtpengine are asked."""
    found = tuple(_listener(label, item) for item in texts(label, value))
    for place in found:
        if place.transport != "UDP" or not place.port or ip_address(place.host).is_unspecified:
            raise Wrong(f"{label}: {shown(str(place))} is not where rtpengine listens", 'write "udp:127.0.0.1:2223"')
    return found


def _listener(label: str, written: str) -> Listener:
    remedy = 'write "udp:ADDRESS:PORT", or tcp, or tls; IPv6 in brackets: "udp:[::]:5060"'
    transport, _, place = written.partition(":")
    name, _, port = place.rpartition(":")
    bracketed = name.startswith("[") and name.endswith("]")
    bare = name[1:-1] if bracketed else name
    if transport not in {"udp", "tcp", "tls"} or not _is_address(bare) or bracketed is not (":" in bare):
        raise Wrong(f"{label}: {shown(written)} is not a transport, an IP address and a port", remedy)
    if not re.fullmatch("[0-9]{1,5}", port) or int(port) > 65535:
        raise Wrong(f"{label}: {shown(written)} has no port from 0 to 65535", remedy)
    return Listener(transport.upper(), bare, int(port))


def realm(label: str, value: object) -> str:
    """Read what can stand in a quoted string without escapes (RFC 3261 section 25.1)."""
    written = text(label, value)
    if not written.isascii() or len(written) > 255 or '"' in written or "\\" in written:
        raise Wrong(f"{label} is {shown(written)}", "write at most 255 ASCII characters, no quotes or backslashes")
    return written


def networks(label: str, value: object) -> tuple[Network, ...]:
    """Read a list of networks, each with its prefix length."""
    found: list[Network] = []
    for item in texts(label, value):
        try:
            found.append(ip_network(item))
        except ValueError as error:
            raise Wrong(f"{label}: {shown(item)} is not a network", 'write it as "192.168.0.0/16"') from error
    return tuple(found)


def url(label: str, value: object) -> str:
    """Read the URL of a database that outlives the process."""
    written = text(label, value)
    remedy = 'write "sqlite:///pbx.db" or "postgresql://USER:PASSWORD@HOST/DATABASE"'
    if written.startswith("sqlite:///"):
        if written.removeprefix("sqlite:///") in {"", ":memory:"} or "?" in written:
            raise Wrong(f"{label} is {shown(written)}, which names no file", remedy)
    elif not written.startswith("postgresql://"):
        # Not shown: there may be a password in it.
        raise Wrong(f"{label} is no URL that we know", remedy)
    return written


def ports(label: str, value: object) -> range:
    """Read "FIRST-LAST", with room for one call."""
    written = text(label, value)
    found = re.fullmatch("([0-9]{1,5})-([0-9]{1,5})", written)
    first, last = map(int, found.groups()) if found else (0, 0)
    if not 1024 <= first <= last <= 65535:
        raise Wrong(f"{label} is {shown(written)}", 'write two ports from 1024 to 65535 as "10000-19999"')
    if last - first - first % 2 < 3:
        # An even port and the odd one above it make a pair; those at the ends may be of no use.
        raise Wrong(f"{label} is {shown(written)}, less than the four ports of a call", "write a wider range")
    return range(first, last + 1)


def codecs(label: str, value: object) -> tuple[str, ...]:
    """Read a list of encoding names; return them in their registered spelling."""
    spelling = {name.lower(): name for name in CODECS}
    items = texts(label, value)
    for item in items:
        if item.lower() not in spelling:
            raise Wrong(f"{label}: {shown(item)} is no codec that we know", nearest(item, CODECS))
    names = tuple(spelling[item.lower()] for item in items)
    if _NOT_SPEECH.issuperset(names):
        raise Wrong(f"{label} holds no codec for speech", 'write for example ["PCMA", "PCMU"]')
    return names


def digest(label: str, value: object) -> tuple[str, ...]:
    """Read a list of digest algorithms; return their names in capitals."""
    names = tuple(item.upper() for item in texts(label, value))
    for name in names:
        if name not in DIGESTS:
            raise Wrong(f"{label}: {shown(name)} is no digest that we speak", nearest(name, DIGESTS))
    if not names:
        raise Wrong(f"{label} is empty: nobody could prove who calls", 'write ["MD5"]')
    return names


def calling_code(label: str, value: object) -> str:
    """Read "" or the calling code of a country (ITU-T E.164), digits alone."""
    written = text(label, value)
    if written and not re.fullmatch("[1-9][0-9]{0,2}", written):
        raise Wrong(f"{label} is {shown(written)}, no calling code", 'write for example "33", or ""')
    return written


def dialled_prefix(label: str, value: object) -> str:
    """Read "" or digits that are dialled before a number."""
    written = text(label, value)
    if not re.fullmatch("[0-9]{0,6}", written):
        raise Wrong(f"{label} is {shown(written)}, no digits to dial", 'write for example "0", or ""')
    return written


def dialled_numbers(label: str, value: object) -> tuple[str, ...]:
    """Read a list of numbers, digits alone."""
    numbers = value if isinstance(value, list) else [value]
    for number in numbers:
        if not (isinstance(number, str) and re.fullmatch("[0-9]{2,15}", number)):
            raise Wrong(f"{label} holds {shown(number)}, no number to dial", 'write for example ["112"]')
    return tuple(numbers)


def boolean(label: str, value: object) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise Wrong(f"{label} is {shown(value)}", "write true or false, without quotes")
    return value


def optional_file(label: str, value: object) -> Path | None:
    """Read "" or the name of a file; None for the former."""
    return file(label, value) if value != "" else None


def file(label: str, value: object) -> Path:
    """Read the name of a file."""
    name = text(label, value)
    if not name:
        raise Wrong(f"{label} is empty", "write the name of a file")
    return Path(name)
