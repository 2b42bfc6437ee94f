"""Reloading: a plan takes the place of another between two calls, or is refused and nothing has changed."""

from __future__ import annotations

import gc
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure

from pbx import config
from pbx.certificates import Certificates
from pbx.dialplan import loading
from pbx.dialplan.modules import MODULE
from pbx.exchange.accounts import Accounts
from pbx.exchange.extension import Extension
from pbx.faults import Fault
from pbx.log import Output
from pbx.media.library import Library
from pbx.reloading import LOOK, Reloading
from pbx.testing.exchange import SimulatedExchange
from pbx.trials import LIMIT, Trials

PLAN = """\
from pbx.dialplan import Call, Plan, ext
from hours_of_the_office import STATUS

plan = Plan()


@plan.internal("600")
async def route(call: Call) -> None:
    if not await call.dial(ext("1002"), timeout=30):
        await call.reject(STATUS)
"""


class Office:
    """An exchange whose plan is in a folder, and that reloads it; the parts of `pbx check` and of pytest are played by
    the test.
    """

    def __init__(self, folder: Path, options: str = "", check: str = "off") -> None:
        self.file = folder / "dialplan.py"
        self.beside = folder / "hours_of_the_office.py"
        self.file.write_text(PLAN)
        self.beside.write_text("STATUS = 486\n")
        (folder / "pbx.toml").write_text(f"[dialplan]\nemergency = []\ncheck = '{check}'\n{options}\n")
        self.config = config.load(folder / "pbx.toml")
        plan = loading.load(self.file, lambda number: True)
        self.sim = SimulatedExchange(plan, {"1001": "a", "1002": "b"})
        self.alice = self.sim.phone("1001", password="a")
        self.bob = self.sim.phone("1002", password="b")
        self.runs: list[Any] = []
        self.trials = Trials(self.sim.clock, self._spawn)
        self.reloading = Reloading(
            self.config,
            plan,
            self.sim.exchange,
            Library(),
            Certificates(self.config, None),
            Output(io.StringIO(), "text", "info"),
            self.sim.clock,
            self.trials,
        )

    def _spawn(self, run: Any, program: str, argv: list[str], environment: dict[str, str], folder: str) -> None:
        self.runs.append(run)
        run.argv = argv
        run.makeConnection(_Transport(run))

    def reload(self) -> list[Any]:
        """What `pbx reload` prints, or the reason why not; nothing yet while tests run."""
        found: list[Any] = []
        Deferred.fromCoroutine(self.reloading.reload_or_refuse()).addCallbacks(
            found.append, lambda failure: found.append(failure.value)
        )
        return found

    def status(self) -> int:
        """What a call gets when nobody answers."""
        self.alice.invites("600")
        self.sim.until(lambda: self.bob.ringing)
        self.bob.declines()
        self.sim.until(lambda: self.alice.idle)
        assert self.alice.call is not None
        return self.alice.call.status

    def ends(self, status: int, output: bytes = b"") -> None:
        """The tests that run are over."""
        run = self.runs.pop()
        run.outReceived(output)
        run.processEnded(Failure(ProcessDone(None) if status == 0 else ProcessTerminated(status)))  # type: ignore[no-untyped-call]


class _Transport:
    """A process, as Twisted has it."""

    pid = 2**22 + 1  # which no process has

    def __init__(self, run: Any) -> None:
        self._run = run
        self.signals: list[str] = []

    def signalProcess(self, name: str) -> None:
        """It dies at once. Somebody whom it has started has its pipes still."""
        self.signals.append(name)
        self._run.processExited(Failure(ProcessTerminated(None, 9)))  # type: ignore[no-untyped-call]

    def loseConnection(self) -> None:
        """Nobody reads these."""
        self._run.processEnded(Failure(ProcessTerminated(None, 9)))  # type: ignore[no-untyped-call]


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_a_module_beside_the_plan_is_read_anew_with_it(office: Office) -> None:
    assert office.status() == 486
    office.beside.write_text("STATUS = 488\n")  # as long as before, and within the same second
    assert office.reload() == [[{"old_plans": 0, "needs_restart": [], "findings": []}]]
    assert office.status() == 488


@pytest.mark.parametrize(
    ("file", "text", "reason"),
    [
        ("dialplan.py", "plan = 3", "dialplan.py:1: its global named plan is not a Plan"),
        ("dialplan.py", PLAN.replace('"1002"', '"1009"'), "dialplan.py:9: unknown extension 1009"),
        ("hours_of_the_office.py", "STATUS = ", "dialplan.py:2: SyntaxError"),
        ("hours_of_the_office.py", "", "dialplan.py:2: ImportError"),
    ],
)
def test_what_is_wrong_is_refused_and_leaves_nothing_behind(office: Office, file: str, text: str, reason: str) -> None:
    before = sys.modules[MODULE], sys.modules["hours_of_the_office"], list(sys.path)
    (office.file.parent / file).write_text(text)
    [fault] = office.reload()
    assert isinstance(fault, Fault) and reason in str(fault)
    assert (sys.modules[MODULE], sys.modules["hours_of_the_office"], sys.path) == before
    assert office.status() == 486


