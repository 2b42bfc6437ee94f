"""The exchange as an administrator runs it: a folder with a configuration, the `pbx` command, and `twistd pbx`."""

from __future__ import annotations

import hashlib
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa

from pbx import config
from pbx.store import migration
from pbx.store.database import open_database
from tests.eventually import eventually
from tests.phones.certificate import write_certificate
from tests.phones.network import Network
from tests.phones.process import Process, free_port

REALM = "exchange.test"
_PROGRAMS = Path(sys.executable).parent
_COMPLAINT = re.compile(r"Traceback|Unhandled|#(error|critical)\b")
_CONFIG = """\
domains = ["{realm}"]

[sip]
listen = {listen}
drain = {drain}
advertise = "{advertise}"

[registrar]
qualify = {qualify}
path = "any"

[database]
url = "{database}"

[media]
engine = "{engine}"
{media}

[dialplan]
file = "dialplan.py"
{dialplan_options}
{check}

[control]
socket = "pbx.sock"
"""
_TLS = """
[tls]
certificate = "certificate.pem"
key = "key.pem"
ca = "certificate.pem"
"""


TRUSTING = 'allow = ["127.0.0.0/8"]\ncalls_at_once = 0\ncalls_per_hour = 0\ndestinations_per_hour = 0'
"""The `[security]` of a site whose tests and benchmarks would be bans and limits else."""


def password(number: str) -> str:
    """The password of an extension that an exchange has from the start."""
    return f"secret-{number}"


