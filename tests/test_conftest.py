"""A test that leaves an error behind fails, unless it took the error; and a missing program is never silent."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import programs
from tests.eventually import eventually
from tests.phones.process import free_port, own_ports

LEAVES_ERRORS = """
from __future__ import annotations

from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger

log = Logger()


def test_error():
    log.error("the disk is full")


def test_failure():
    try:
        1 / 0
    except ZeroDivisionError:
        log.failure("division")


def test_deferred():
    fail(KeyError("nobody took me"))


def test_deferred_in_a_cycle():
    d = fail(KeyError("nor me"))
    d.itself = d


def test_taken(logged_errors):
    log.error("expected")
    assert [event["log_format"] for event in logged_errors()] == ["expected"]
    assert logged_errors() == []


def test_taken_in_part(logged_errors):
    fail(KeyError("expected"))
    assert len(logged_errors()) == 1
    log.error("one more")


def test_warning():
    log.warn("not an error")
    fail(KeyError("handled")).addErrback(lambda failure: None)
"""


def test_errors_that_nobody_took_fail_their_test(tmp_path):
    (tmp_path / "test_errors.py").write_text(LEAVES_ERRORS)
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-c", os.devnull, "-q", "-rE", str(tmp_path)],
        check=False,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )
    erring = sorted(line.split("::")[1].split()[0] for line in done.stdout.splitlines() if line.startswith("ERROR"))
    assert erring == ["test_deferred", "test_deferred_in_a_cycle", "test_error", "test_failure", "test_taken_in_part"]
    assert "the disk is full" in done.stdout and "nobody took me" in done.stdout
    assert "7 passed, 5 errors" in done.stdout


def test_eventually_gives_the_first_true_answer():
    answers = iter([0, None, "here"])
    assert eventually(lambda: next(answers), within=5) == "here"


def test_eventually_fails_in_time_and_shows_the_last_answer():
    with pytest.raises(AssertionError, match=r"not within 0.05 s: .* still gives \[\]"):
        eventually(list, within=0.05)


@pytest.mark.parametrize(("ci", "ending"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_missing_program_fails_in_ci_and_is_skipped_with_its_package_elsewhere(monkeypatch, ci, ending):
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ending, match=r"sipp is not installed \(Debian package sip-tester"):
        programs.program("sipp")


def test_without_root_what_is_left_out_is_named_with_the_remedy(monkeypatch, capsys):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    programs.main()
    sentence = capsys.readouterr().err
    # PostgreSQL's are found outside of the path, where they are installed.
    names = [name for name in programs.PACKAGES if programs.found(name) is None]
    assert "sipp" in names
    assert sentence.startswith(f"Left out: the tests with {' and '.join(names)} (not root; ")
    packages = dict.fromkeys(programs.PACKAGES[name] for name in names)
    assert f"apt-get install {' '.join(packages)}" in sentence


def test_port_that_a_program_is_told_of_is_told_to_no_other_one():
    first_of_the_kernel = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == 50 and max(ports) + 1 < first_of_the_kernel


def test_test_processes_side_by_side_have_ports_of_their_own():
    ports = range(1000, 1060, 2)
    taken = [next(own) for own in (own_ports(ports, process) for process in range(6)) for _ in range(5)]
    assert sorted(taken) == list(ports)
