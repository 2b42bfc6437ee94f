"""The dialplan is reloaded, and one that is wrong is refused; the watchdog names what holds up all calls."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from pbx.cli.client import Refused, ask
from tests.counts import count
from tests.eventually import eventually
from tests.interop.exchange import TRUSTING, Exchange
from tests.interop.stranger import status_of
from tests.phones.process import free_port
from tests.phones.sipp import Sipp

PLAN = """
import time

from pbx.dialplan import Call, Plan

plan = Plan()


@plan.anonymous("<number:1XX>")
async def script(call: Call, number: str) -> None:
    await call.reject({status})


@plan.anonymous("200")
async def blocks(call: Call) -> None:
    time.sleep(0.4)
"""
TESTS = """
from dialplan import plan
from pbx.testing import Sim


def test_the_script() -> None:
    assert Sim(plan).stranger().dials("101").sees(488)
"""
DIALS = """
from pbx.dialplan import Call, Plan, uri
from beside import NUMBERS

plan = Plan()


@plan.anonymous("<number:any>")
async def stranger(call: Call, number: str) -> None:
    await call.dial(uri("sip:callee@127.0.0.3:{port}"))
"""
BESIDE = "NUMBERS = ['RELEASE' + str(number) for number in range(10000)]\n"  # about a megabyte
STARTS = """
import subprocess
import time

def test_it() -> None:
    with open("{file}", "w") as file:
        print(subprocess.Popen(["sleep", "120"]).pid, file=file)
    time.sleep({seconds})
"""
RELOADS = count(3, 100)
RATE = 20
GROWTH = 16 * 2**20  # bytes: a few of these plans may be alive, and not a hundred
TRUSTED = 'allow = ["127.0.0.0/8"]'


def test_what_a_plan_starts_in_its_tests_ends_with_them(tmp_path: Path) -> None:
    with Exchange(PLAN.format(status=486), security=TRUSTED) as exchange:
        started, tests = tmp_path / "started", exchange.folder / "test_plan.py"
        tests.write_text(STARTS.format(file=started, seconds=0))
        exchange.config.write_text(exchange.config.read_text().replace("[dialplan]", f"[dialplan]\ntests = '{tests}'"))
        exchange.ask("reload")
        eventually(lambda: not Path(f"/proc/{started.read_text().strip()}").exists(), within=20)


def test_what_a_plan_starts_in_its_tests_ends_with_the_exchange(tmp_path: Path) -> None:
    started, tests = tmp_path / "started", tmp_path / "test_plan.py"
    tests.write_text(STARTS.format(file=started, seconds=120))
    with Exchange(PLAN.format(status=486), security=TRUSTED, dialplan_options=f"tests = '{tests}'"):
        eventually(lambda: started.exists() and started.read_text().strip(), within=30)
    eventually(lambda: not Path(f"/proc/{started.read_text().strip()}").exists(), within=20)


def test_a_plan_is_reloaded_and_a_wrong_one_is_refused() -> None:
    with Exchange(PLAN.format(status=486), security=TRUSTED) as exchange:
        file = exchange.folder / "dialplan.py"
        assert status_of(exchange, "101") == 486
        file.write_text(PLAN.format(status=488))
        assert exchange.ask("reload") == [{"old_plans": 0, "needs_restart": [], "findings": []}]
        assert status_of(exchange, "102") == 488
        file.write_text("plan = 3")
        argv = [*exchange.argv[:1], "--config", str(exchange.config), "reload"]
        argv[0] = argv[0].replace("twistd", "pbx")
        refused = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
        assert refused.returncode == 1
        assert (
            refused.stderr == f"{file}:1: its global named plan is not a Plan but of type int; write `plan = Plan()`\n"
        )
        assert status_of(exchange, "103") == 488


def test_what_holds_up_the_reactor_is_named_with_its_file_and_line() -> None:
    with Exchange(PLAN.format(status=486), security=TRUSTED) as exchange:
        assert exchange.process is not None
        line = PLAN.splitlines().index("    time.sleep(0.4)") + 1
        assert status_of(exchange, "200") == 480
        eventually(lambda: f"dialplan.py:{line} holds up all calls" in exchange.process.output(), within=10)


def test_a_change_is_taken_once_the_plans_own_tests_pass() -> None:
    options = "reload_on_change = true\ntests = 'test_plan.py'"
    with Exchange(PLAN.format(status=488), security=TRUSTED, dialplan_options=options) as exchange:
        file, tests = exchange.folder / "dialplan.py", exchange.folder / "test_plan.py"
        tests.write_text(TESTS)
        eventually(lambda: "the dialplan was read anew" in exchange.log(), within=20)
        file.write_text(PLAN.format(status=486))
        eventually(lambda: "test_plan.py::test_the_script" in exchange.log(), within=20)
        assert "the dialplan stays as it was: " in exchange.log()
        assert status_of(exchange, "101") == 488
        exchange.send(signal.SIGHUP)
        eventually(lambda: "nothing reloaded: " in exchange.log(), within=20)
        assert status_of(exchange, "102") == 488
        exchange.expects("stays as it was", "nothing reloaded")


HANGS = "from pbx.dialplan import Plan\n\nplan = Plan()\nwhile True:\n    pass\n"


def test_the_whole_check_runs_at_the_start_and_at_each_reload_while_calls_go_on() -> None:
    doubtful = PLAN.format(status=486) + "\n\nanswer: int = 'none'\n"
    with Exchange(doubtful, security=TRUSTED, dialplan_options="check = 'warn'") as exchange:
        socket = exchange.folder / "pbx.sock"
        said = ("time.sleep() holds up all calls", "mypy: assignment", "nobody can dial the emergency number 112")
        eventually(lambda: all(words in exchange.log() for words in said), within=60)
        [row] = ask(socket, "reload", patience=60)  # type: ignore[misc]
        assert all(any(words in finding for finding in row["findings"]) for words in said)
        (exchange.folder / "dialplan.py").write_text(HANGS)
        with pytest.raises(Refused, match=r"dialplan.py:\d: the dialplan is still being read after 10 s"):
            ask(socket, "reload", patience=60)
        assert status_of(exchange, "101") == 486


def test_a_plan_in_which_the_check_finds_something_is_refused_where_that_is_configured() -> None:
    options = "check = 'refuse'\nemergency = []"
    with Exchange(PLAN.format(status=486), security=TRUSTED, dialplan_options=options) as exchange:
        socket = exchange.folder / "pbx.sock"
        with pytest.raises(Refused, match=r"dialplan.py:\d+: time.sleep\(\) holds up all calls"):
            ask(socket, "reload", patience=60)
        (exchange.folder / "dialplan.py").write_text(
            PLAN.format(status=488).replace("time.sleep(0.4)", "await call.answer()")
        )
        assert ask(socket, "reload", patience=60)
        assert status_of(exchange, "101") == 488


def resident(pid: int) -> int:
    """Bytes of memory that a process has."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.timeout(4 * RELOADS + 90)