class Site:
    """A folder that holds all that an exchange is started from.

    :param folder: made here, with a migrated database.
    :param dialplan: the text of its dialplan.
    :param address: "address:port" at which it listens over UDP.
    :param streams: where else it listens, as in the configuration: "tcp:ADDRESS:PORT", "tls:ADDRESS:PORT".
    :param drain: seconds that SIGTERM waits for calls to end.
    :param qualify: seconds after which phones are asked whether they are there; 0: never, so that nothing but the test
        itself makes transactions.
    :param engine: what forwards RTP.
    :param media: more lines of `[media]`.
    :param security: the text of `[security]`; "" for the defaults.
    :param database: the URL of its database.
    :param dialplan_options: more lines of `[dialplan]`.
    :param advertise: the host that peers outside local networks are told; "": where it is.
    :param more: further sections.
    """

    def __init__(
        self,
        folder: Path,
        dialplan: str,
        address: str,
        *,
        streams: Iterable[str] = (),
        drain: float = 30,
        qualify: float = 0,
        engine: str = "auto",
        media: str = "",
        security: str = "",
        database: str = "sqlite:///pbx.db",
        dialplan_options: str = "",
        advertise: str = "",
        more: str = "",
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.config = folder / "pbx.toml"
        listen = [f"udp:{address}", *streams]
        # The check takes seconds of a processor at each start: only those who look for it have it.
        check = "" if "check =" in dialplan_options else "check = 'off'"
        text = _CONFIG.format(
            realm=REALM,
            listen=json.dumps(listen),
            drain=drain,
            qualify=qualify,
            engine=engine,
            media=media,
            database=database,
            dialplan_options=dialplan_options,
            check=check,
            advertise=advertise,
        )
        if any(listener.startswith("tls:") for listener in listen):
            write_certificate(folder, address.rpartition(":")[0])
            text += _TLS
        if security:
            text += f"\n[security]\n{security}\n"
        text += more
        self.config.write_text(text)
        (folder / "dialplan.py").write_text(dialplan)
        self.argv = [str(_PROGRAMS / "twistd"), "-n", "--pidfile=", "pbx", "--config", str(self.config)]
        migration.upgrade(config.load(self.config).database.url)

    def command(self, *words: str) -> str:
        """What `pbx` prints.

        :raises AssertionError: it failed; the message has its sentence.
        """
        argv = [str(_PROGRAMS / "pbx"), "--config", str(self.config), *words]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, f"pbx {' '.join(words)} ended with {done.returncode}: {done.stderr}"
        return done.stdout

    def insert(self, accounts: Iterable[tuple[str, str]]) -> None:
        """Adds extensions, numbers and passwords, by plain SQL, as another program would; the `pbx` command takes a
        second for each.
        """
        rows: list[dict[str, object]] = []
        for number, word in accounts:
            md5, sha256 = _hashes(f"{number}:{REALM}:{word}".encode())
            rows.append({"number": number, "md5": md5, "sha256": sha256, "realm": REALM})
        columns = "number, ha1_md5, ha1_sha256, realm"
        self.sql(f"INSERT INTO extensions ({columns}) VALUES (:number, :md5, :sha256, :realm)", rows)

    def sql(self, statement: str, rows: Sequence[dict[str, object]] = ({},)) -> None:
        """Has the database carry out a statement, once for each of `rows`, its parameters by name."""
        database = open_database(config.load(self.config).database.url, patience=10)
        with database.begin() as connection:
            for row in rows:
                connection.execute(sa.text(statement), row)
        database.dispose()


def _hashes(secret: bytes) -> tuple[str, str]:
    """HA1 for MD5 and for SHA-256 (RFC 8760)."""
    return hashlib.md5(secret).hexdigest(), hashlib.sha256(secret).hexdigest()


class Exchange(Site):
    """A site in a temporary folder whose exchange is started, asked, and stopped or killed.

    As a context manager it is running inside, and must have complained about nothing and end with 0 at the exit.

    :param dialplan: the text of its dialplan.
    :param extensions: the numbers that it has from the start, each with `password(number)`.
    :param streams: over what it listens beside UDP: "tcp", "tls".
    :param drain: seconds that SIGTERM waits for calls to end.
    :param cpu: the only processor it may use; None: any.
    :param qualify: seconds after which phones are asked whether they are there; 0: never.
    :param engine: what forwards RTP.
    :param media: more lines of `[media]`.
    :param security: the text of `[security]`; "" for the defaults.
    :param database: the URL of its database.
    :param dialplan_options: more lines of `[dialplan]`.
    :param network: where it is; None: on loopback.
    :param advertise: the host that peers outside local networks are told; "": where it is.
    :param descriptors: how many files it may have open; 0: as many as we.
    :ivar address: "address:port" at which it listens over UDP.
    :ivar addresses: the same for each transport.
    """

    def __init__(
        self,
        dialplan: str,
        extensions: Iterable[str] = (),
        *,
        streams: Iterable[str] = (),
        drain: float = 30,
        cpu: int | None = None,
        qualify: float = 0,
        engine: str = "auto",
        media: str = "",
        security: str = "",
        database: str = "sqlite:///pbx.db",
        dialplan_options: str = "",
        network: Network | None = None,
        advertise: str = "",
        descriptors: int = 0,
    ) -> None:
        # Not pytest's folder: the path of a unix socket has at most 107 characters.
        self._temporary = tempfile.TemporaryDirectory(prefix="pbx-")
        host = network.address if network else "127.0.0.1"
        self.address = f"{host}:{free_port()}"
        self.addresses = {name: f"{host}:{free_port()}" for name in streams}
        also = [f"{name}:{address}" for name, address in self.addresses.items()]
        self.addresses["udp"] = self.address
        self._cpu = cpu
        self._network = network
        self._descriptors = descriptors
        self.process: Process | None = None
        self._expected: tuple[str, ...] = ()
        super().__init__(
            Path(self._temporary.name),
            dialplan,
            self.address,
            streams=also,
            drain=drain,
            qualify=qualify,
            engine=engine,
            media=media,
            security=security,
            database=database,
            dialplan_options=dialplan_options,
            advertise=advertise,
        )
        self.insert((number, password(number)) for number in extensions)

    @property
    def pid(self) -> int:
        assert self.process, "the exchange was not started"
        return self.process.pid

    def start(self) -> None:
        """Starts it and returns when it is ready."""
        log = self.folder / "exchange.log"
        said = log.read_text().count("pbx ready") if log.exists() else 0
        process = self.process = Process(
            self.argv, log, cpu=self._cpu, network=self._network, descriptors=self._descriptors
        )

        def ready() -> bool:
            return process.output().count("pbx ready") > said

        try:
            eventually(lambda: ready() or process.status is not None, within=20)
            assert ready()
        except AssertionError:
            raise AssertionError(f"the exchange did not start\n{process.tail()}") from None

    def ask(self, *words: str) -> list[dict[str, Any]]:
        """The rows that a `pbx` command prints with `--json`."""
        rows: list[dict[str, Any]] = json.loads(self.command(*words, "--json"))
        return rows

    def status(self) -> dict[str, Any]:
        """`pbx status`."""
        [row] = self.ask("status")
        return row

    def figures(self) -> dict[str, int]:
        """What of `pbx status` a call changes, and its end must bring back."""
        status = self.status()
        names = ("calls", "sessions", "dialogs", "transactions", "media_ports", "timers")
        return {name: status[name] for name in names}

    def at_rest(self) -> dict[str, int]:
        """What the figures will be when the transactions of now are over: all had their final response, and each has
        one timer left.

        :raises AssertionError: there are calls.
        """
        figures = self.figures()
        assert figures["calls"] == figures["sessions"] == figures["dialogs"] == 0, figures
        return {**figures, "transactions": 0, "timers": figures["timers"] - figures["transactions"]}

    def comes_back(self, before: dict[str, int]) -> None:
        """Waits until the figures are what they were: as long as a transaction may last, 64*T1, and 2 s more.

        :raises AssertionError: they are not; the message has what they are.
        """
        figures, due = self.figures(), 0.0

        def reached() -> bool:
            nonlocal figures, due
            # Each question starts an interpreter: once a second is enough.
            if time.monotonic() >= due:
                figures, due = self.figures(), time.monotonic() + 1
            return figures == before

        try:
            eventually(reached, within=34)
        except AssertionError:
            raise AssertionError(f"wanted: {before}; there are {figures}") from None

    def registrations(self) -> list[dict[str, Any]]:
        """`pbx registrations`: one row for each binding."""
        return self.ask("registrations")

    def registered(self) -> list[str]:
        """The numbers that are registered, in order, each as often as it has bindings."""
        return sorted(row["number"] for row in self.registrations())

    def complaints(self) -> list[str]:
        """The lines of its log that it should not have written."""
        lines = [line for line in self.log().splitlines() if _COMPLAINT.search(line)]
        return [line for line in lines if not any(words in line for words in self._expected)]

    def expects(self, *words: str) -> None:
        """Lines with these words in them are no complaints: the test has provoked them."""
        self._expected += words

    def log(self) -> str:
        """All that it has written, also before it was killed and started again."""
        return self.process.output() if self.process else ""

    def send(self, number: signal.Signals) -> None:
        assert self.process, "the exchange was not started"
        self.process.send(number)

    def wait(self, within: float) -> int:
        """Its exit status, once it ends by itself; fails after `within` seconds."""
        assert self.process, "the exchange was not started"
        return self.process.wait(within)

    def stop(self) -> None:
        """Stops it by SIGINT, and fails unless it obeys, exits with 0 and never complained."""
        self.send(signal.SIGINT)
        status = self.wait(5)
        assert (status, self.complaints()) == (0, []), self.process and self.process.tail()

    def kill(self) -> None:
        """`kill -9`."""
        assert self.process, "the exchange was not started"
        self.process.kill()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(self, kind: object, failure: BaseException | None, trace: object) -> None:
        try:
            if failure is not None and self.process:
                failure.add_note(self.process.tail())
            elif self.process and self.process.status is None:
                self.stop()
        finally:
            self._leave()

    def _leave(self) -> None:
        if self.process and self.process.status is None:
            self.process.kill()
        self._temporary.cleanup()
