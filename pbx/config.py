"""The configuration file: TOML in, one frozen `Config` out, or one `Fault` that names the line, and nothing else.

Every section is a dataclass: its fields are the options, its defaults theirs. `pbx.options` reads each value.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pbx import options
from pbx.exchange.numbering import Numbering
from pbx.exchange.thresholds import Thresholds
from pbx.faults import Fault
from pbx.features.voicemail import mailbox
from pbx.media.keying import MODES
from pbx.options import LOCAL_NETWORKS, Listener, Network, Wrong, nearest, shown
from pbx.sip.occupancy import CALLS, CONNECTIONS, TRANSACTIONS
from pbx.sip.parser import LIMITS
from pbx.statements import line_of

PLACES = ("./pbx.toml", "/etc/pbx/pbx.toml")


@dataclass(frozen=True, slots=True)
class Sip:
    """`[sip]`: where we listen, what we call ourselves, and what we read at most (`max_head` and `max_body` in bytes).

    `drain` is in seconds; a loaded `realm` is never empty. `max_connections` and `max_per_address` count connections,
    the last four what their names say.
    """

    listen: tuple[Listener, ...] = (Listener("UDP", "0.0.0.0", 5060), Listener("TCP", "0.0.0.0", 5060))
    realm: str = ""
    server: str = "PBX"
    advertise: str = ""
    local_networks: tuple[Network, ...] = LOCAL_NETWORKS
    drain: float = 30
    digest: tuple[str, ...] = ("MD5",)
    max_head: int = LIMITS.head
    max_fields: int = LIMITS.fields
    max_body: int = LIMITS.body
    max_connections: int = CONNECTIONS[0]
    max_per_address: int = CONNECTIONS[1]
    max_calls: int = CALLS[0]
    max_calls_per_address: int = CALLS[1]
    max_transactions: int = TRANSACTIONS[0]
    max_transactions_per_address: int = TRANSACTIONS[1]


@dataclass(frozen=True, slots=True)
class Tls:
    """`[tls]`: PEM files, and whose certificates are checked.

    A loaded `key` is there whenever `certificate` is; without `ca`, those are trusted that the machine trusts.
    """

    certificate: Path | None = None
    key: Path | None = None
    ca: Path | None = None
    verify_clients: bool = False
    verify_servers: bool = True


@dataclass(frozen=True, slots=True)
class Registrar:
    """`[registrar]`: how long a registration may last, in seconds (RFC 3261 10.3 step 7), of how many phones, and how
    often these are asked whether they are there.

    `when_full` is "replace" or "refuse", `path` is "supported" or "any"; `qualify` is in seconds, 0 for never.
    `end_calls` is about extensions that are removed or disabled.
    """

    min_expires: int = 60
    max_expires: int = 7200
    default_expires: int = 3600
    max_contacts: int = 10
    when_full: str = "replace"
    path: str = "supported"
    qualify: float = 60
    end_calls: bool = False


@dataclass(frozen=True, slots=True)
class Database:
    """`[database]`: a URL of SQLAlchemy; the path in a loaded `sqlite:///` URL is absolute."""

    url: str = "sqlite:///pbx.db"


@dataclass(frozen=True, slots=True)
class Media:
    """`[media]`: the address to bind ("": the one that leads to the peer), the ports, the relay, the codecs, sounds.

    `rtpengine` is where its instances are asked. `threads` is how many native ones there are, 0 for one on each
    processor; `silence` and `silence_ends` are in seconds, the latter 0 for never; `srtp` is one of
    `pbx.media.keying.MODES`. `prompts` is the folder whose prompts count before ours; `recordings` the one for what is
    recorded.
    """

    address: str = ""
    ports: range = range(10000, 20000)
    engine: str = "auto"
    rtpengine: tuple[Listener, ...] = ()
    threads: int = 0
    silence: float = 10
    silence_ends: float = 0
    srtp: str = "accept"
    codecs: tuple[str, ...] = ("opus", "G722", "PCMA", "PCMU", "telephone-event")
    prompts: Path | None = None
    recordings: Path = Path("recordings")


@dataclass(frozen=True, slots=True)
class Dialplan:
    """`[dialplan]`: the Python file whose global `plan` decides what a call does; how numbers are dialled here.

    `check` is what becomes of a plan in which `pbx check` finds something; `tests` is what one has to pass before it
    takes the place of another. `country` is a calling code; `emergency` are the numbers for which no limit counts.
    """

    file: Path = Path("dialplan.py")
    reload_on_change: bool = False
    check: str = "warn"
    tests: Path | None = None
    country: str = ""
    national_prefix: str = "0"
    international_prefix: str = "00"
    emergency: tuple[str, ...] = ("112",)

    @property
    def numbering(self) -> Numbering:
        """How numbers are dialled here."""
        return Numbering(self.country, self.national_prefix, self.international_prefix, self.emergency)


@dataclass(frozen=True, slots=True)
class Voicemail:
    """`[voicemail]`: where messages are kept, what a mailbox may hold unless its row says otherwise, what phones are
    told to dial for it, and how messages are sent by e-mail.

    `silence` is in seconds. `smtp` is host and port of a relay, None for no e-mail; where there is one, `sender` is an
    address.
    """

    folder: Path = Path("voicemail")
    max_messages: int = mailbox.LIMITS.max_messages
    max_seconds: int = mailbox.LIMITS.max_seconds
    silence: int = mailbox.LIMITS.silence
    number: str = "*97"
    smtp: tuple[str, int] | None = None
    smtp_tls: bool = False
    sender: str = ""


@dataclass(frozen=True, slots=True)
class Records:
    """`[records]`: whether records of calls are kept, and for how many days; 0 for ever."""

    enabled: bool = True
    days: int = 0


@dataclass(frozen=True, slots=True)
class Trace:
    """`[trace]`: whether the messages of the last calls are kept, of how many calls, and in how many bytes."""

    enabled: bool = True
    calls: int = 1000
    bytes: int = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Control:
    """`[control]`: the unix socket through which the `pbx` command asks the running server."""

    socket: Path = Path("pbx.sock")


@dataclass(frozen=True, slots=True)
class Log:
    """`[log]`: "text" or "json", and the lowest level that is written."""

    format: str = "text"
    level: str = "info"


@dataclass(frozen=True, slots=True)
class Config:
    """All that the administrator has decided. Every path in it is absolute.

    :param path: the file, as the user named it.
    :param domains: the domains that are ours, in lower case.
    """

    path: str
    domains: tuple[str, ...]
    sip: Sip
    tls: Tls
    security: Thresholds
    registrar: Registrar
    database: Database
    media: Media
    dialplan: Dialplan
    voicemail: Voicemail
    records: Records
    trace: Trace
    control: Control
    log: Log
    _text: str = field(repr=False, compare=False)

    def fault(self, key: str, what: str, remedy: str) -> Fault:
        """Return the fault of an option that turns out to be wrong when it is used.

        :param key: the option, as "sip.listen"; when the file does not set it, its section or line 1 is named.
        """
        return Fault(self.path, line_of(self._text, key.split(".")), what, remedy)

    @contextmanager
    def blaming(self, key: str) -> Iterator[None]:
        """Give a `Fault` that is raised inside and names no file the place of the option `key`."""
        try:
            yield
        except Fault as fault:
            if fault.path:
                raise
            raise self.fault(key, fault.what, fault.remedy) from fault


_Reader = Callable[[str, object], object]

_SWITCH: dict[str, _Reader] = {"enabled": options.boolean}
_SECTIONS: dict[str, tuple[Callable[..., object], dict[str, _Reader]]] = {
    "sip": (
        Sip,
        {
            "listen": options.listen,
            "realm": options.realm,
            "server": options.realm,
            "advertise": options.host,
            "local_networks": options.networks,
            "drain": options.seconds,
            "digest": options.digest,
            "max_head": options.whole(1024, 2**20),
            "max_fields": options.whole(32, 2**14),
            "max_body": options.whole(1024, 2**24),
            **dict.fromkeys(
                (
                    "max_connections",
                    "max_per_address",
                    "max_calls",
                    "max_calls_per_address",
                    "max_transactions",
                    "max_transactions_per_address",
                ),
                options.whole(1, 10**6),
            ),
        },
    ),
    "tls": (
        Tls,
        {
            **dict.fromkeys(("certificate", "key", "ca"), options.optional_file),
            **dict.fromkeys(("verify_clients", "verify_servers"), options.boolean),
        },
    ),
    "security": (
        Thresholds,
        {
            "allow": options.networks,
            "failures": options.whole(3, 1000),
            "requests_per_second": options.whole(1, 10**5),
            "ban": options.whole(1, 86400),
            "longest_ban": options.whole(1, 10**8),
            "account_requests_per_second": options.whole(1, 10**5),
            "calls_at_once": options.whole(0, 10**6),
            "calls_per_hour": options.whole(0, 10**6),
            "destinations_per_hour": options.whole(0, 10**5),
        },
    ),
    "registrar": (
        Registrar,
        {
            **dict.fromkeys(("min_expires", "max_expires", "default_expires"), options.expires),
            "max_contacts": options.whole(1, 100),
            "when_full": options.one_of("replace", "refuse"),
            "path": options.one_of("supported", "any"),
            "qualify": options.seconds,
            "end_calls": options.boolean,
        },
    ),
    "database": (Database, {"url": options.url}),
    "media": (
        Media,
        {
            "address": options.address,
            "ports": options.ports,
            "engine": options.one_of("auto", "native", "python", "rtpengine"),
            "rtpengine": options.rtpengines,
            "threads": options.whole(0, 64),
            "silence": options.whole(1, 3600),
            "silence_ends": options.whole(0, 86400),
            "srtp": options.one_of(*MODES),
            "codecs": options.codecs,
            "prompts": options.optional_file,
            "recordings": options.file,
        },
    ),
    "dialplan": (
        Dialplan,
        {
            "file": options.file,
            "reload_on_change": options.boolean,
            "check": options.one_of("warn", "refuse", "off"),
            "tests": options.optional_file,
            "country": options.calling_code,
            **dict.fromkeys(("national_prefix", "international_prefix"), options.dialled_prefix),
            "emergency": options.dialled_numbers,
        },
    ),
    "voicemail": (
        Voicemail,
        {
            "folder": options.file,
            "max_messages": options.whole(1, 10**4),
            "max_seconds": options.whole(1, 3600),
            "silence": options.whole(1, 60),
            "number": options.text,
            "smtp": options.server,
            "smtp_tls": options.boolean,
            "sender": options.text,
        },
    ),
    "records": (Records, {**_SWITCH, "days": options.whole(0, 36500)}),
    "trace": (Trace, {**_SWITCH, "calls": options.whole(1, 10**6), "bytes": options.whole(2**16, 2**32)}),
    "control": (Control, {"socket": options.file}),
    "log": (
        Log,
        {
            "format": options.one_of("text", "json"),
            "level": options.one_of("debug", "info", "warn", "error", "critical"),
        },
    ),
}

# Options of one section none of which may be lower than the one before.
_RISING = {"registrar": ("min_expires", "default_expires", "max_expires"), "security": ("ban", "longest_ban")}


def find(explicit: str | None, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the configuration file: `--config`, else `$PBX_CONFIG`, `./pbx.toml`, `/etc/pbx/pbx.toml`.

    :param explicit: what the user gave; "" and None are nothing.
    :raises Fault: nothing is named and none is there.
    """
    if named := explicit or environment.get("PBX_CONFIG"):
        return Path(named)
    for place in PLACES:
        if os.path.isfile(place):
            return Path(place)
    what = f"no configuration: $PBX_CONFIG is not set and there is neither {' nor '.join(PLACES)}"
    raise Fault("", 0, what, "name the file with --config FILE")