def test_a_call_ends_with_the_plan_that_it_began_with_and_old_plans_are_counted(office: Office) -> None:
    alice, bob = office.alice, office.bob
    alice.invites("600")
    office.sim.until(lambda: bob.ringing)
    for status, old in ((487, 1), (488, 1)):
        office.beside.write_text(f"STATUS = {status}\n")
        assert office.reload()[0][0]["old_plans"] == old
    bob.declines()
    office.sim.until(lambda: alice.idle)
    assert alice.call is not None and alice.call.status == 486
    assert office.reloading.old_plans == 0
    assert office.status() == 488


def test_plans_that_no_call_has_are_forgotten(office: Office) -> None:
    def plans() -> int:
        return sum(type(one).__name__ == "Plan" for one in gc.get_objects())

    office.reload()
    before = plans()
    for _ in range(10):
        office.reload()
    assert plans() == before


def logged(action: Callable[[], object]) -> str:
    with capturedLogs() as events:
        action()
    return "\n".join(str(formatEvent(event)) for event in events)


def test_a_change_is_noticed_once_it_has_come_to_rest(tmp_path: Path, logged_errors: Any) -> None:
    office = Office(tmp_path, "reload_on_change = true")
    office.reloading.start()
    office.sim.advance(3 * LOOK)
    office.beside.write_text("STATUS = ")
    office.sim.advance(LOOK)
    office.beside.write_text("STATUS = 480\n")
    assert "read anew" not in logged(lambda: office.sim.advance(LOOK))
    assert "the dialplan was read anew" in logged(lambda: office.sim.advance(LOOK))
    assert office.status() == 480
    office.file.write_text("plan = 3")
    assert "stays as it was: " in logged(lambda: office.sim.advance(2 * LOOK))
    assert logged(lambda: office.sim.advance(10 * LOOK)) == ""
    assert office.status() == 480
    office.file.unlink()
    assert "the dialplan cannot be read" in logged(lambda: office.sim.advance(2 * LOOK))
    office.file.write_text(PLAN.replace("STATUS)", "484)"))
    office.sim.advance(2 * LOOK)
    assert office.status() == 484
    office.reloading.stop()
    office.sim.assert_idle()
    assert len(logged_errors()) == 2


def test_without_the_option_a_change_waits_for_a_reload(office: Office) -> None:
    office.reloading.start()
    office.beside.write_text("STATUS = 480\n")
    office.sim.advance(10 * LOOK)
    assert office.status() == 486
    office.reloading.stop()


def test_a_plan_takes_over_when_its_own_tests_pass(tmp_path: Path) -> None:
    office = Office(tmp_path, 'tests = "test_plan.py"')
    office.beside.write_text("STATUS = 488\n")
    told = office.reload()
    assert told == []
    assert office.runs[0].argv[-1] == str(tmp_path / "test_plan.py")
    assert office.status() == 486
    [busy] = office.reload()
    assert "the dialplan is being reloaded already" in str(busy)
    office.ends(0)
    assert told[0][0]["old_plans"] == 0
    assert office.status() == 488


@pytest.mark.parametrize(
    ("status", "output", "reason"),
    [
        (
            1,
            b".F\nFAILED test_plan.py::test_hours - assert 1 == 2\n1 failed\n",
            "fail: test_plan.py::test_hours - assert",
        ),
        (2, b"ERROR test_plan.py - NameError\n", "the dialplan's tests fail: test_plan.py - NameError"),
        (1, b"".join(b"FAILED test_%d - no\n" % n for n in range(7)), "test_4 - no and 2 more"),
        (4, b"\nERROR: file or directory not found: test_plan.py\n\n", "file or directory not found"),
        (5, b"no tests ran\n", "there are no tests of the dialplan"),
        (3, b"", "they say nothing"),
    ],
)
def test_a_plan_whose_tests_fail_is_refused_with_their_reasons(
    tmp_path: Path, status: int, output: bytes, reason: str
) -> None:
    office = Office(tmp_path, 'tests = "test_plan.py"')
    office.beside.write_text("STATUS = 488\n")
    told = office.reload()
    office.ends(status, output)
    assert isinstance(told[0], Fault) and reason in str(told[0])
    assert str(told[0]).startswith(f"{tmp_path / 'test_plan.py'}: ")
    assert office.status() == 486


def test_tests_that_never_end_are_ended(tmp_path: Path) -> None:
    office = Office(tmp_path, 'tests = "test_plan.py"')
    told = office.reload()
    office.sim.advance(LIMIT)
    assert "take longer than 60 s" in str(told[0])
    told = office.reload()
    office.reloading.stop()
    assert "the dialplan's tests fail" in str(told[0])
    office.sim.assert_idle()


def test_what_was_not_tested_does_not_take_over(tmp_path: Path) -> None:
    office = Office(tmp_path, 'tests = "test_plan.py"')
    told = office.reload()
    office.beside.write_text("STATUS = 481\n")
    office.ends(0)
    assert "it was changed while it was tried; reload it again" in str(told[0])
    assert office.status() == 486


