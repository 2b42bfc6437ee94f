"""pbx.service: what is wrong is one line before the reactor runs; then it is ready, obeys signals, ends with 0."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent

from pbx.control import ControlSocket
from pbx.ending import HANG_UP, Ending
from pbx.media import native
from pbx.service import Options, makeService
from pbx.store import migration
from pbx.store.database import open_database
from pbx.store.records import write_records
from tests.eventually import eventually
from tests.phones.process import Process
from tests.store.test_records import ONE

PROGRAMS = Path(sys.executable).parent
DIALPLAN = """\
from pbx.dialplan import Call, Plan, ext

plan = Plan()


@plan.internal("<number:1XXX>")
async def extension(call: Call, number: str) -> None:
    await call.dial(ext(number), timeout=20)
"""
CONFIG = '[sip]\nlisten = ["udp:127.0.0.1:0"]\n'


class Site:
    """A folder with a configuration and a dialplan, short enough in its path for a unix socket."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "pbx.toml"
        self.config.write_text(CONFIG)
        self.dialplan = folder / "dialplan.py"
        self.dialplan.write_text(DIALPLAN)
        self.argv = [str(PROGRAMS / "twistd"), "-n", "--pidfile=", "pbx", "--config", str(self.config)]

    def files(self) -> list[str]:
        """What is in the folder, without the two that SQLite makes and removes as it likes."""
        return sorted({*os.listdir(self.folder)} - {"pbx.db-shm", "pbx.db-wal"})

    def refusal(self) -> str:
        """The line with which `makeService` refuses, in this process; nothing may be left behind."""
        before = self.files()
        options = Options()
        options.parseOptions(["--config", str(self.config)])
        with pytest.raises(SystemExit) as ended:
            makeService(options)
        line = ended.value.code
        assert isinstance(line, str)
        assert len(line.splitlines()) == 1
        assert self.files() == before
        return line.replace(f"{self.folder}/", "")

    def twistd_refuses(self, *extra: str) -> str:
        """The line with which a real `twistd` ends, with status 1."""
        before = self.files()
        done = subprocess.run(
            [*self.argv, *extra], capture_output=True, text=True, timeout=30, check=False, cwd=self.folder
        )
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.count("\n") == 1, done.stderr
        assert self.files() == before
        return done.stderr.rstrip("\n").replace(f"{self.folder}/", "")

    @contextmanager
    def running(self) -> Iterator[Process]:
        """A server that is ready; it is killed at the end, if it has not ended by itself."""
        log = self.folder / "log"
        log.write_text("")
        with Process(self.argv, log) as process:
            eventually(lambda: "pbx ready" in process.output() or process.status is not None, within=20)
            assert process.status is None, process.tail()
            yield process
            process.kill()

    def pbx(self, *words: str) -> Any:
        argv = [str(PROGRAMS / "pbx"), "--config", str(self.config), *words, "--json"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def sql(self, statement: str, *parameters: object) -> None:
        with closing(sqlite3.connect(self.folder / "pbx.db", timeout=10)) as file:
            file.execute(statement, parameters)
            file.commit()

    def upgraded(self) -> None:
        migration.upgrade(f"sqlite:///{self.folder}/pbx.db")


@pytest.fixture
def site() -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="pbx-") as name:
        yield Site(Path(name))


@contextmanager
def taken_port() -> Iterator[int]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        yield other.getsockname()[1]


# What an administrator gets wrong -------------------------------------------


def test_twistd_refuses_an_unknown_option_of_the_configuration(site: Site) -> None:
    site.config.write_text('# ours\n[sip]\nlistn = ["udp:127.0.0.1:0"]\n')
    assert site.twistd_refuses() == 'pbx.toml:3: there is no option "listn" in [sip]; did you mean listen?'


def test_twistd_refuses_a_wrong_value(site: Site) -> None:
    site.config.write_text('[media]\nports = "20000-10000"\n')
    assert site.twistd_refuses().startswith('pbx.toml:2: [media] ports is "20000-10000"; write two ports')