def load(path: str | Path) -> Config:
    """Read and check the configuration file.

    :raises Fault: it cannot be read, or something in it is wrong; nothing else, whatever the file holds.
    """
    name = str(path)
    try:
        content = options.contents(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise Fault(name, 0, f"cannot be read: {reason}", "name the right file with --config FILE") from error
    try:
        return parse(content.decode("utf-8-sig"), name)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Fault(name, line, "this is not UTF-8", "save the file as UTF-8") from error


def parse(text: str, path: str) -> Config:
    """Check the text of a configuration file and return what it says.

    :param path: the file's name; relative paths in the text are relative to its folder.
    :raises Fault: something in it is wrong.
    """
    tree = _tree(text, path)
    at: list[str] = []
    try:
        domains, sections = _read(tree, at)
    except Wrong as wrong:
        raise Fault(path, line_of(text, at), wrong.what, wrong.remedy) from wrong
    sip: Sip = sections["sip"]
    tls: Tls = sections["tls"]
    folder = Path(path).absolute().parent
    media, dialplan = sections["media"], sections["dialplan"]
    return Config(
        path=path,
        domains=domains,
        sip=replace(sip, realm=sip.realm or (domains[0] if domains else "pbx")),
        tls=replace(
            tls,
            certificate=tls.certificate and folder / tls.certificate,
            key=(key := tls.key or tls.certificate) and folder / key,
            ca=tls.ca and folder / tls.ca,
        ),
        security=sections["security"],
        registrar=sections["registrar"],
        database=Database(_absolute(sections["database"].url, folder)),
        media=replace(media, prompts=media.prompts and folder / media.prompts, recordings=folder / media.recordings),
        dialplan=replace(dialplan, file=folder / dialplan.file, tests=dialplan.tests and folder / dialplan.tests),
        voicemail=replace(sections["voicemail"], folder=folder / sections["voicemail"].folder),
        records=sections["records"],
        trace=sections["trace"],
        control=Control(folder / sections["control"].socket),
        log=sections["log"],
        _text=text,
    )


def _absolute(url: str, folder: Path) -> str:
    prefix = "sqlite:///"
    return f"{prefix}{folder / url.removeprefix(prefix)}" if url.startswith(prefix) else url


def _tree(text: str, path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise Fault(path, 1, "it is nested too deeply", "write plain sections and lists") from error
    except ValueError as error:
        # tomllib says the place only in its sentence: "Invalid value (at line 3, column 5)", "(at end of document)".
        what, _, place = str(error).partition(" (at ")
        found = re.match(r"line (\d+)", place)
        line = int(found[1]) if found else text.rstrip("\n").count("\n") + 1
        raise Fault(path, line, f"this is not TOML: {what[:1].lower()}{what[1:]}", "correct the line") from error


def _read(tree: dict[str, Any], at: list[str]) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Return the domains and a dataclass for each section; `at` always holds the key that is being read."""
    known = ("domains", *_SECTIONS)
    for key in tree:
        at[:] = [key]
        if key not in known:
            raise Wrong(f"there is no option or section {shown(key)}", nearest(key, known))
    at[:] = ["domains"]
    domains = options.domains("domains", tree.get("domains", []))
    sections: dict[str, Any] = {}
    for name, (section, readers) in _SECTIONS.items():
        at[:] = [name]
        table = tree.get(name, {})
        if not isinstance(table, dict):
            raise Wrong(f"{name} is {shown(table)}, not a section", f"write [{name}] on a line of its own")
        values = {}
        for key, value in table.items():
            at[:] = [name, key]
            if key not in readers:
                raise Wrong(f"there is no option {shown(key)} in [{name}]", nearest(key, readers))
            values[key] = readers[key](f"[{name}] {key}", value)
        sections[name] = section(**values)
    for name, keys in _RISING.items():
        figures = [getattr(sections[name], key) for key in keys]
        if figures != sorted(figures):
            at[:] = [name, next(key for key in tree[name] if key in keys)]
            what = f"[{name}] {_listed(keys)} are {_listed(figures)}"
            raise Wrong(what, "put them in rising order")
    _check_tls(sections["sip"], sections["tls"], at)
    if sections["voicemail"].smtp is not None and "@" not in sections["voicemail"].sender:
        at[:] = ["voicemail", "smtp"]
        what = "[voicemail] smtp is set, and there is no sender for the e-mails"
        raise Wrong(what, 'write sender = "pbx@example.com" in [voicemail]')
    if sections["media"].engine == "rtpengine" and not sections["media"].rtpengine:
        at[:] = ["media", "engine"]
        what = '[media] engine is "rtpengine", and nothing says where one is'
        raise Wrong(what, 'write rtpengine = ["udp:127.0.0.1:2223"] in [media]')
    return domains, sections


def _listed(words: Sequence[object]) -> str:
    return f"{', '.join(map(str, words[:-1]))} and {words[-1]}"


def _check_tls(sip: Sip, tls: Tls, at: list[str]) -> None:
    """Check what two options say of TLS together."""
    listener = next((listener for listener in sip.listen if listener.transport == "TLS"), None)
    if listener is not None and tls.certificate is None:
        at[:] = ["sip", "listen"]
        what = f"[sip] listen holds {shown(str(listener))}, and there is no certificate for it"
        raise Wrong(what, 'write certificate = "cert.pem" and key = "key.pem" in [tls]')
    if tls.verify_clients and tls.ca is None:
        at[:] = ["tls", "verify_clients"]
        raise Wrong("[tls] verify_clients is true, and nobody can vouch for a client", 'write ca = "ca.pem" in [tls]')
