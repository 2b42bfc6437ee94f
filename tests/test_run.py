"""`make run`: the first time it makes everything, later it changes nothing, and what its banner says is true."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pbx.options import Listener
from tests.eventually import eventually
from tests.phones.process import Process, free_port
from tests.phones.registrant import Registrant
from tools.run import server

ROOT = Path(__file__).parent.parent


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with samples like ours, which listen where nobody else does."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/dialplan.py").write_text((ROOT / "etc/dialplan.py").read_text())
    text = (ROOT / "etc/pbx.toml").read_text()
    text = text.replace("0.0.0.0:5060", f"127.0.0.1:{free_port()}")
    (tmp_path / "etc/pbx.toml").write_text(text)
    return tmp_path


@contextmanager
def running(folder: Path) -> Iterator[Process]:
    log = folder / "log"
    log.unlink(missing_ok=True)
    environ = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    with Process([sys.executable, "-m", "tools.run"], log, cwd=folder, environ=environ) as process:
        eventually(lambda: "pbx ready" in process.output() or process.status is not None, within=30)
        yield process
        assert process.stop(signal.SIGINT) == 0, process.tail()


def accounts(process: Process) -> dict[str, tuple[str, str]]:
    """Password and server by user, as the banner gives them."""
    found = re.findall(r"user (\d+) +password (.+?) +server (\S+)", process.output())
    return {user: (password, server) for user, password, server in found}


def test_accounts_of_the_banner_register_and_are_the_same_next_time(checkout):
    with running(checkout) as process:
        first = accounts(process)
        assert list(first) == ["1001", "1002"], process.tail()
        for user, (password, place) in first.items():
            with Registrant(place) as phone:
                assert phone.register(user, password) == 200
                assert phone.register(user, "wrong") == 401
    assert os.stat(checkout / "run/accounts").st_mode & 0o777 == 0o600

    (checkout / "run/dialplan.py").write_text("from pbx.dialplan import Plan\n\nplan = Plan()\n")
    (checkout / "run/pbx.db").unlink()
    with running(checkout) as process:
        assert accounts(process) == first
        user, (password, place) = "1002", first["1002"]
        with Registrant(place) as phone:
            assert phone.register(user, password) == 200
    assert "1XXX" not in (checkout / "run/dialplan.py").read_text()


def test_what_is_wrong_in_the_configuration_is_said_in_one_line_without_a_banner(checkout):
    (checkout / "run").mkdir()
    (checkout / "run/pbx.toml").write_text("[sip]\nlisten = 5060\n")
    with Process([sys.executable, "-m", "tools.run"], checkout / "log", environ={"PYTHONPATH": str(ROOT)}) as process:
        assert process.wait(within=20) == 1
    (line,) = process.output().splitlines()
    assert line.startswith("run/pbx.toml:2: ")


def test_dialplan_that_is_wrong_is_one_line_without_a_banner(checkout):
    (checkout / "etc/dialplan.py").write_text("plan = None\n")
    with Process([sys.executable, "-m", "tools.run"], checkout / "log", environ={"PYTHONPATH": str(ROOT)}) as process:
        assert process.wait(within=30) == 1
    (line,) = process.output().splitlines()
    assert "/run/dialplan.py:1: " in line


def test_port_that_is_taken_is_one_line_without_a_banner(checkout):
    with running(checkout) as process:
        (place,) = {server for _, server in accounts(process).values()}
        second = [sys.executable, "-m", "tools.run"]
        with Process(second, checkout / "second", cwd=checkout, environ={"PYTHONPATH": str(ROOT)}) as other:
            assert other.wait(within=30) == 1
        (line,) = other.output().splitlines()
        assert re.fullmatch(f"run/pbx.toml:[0-9]+: udp:{place} is taken; .+", line)


@pytest.mark.parametrize(
    ("listener", "entered"),
    [("127.0.0.1:5060", "127.0.0.1"), ("127.0.0.1:5070", "127.0.0.1:5070"), ("[::1]:5060", "[::1]")],
)
def test_server_is_what_a_phone_wants_to_be_told(listener, entered):
    host, _, port = listener.rpartition(":")
    assert server(Listener("UDP", host.strip("[]"), int(port))) == entered