def test_twistd_refuses_a_wrong_type(site: Site) -> None:
    site.config.write_text('[sip]\ndrain = "30"\n')
    assert site.twistd_refuses().startswith('pbx.toml:2: [sip] drain is "30", not a number; write a number')


def test_twistd_refuses_a_port_that_is_taken(site: Site) -> None:
    with taken_port() as port:
        site.config.write_text(f'[sip]\nrealm = "r"\nlisten = ["udp:127.0.0.1:0", "udp:127.0.0.1:{port}"]\n')
        line = f"pbx.toml:3: udp:127.0.0.1:{port} is taken; stop the program that has it, or listen elsewhere"
        assert site.twistd_refuses() == line


def test_twistd_refuses_a_dialplan_with_a_syntax_error(site: Site) -> None:
    site.dialplan.write_text("from pbx.dialplan import Plan\n\nplan = Plan(\n")
    assert site.twistd_refuses().startswith("dialplan.py:3: SyntaxError: ")


def test_twistd_refuses_a_dialplan_with_an_unknown_extension(site: Site) -> None:
    site.dialplan.write_text(DIALPLAN.replace("ext(number)", 'ext("1099")'))
    expected = "dialplan.py:8: unknown extension 1099; add it with `pbx extension add 1099`"
    assert site.twistd_refuses() == expected


def test_twistd_refuses_a_database_that_cannot_be_opened(site: Site) -> None:
    (site.folder / "pbx.db").write_bytes(b"a letter to my aunt\n" * 100)
    site.config.write_text(CONFIG + '\n[database]\nurl = "sqlite:///pbx.db"\n')
    assert site.twistd_refuses().startswith("pbx.toml:5: the database pbx.db refuses: file is not a database; ")


@pytest.mark.parametrize("words", [["--colour=red"], ["now"], ["--config"]])
def test_twistd_refuses_options_that_it_does_not_know(site: Site, words: list[str]) -> None:
    line = site.twistd_refuses(*words)
    assert line.startswith("twistd pbx: ")
    assert line.endswith("; see `twistd pbx --help`")


def test_missing_configuration_is_one_line(site: Site) -> None:
    site.config.unlink()
    assert site.refusal().startswith("pbx.toml: cannot be read: No such file or directory; ")


def test_address_of_another_machine_is_refused(site: Site) -> None:
    site.config.write_text('[sip]\nlisten = ["udp:192.0.2.1:0"]\n')
    assert site.refusal().startswith("pbx.toml:2: udp:192.0.2.1:0 is no address of this machine; ")


def test_media_address_of_another_machine_is_refused(site: Site) -> None:
    site.config.write_text(f'{CONFIG}\n[media]\naddress = "192.0.2.1"\n')
    assert site.refusal() == 'pbx.toml:5: 192.0.2.1 is no address of this machine; write one that is, or ""'


def test_dialplan_that_is_not_there_is_refused(site: Site) -> None:
    site.dialplan.unlink()
    assert site.refusal().startswith("dialplan.py: the dialplan cannot be read: No such file or directory; ")


def test_dialplan_may_name_extensions_that_there_are(site: Site) -> None:
    site.upgraded()
    site.sql("INSERT INTO extensions (number) VALUES ('1099')")
    site.dialplan.write_text(DIALPLAN.replace("ext(number)", 'ext("1099"), ext("1098")'))
    assert site.refusal().startswith("dialplan.py:8: unknown extension 1098; ")


def test_database_without_its_folder_is_refused(site: Site) -> None:
    site.config.write_text(CONFIG + '[database]\nurl = "sqlite:///none/pbx.db"\n')
    assert site.refusal().startswith("pbx.toml:4: the database none/pbx.db cannot be made: No such file or directory; ")


def test_database_of_a_newer_version_is_refused(site: Site) -> None:
    site.upgraded()
    site.sql("UPDATE alembic_version SET version_num = '9999'")
    assert "the database is of a newer version (revision 9999); install that version" in site.refusal()