def test_no_call_is_dropped_while_the_plan_is_reloaded_again_and_again() -> None:
    port = free_port("127.0.0.3")
    calls = RATE * (2 * RELOADS + 3)  # a busy machine takes longer than a second for each
    untraced = f"{TRUSTING}\n\n[trace]\nenabled = false"  # else the messages of these calls are kept, up to 16 MiB
    with Exchange("from pbx.dialplan import Plan\n\nplan = Plan()\n", security=untraced) as exchange:
        folder, sizes = exchange.folder, []
        (folder / "dialplan.py").write_text(DIALS.format(port=port))
        (folder / "beside.py").write_text(BESIDE.replace("RELEASE", "first"))
        ask(folder / "pbx.sock", "reload")
        with (
            # More than there will be: what comes late and again counts as a call, too.
            Sipp("callee", folder / "callee", ip="127.0.0.3", port=port, calls=2 * calls),
            Sipp("caller", folder / "caller", ip="127.0.0.2", server=exchange.address, service="1000", calls=calls,
                 rate=RATE, talk=1.5) as caller,
        ):  # fmt: skip
            for release in range(RELOADS):
                began = caller.tally().created
                eventually(lambda began=began: caller.tally().created > began, within=10)  # type: ignore[misc]
                (folder / "beside.py").write_text(BESIDE.replace("RELEASE", f"{release:5}"))
                [row] = ask(folder / "pbx.sock", "reload")  # type: ignore[misc]
                assert row["old_plans"] >= 1
                sizes.append(resident(exchange.pid))
            assert caller.finish(2 * RELOADS + 40).successful == calls
        status = exchange.status()
        assert (status["calls"], status["old_plans"]) == (0, 0)
        print(f"{RELOADS} reloads: {sizes[0] / 2**20:.1f} MiB after the first, {sizes[-1] / 2**20:.1f} after the last")
        assert sizes[-1] - sizes[min(9, RELOADS - 2)] < GROWTH, sizes