FOUND = json.dumps(
    [
        {"path": "dialplan.py", "line": line, "what": what, "remedy": remedy, "fatal": False}
        for line, what, remedy in (
            (9, "time.sleep() holds up all calls", "use call.sleep"),
            (10, "no such attribute", "mypy: attr-defined"),
        )
    ]
).encode()


def test_what_the_check_finds_is_told_and_keeps_no_plan_out(tmp_path: Path) -> None:
    office = Office(tmp_path, check="warn")
    office.beside.write_text("STATUS = 488\n")
    told = office.reload()
    assert told == [] and office.status() == 486
    assert office.runs[0].argv[-4:] == ["check", "--json", "--no-names", str(office.file)]
    said = logged(lambda: office.ends(1, FOUND))
    assert "dialplan.py:9: time.sleep() holds up all calls; use call.sleep" in said
    assert told[0][0]["findings"][1] == "dialplan.py:10: no such attribute; mypy: attr-defined"
    assert office.status() == 488


def test_a_plan_in_which_the_check_finds_something_is_refused_where_that_is_wanted(tmp_path: Path) -> None:
    office = Office(tmp_path, check="refuse")
    office.beside.write_text("STATUS = 488\n")
    told = office.reload()
    office.ends(1, FOUND)
    remedy = "use call.sleep; `pbx check` shows 1 more"
    assert str(told[0]) == f"dialplan.py:9: time.sleep() holds up all calls; {remedy}"
    assert office.status() == 486
    told = office.reload()
    office.ends(0, b"[]\n")
    assert told[0][0]["findings"] == []
    assert office.status() == 488


def test_a_plan_whose_check_never_ends_or_ends_wrongly_is_refused(tmp_path: Path) -> None:
    office = Office(tmp_path, check="warn")
    told = office.reload()
    office.sim.advance(LIMIT)
    assert "the check of the dialplan takes longer than 60 s; `pbx check" in str(told[0])
    told = office.reload()
    office.ends(1, FOUND.replace(b"false", b"true"))
    assert str(told[0]).startswith("dialplan.py:9: ")
    told = office.reload()
    office.ends(3)
    assert "the dialplan cannot be checked: it ends with 3" in str(told[0])
    told = office.reload()
    office.ends(1, b"Segmentation fault\n")
    assert "the dialplan cannot be checked: Segmentation fault" in str(told[0])
    assert office.status() == 486


def test_the_plan_of_the_start_is_tried_while_it_takes_calls(tmp_path: Path, logged_errors: Any) -> None:
    office = Office(tmp_path, 'tests = "test_plan.py"', check="refuse")
    office.reloading.start()
    assert office.status() == 486
    assert "dialplan.py:9: time.sleep() holds up all calls" in logged(lambda: office.ends(1, FOUND))
    assert office.status() == 486
    office.ends(1, b"FAILED test_plan.py::test_hours - assert 1 == 2\n")
    [event] = logged_errors()
    assert str(formatEvent(event)).startswith("the dialplan is in doubt: ")
    assert "the dialplan's tests fail: test_plan.py::test_hours" in str(formatEvent(event))
    assert office.status() == 486


def test_a_reload_does_not_wait_for_the_trials_of_the_start(tmp_path: Path) -> None:
    office = Office(tmp_path, check="warn")
    office.reloading.start()
    [first] = office.runs
    told = office.reload()
    assert "KILL" in first.transport.signals
    office.ends(0, b"[]\n")
    assert told[0][0]["findings"] == []
    office.reloading.stop()
    office.sim.assert_idle()


def test_sighup_says_in_the_log_what_is_wrong(office: Office, logged_errors: Any) -> None:
    office.file.write_text("plan = 3")
    office.reloading.reload()
    [event] = logged_errors()
    assert str(formatEvent(event)).startswith(f"nothing reloaded: {office.file}:1: ")


def test_circles_of_forwarding_are_told_at_a_reload(tmp_path: Path) -> None:
    office = Office(tmp_path)
    one = Extension("1001", "", "", "", forward_always="1002")
    other = Extension("1002", "", "", "", forward_always="1001")
    office.sim.exchange.replace_accounts(Accounts([one, other]))
    said = logged(office.reloading.reload)
    assert "calls are forwarded in a circle: 1001 -> 1002 -> 1001" in said


def test_the_watch_begins_and_ends_with_its_option(office: Office) -> None:
    options = (office.file.parent / "pbx.toml").read_text()
    office.reloading.start()
    (office.file.parent / "pbx.toml").write_text(options + "reload_on_change = true\n")
    office.reload()
    office.beside.write_text("STATUS = 480\n")
    office.sim.advance(3 * LOOK)
    assert office.status() == 480
    (office.file.parent / "pbx.toml").write_text(options)
    office.reload()
    office.beside.write_text("STATUS = 488\n")
    office.sim.advance(3 * LOOK)
    assert office.status() == 480
    office.sim.assert_idle()