def test_realm_that_is_not_that_of_the_passwords_is_refused(site: Site) -> None:
    site.upgraded()
    site.sql("INSERT INTO extensions (number, realm) VALUES ('1001', 'old.example'), ('1002', 'new.example')")
    site.config.write_text(f'domains = ["new.example"]\n{CONFIG}')
    line = site.refusal()
    assert 'the realm is "new.example", and the passwords of 1001 were set for another; set them anew' in line
    assert "1002" not in line


def test_control_socket_of_a_living_server_is_refused(site: Site) -> None:
    site.config.write_text(CONFIG + '[control]\nsocket = "pbx.sock"\n')
    living = ControlSocket(site.folder / "pbx.sock")
    assert site.refusal().startswith("pbx.toml:4: a server is running at pbx.sock; stop it")
    living.close()


def test_postgresql_without_its_driver_is_refused(site: Site) -> None:
    site.config.write_text(CONFIG + '[database]\nurl = "postgresql://joe:secret@127.0.0.1:9/pbx"\n')
    line = site.refusal()
    assert line.startswith("pbx.toml:4: ")
    assert "secret" not in line


def test_options_show_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    for option, words in (("--version", "pbx 0."), ("--help", "--config")):
        with pytest.raises(SystemExit) as ended:
            Options().parseOptions([option])
        assert not ended.value.code
        assert words in capsys.readouterr().out


# Running ---------------------------------------------------------------------


def test_server_makes_its_database_and_answers_and_leaves_no_socket_behind(site: Site) -> None:
    with site.running() as server:
        (row,) = site.pbx("status")
        assert re.fullmatch(r"udp:127\.0\.0\.1:[0-9]+", row["listeners"][0])
        zero = ("calls", "sessions", "dialogs", "transactions", "subscriptions", "media_ports", "timers")
        assert {row[name] for name in (*zero, "registrations", "backlog")} == {0}
        assert (row["drops"], row["version"][:2]) == ({}, "0.")
        assert row["engine"].partition(":")[0] == ("native" if native.is_there() else "python")
        assert 0 <= row["uptime"] < 30
        assert site.pbx("registrations") == []
        assert (site.folder / "pbx.sock").stat().st_mode & 0o777 == 0o600
        assert (site.folder / "pbx.db").stat().st_mode & 0o777 == 0o600
        server.send(signal.SIGINT)
        assert server.wait(2) == 0
        assert not (site.folder / "pbx.sock").exists()
        assert "Traceback" not in server.output()


def test_server_answers_sip_on_the_port_that_it_says(site: Site) -> None:
    site.config.write_text(CONFIG.replace("[sip]\n", "[sip]\nmax_fields = 32\n"))
    with site.running(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.settimeout(10)
        phone.bind(("127.0.0.1", 0))
        here = phone.getsockname()[1]
        port = int(site.pbx("status")[0]["listeners"][0].rpartition(":")[2])
        request = (
            f"OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{here};branch=z9hG4bKa\r\n"
            "From: <sip:a@127.0.0.1>;tag=1\r\nTo: <sip:127.0.0.1>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n"
            "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        )
        phone.sendto(request.encode(), ("127.0.0.1", port))
        assert phone.recv(65535).startswith(b"SIP/2.0 200 ")
        longer = request.replace("hG4bKa", "hG4bKb").replace("Max", "X: y\r\n" * 26 + "Max")
        phone.sendto(longer.encode(), ("127.0.0.1", port))
        assert phone.recv(65535).startswith(b"SIP/2.0 513 too many header fields\r\n")
        phone.sendto(request.replace("OPTIONS sip:127.0.0.1 SIP/2.0", "SIP/2.0 200 OK").encode(), ("127.0.0.1", port))
        phone.sendto(b"hello", ("127.0.0.1", port))
        drops = {"malformed datagrams": 1, "refused 513": 1, "stray responses": 1}
        eventually(lambda: site.pbx("status")[0]["drops"] == drops, within=5)


BINDING = """INSERT INTO bindings (number, contact, q, call_id, cseq, expires_at, transport, local_host, local_port,
    remote_host, remote_port, user_agent, registered_at)
    VALUES (?, 'sip:a@127.0.0.1:9', 1, 'c', 1, ?, 'UDP', '127.0.0.1', 5060, '127.0.0.1', 9, 'phone', 0)"""


def test_registrations_are_restored_and_go_with_an_extension_removed_by_sql(site: Site) -> None:
    site.upgraded()
    written = time.time()
    for number in ("1001", "1002", "1003"):
        site.sql("INSERT INTO extensions (number) VALUES (?)", number)
        site.sql(BINDING, number, time.time() + (600 if number != "1003" else -1))
    with site.running():
        rows = site.pbx("registrations")
        assert [row["number"] for row in rows] == ["1001", "1002"]
        assert rows[0]["address"] == "127.0.0.1:9"
        assert 600 - (time.time() - written) - 1 < rows[0]["expires_in"] <= 600
        assert rows[0]["registered_at"] == "1970-01-01T00:00:00+00:00"
        site.sql("DELETE FROM extensions WHERE number = '1001'")
        # A second for the server; the interpreters that we start take theirs, and more where others are busy.
        eventually(lambda: [row["number"] for row in site.pbx("registrations")] == ["1002"], within=10)
        assert site.pbx("registrations", "1001") == []
        assert len(site.pbx("registrations", "1002")) == 1


def test_records_that_are_too_old_are_deleted_and_others_are_not(site: Site) -> None:
    site.upgraded()
    site.config.write_text(f"{CONFIG}\n[records]\ndays = 30\n")
    database = open_database(f"sqlite:///{site.folder}/pbx.db")
    for call, began_at in (("old", time.time() - 31 * 86400), ("young", time.time() - 29 * 86400)):
        write_records(database, [replace(ONE, id=call, began_at=began_at, attempts=[])])
    database.dispose()
    with site.running():
        eventually(lambda: [row["id"] for row in site.pbx("records")] == ["young"], within=10)


def test_stop_does_not_wait_for_a_database_that_is_locked(site: Site) -> None:
    site.upgraded()
    site.sql("INSERT INTO extensions (number) VALUES ('1001')")
    site.sql(BINDING, "1001", time.time() + 8)  # not before the server is there
    with site.running() as server, closing(sqlite3.connect(site.folder / "pbx.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        eventually(lambda: site.pbx("status")[0]["backlog"] == 1, within=15)
        server.send(signal.SIGINT)
        assert server.wait(2) == 0
        assert server.output().rstrip().endswith("Server Shut Down.")
        assert "the database takes too long: 1 changes are lost" in server.output()


def test_json_log_has_one_object_a_line_and_says_ready_at_every_level(site: Site) -> None:
    site.config.write_text(CONFIG + '[log]\nformat = "json"\nlevel = "error"\n')
    with site.running() as server:
        (event,) = map(json.loads, server.output().splitlines())
        assert (event["message"], event["level"]) == ("pbx ready", "info")


def test_sighup_takes_level_and_dialplan_anew_and_keeps_both_when_they_are_wrong(site: Site) -> None:
    unchecked = '[dialplan]\ncheck = "off"\n'  # which takes seconds
    with site.running() as server:
        site.config.write_text(f"{CONFIG}drain = 3\n{unchecked}")
        server.send(signal.SIGHUP)
        eventually(lambda: "reloaded; a restart is needed for sip" in server.output(), within=20)
        site.dialplan.write_text("plan = None\n")
        server.send(signal.SIGHUP)
        eventually(lambda: "nothing reloaded: " in server.output(), within=20)
        site.dialplan.write_text(DIALPLAN)
        site.config.write_text(f'{CONFIG}{unchecked}[log]\nlevel = "error"\n')
        server.send(signal.SIGHUP)
        # The level is in force when the sentence about it would be written.
        eventually(lambda: site.pbx("status") and not server.output().endswith("reloaded\n"), within=5)
        before = server.output()
        server.send(signal.SIGTERM)
        assert server.wait(5) == 0
        assert server.output() == before


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGTERM, signal.SIGTERM], [signal.SIGINT] * 3])
def test_orderly_stop_ends_with_0_without_a_traceback(site: Site, signals: list[signal.Signals]) -> None:
    with site.running() as server:
        for number in signals:
            server.send(number)
        assert server.wait(3) == 0
        assert "Traceback" not in server.output()
        assert "Unhandled" not in server.output()


def test_server_that_was_killed_starts_again(site: Site) -> None:
    with site.running() as server:
        server.kill()
        assert (site.folder / "pbx.sock").exists()
    with site.running():
        assert site.pbx("status")[0]["calls"] == 0


def test_second_server_of_a_configuration_is_refused_and_the_first_goes_on(site: Site) -> None:
    with site.running():
        assert "a server is running at pbx.sock" in site.twistd_refuses()
        assert site.pbx("status")[0]["calls"] == 0


def test_few_open_files_are_warned_of(site: Site) -> None:
    site.argv = ["/bin/sh", "-c", 'ulimit -n 300 && exec "$@"', "sh", *site.argv]
    with site.running() as server:
        assert "300 open files are allowed, enough for 50 calls at once; `ulimit -n 10100`" in server.output()


def test_daemon_works_after_its_forks(site: Site) -> None:
    pidfile = site.folder / "pid"
    argv = [site.argv[0], f"--pidfile={pidfile}", f"--logfile={site.folder}/log", *site.argv[3:]]
    subprocess.run(argv, check=True, timeout=30, cwd=site.folder)
    eventually(lambda: "pbx ready" in (site.folder / "log").read_text(), within=20)
    try:
        assert site.pbx("status")[0]["calls"] == 0
        site.pbx("extension", "add", "1001", "--generate")
    finally:
        os.kill(int(pidfile.read_text()), signal.SIGTERM)
    eventually(lambda: not pidfile.exists(), within=5)


# Parts -----------------------------------------------------------------------


class Office:
    """So many calls, and what is asked of them."""

    def __init__(self, calls: int) -> None:
        self.calls = calls
        self.busy = 3 * calls  # each with its two sessions
        self.asked: list[str] = []
        self.clock = Clock()

    def refuse_calls(self, seconds: int) -> None:
        self.asked.append(f"refuse for {seconds}")

    def hang_up_all(self) -> None:
        self.asked.append("hang up")

    def ending(self, drain: float = 30) -> Ending:
        return Ending(self.clock, self, drain, lambda: self.asked.append("finish"))

    def advance(self, seconds: float) -> None:
        self.clock.pump([0.125] * int(seconds * 8))


def test_idle_exchange_ends_at_once() -> None:
    for end in (Ending.terminate, Ending.interrupt):
        office = Office(0)
        end(office.ending())
        assert office.asked[-1] == "finish"
        assert office.clock.getDelayedCalls() == []


def test_drain_ends_when_the_last_call_has_ended() -> None:
    office = Office(2)
    with capturedLogs() as events:
        office.ending().terminate()
    assert [formatEvent(event) for event in events] == ["SIGTERM: the calls have 30 s to end; there are 2"]
    office.advance(20)
    assert office.asked == ["refuse for 30"]
    office.busy = 0
    office.advance(0.25)
    assert office.asked[-1] == "finish"


def test_drain_that_takes_too_long_hangs_up() -> None:
    office = Office(2)
    office.ending(drain=2).terminate()
    office.advance(2)
    assert office.asked[-1] == "hang up"
    office.busy = 0
    office.advance(0.25)
    assert office.asked[-1] == "finish"


def test_second_sigterm_hangs_up_at_once() -> None:
    office = Office(2)
    ending = office.ending()
    ending.terminate()
    ending.terminate()
    assert office.asked[-1] == "hang up"
    office.advance(HANG_UP + 0.25)
    assert office.asked[-1] == "finish"
    assert office.clock.getDelayedCalls() == []


def test_phones_that_do_not_answer_bye_hold_up_nobody_for_long() -> None:
    office = Office(2)
    office.ending().interrupt()
    office.advance(HANG_UP - 0.125)
    assert "finish" not in office.asked
    office.advance(0.25)
    assert office.asked[-1] == "finish"


def test_second_sigint_does_not_wait_for_the_phones() -> None:
    office = Office(2)
    ending = office.ending()
    ending.interrupt()
    ending.interrupt()
    assert office.asked.count("finish") == 1
    assert office.clock.getDelayedCalls() == []
