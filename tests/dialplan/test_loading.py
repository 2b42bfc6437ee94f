"""A dialplan's file becomes a plan, or one sentence that names file, line and remedy."""

from __future__ import annotations

import os
import re
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import capturedLogs, formatEvent

from pbx.dialplan import loading
from pbx.dialplan.loading import load
from pbx.dialplan.modules import MODULE, is_beside
from pbx.dialplan.plan import Plan
from pbx.faults import Fault
from tests.dialplan.scripted import ScriptedBridge

ROOT = Path(__file__).parents[2]
GOOD = """\
from pbx.dialplan import Call, Plan, ext

plan = Plan()


@plan.internal("<number:1XXX>")
async def extension(call: Call, number: str) -> None:
    await call.dial(ext(number), timeout=20)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "dialplan.py"


def loaded(file: Path, source: str | bytes) -> Plan[Any]:
    file.write_bytes(source.encode() if isinstance(source, str) else source)
    return load(file, {"1001"}.__contains__)


def refused(file: Path, source: str | bytes) -> Fault:
    before = sys.modules.get(MODULE)
    with pytest.raises(Fault) as fault:
        loaded(file, source)
    assert fault.value.path == str(file)
    assert "\n" not in str(fault.value)
    assert fault.value.remedy
    assert sys.modules.get(MODULE) is before
    return fault.value


def test_a_good_file_is_a_plan(file: Path) -> None:
    plan = loaded(file, GOOD)
    bridge = ScriptedBridge("1001")
    plan.run(bridge)
    assert bridge.done == [("dial", "1001", 20)]
    bridge.leaves()


def test_a_file_is_executed_afresh_each_time_and_not_under_its_own_name(file: Path) -> None:
    source = "from pbx.dialplan import Plan\nassert __name__ != 'dialplan'\nplan = Plan()\n"
    assert loaded(file, source) is not loaded(file, source)
    assert "dialplan" not in sys.modules


def test_dataclasses_with_annotations_as_text_work(file: Path) -> None:
    source = """\
from __future__ import annotations
from dataclasses import dataclass
from typing import ClassVar
from pbx.dialplan import Plan

@dataclass
class Visit:
    count: int = 0
    most: ClassVar[int] = 3

plan = Plan(state=Visit)
"""
    assert isinstance(loaded(file, source), Plan)


SOURCES = [
    ("plan = Plan(\n", 1, "SyntaxError: '(' was never closed"),
    ("x = 1\nif x:\nplan = 2\n", 3, "IndentationError"),
    (b"x = 1\ny = '\xff'\n", 2, "can't decode byte 0xff"),
    (b"x = 1\n\0", 1, "null bytes"),
    (b"# coding: klingon\n", 1, "unknown encoding"),
    ("-" * 100_000 + "1", 1, "no Python source"),
    ("", 1, "no global named plan"),
    ("x = 1\nplan = 3\nif plan == 3:\n    plan = 'x'\n", 4, "its global named plan is not a Plan but of type str"),
    ("import sys\nsys.exit(3)\n", 2, "SystemExit: 3"),
    ("raise KeyboardInterrupt\n", 1, "KeyboardInterrupt"),
    ("x = 1\n\ndef f():\n    return 1 / 0\n\nf()\n", 4, "ZeroDivisionError: division by zero"),
    ("import json\n\njson.loads('{')\n", 3, "JSONDecodeError"),
    ("raise ValueError('two\\nlines')\n", 1, "ValueError: two lines"),
    ("from pbx.dialplan import Plann\n", 1, "cannot import name 'Plann'"),
    ("from pbx.dialplan import Plan\nplan = Plan()\nplan.intern('600')\n", 3, "no attribute 'intern'"),
    ("from pbx.dialplan import ext\n\next(1001)\n", 3, "ext() takes the number as text"),
    ("from pbx.dialplan import uri\n\nuri('desk')\n", 3, "a URI such as sip:"),
    (GOOD.replace("<number:1XXX>", "<number:1YYY>"), 6, "pattern '<number:1YYY>': there is no converter '1YYY'"),
    (GOOD.replace("async ", "").replace("await ", ""), 6, "extension is not a coroutine function"),
    (GOOD.replace("number: str", "nummer: str"), 6, "does not fit its pattern"),
    (GOOD + '\nplan.internal("<number:1XXX>")(extension)\n', 10, "dialplan.py:6 both match 1000"),
    (GOOD.replace("ext(number)", 'ext("1005")'), 8, "unknown extension 1005"),
    (GOOD.replace("ext", "group").replace("group(number)", 'group("1001", "1005")'), 8, "unknown extension 1005"),
    (GOOD.replace("ext(number)", 'ext("1005")') + 'ext("1004")\n', 8, "unknown extension 1005"),
    ("from pbx.dialplan import ext as e, Plan\nplan = Plan()\nGROUP = [e('1001'), e('1002')]\n", 3, "extension 1002"),
    ("from pbx.dialplan import *\nplan = Plan()\nasync def f(call):\n    ext('1003')\n", 4, "extension 1003"),
    ("import pbx.dialplan\nplan = pbx.dialplan.Plan()\npbx.dialplan.ext('1003')\n", 3, "extension 1003"),
    ("import pbx.dialplan as d\nplan = d.Plan()\nd.ext('1003')\n", 3, "extension 1003"),
    ("from pbx import dialplan\nplan = dialplan.Plan()\ndialplan.ext('1003')\n", 3, "extension 1003"),
]


@pytest.mark.parametrize(("source", "line", "what"), SOURCES, ids=range(len(SOURCES)))
def test_what_is_wrong_is_one_sentence_with_its_line(file: Path, source: str | bytes, line: int, what: str) -> None:
    fault = refused(file, source)
    assert what in str(fault)
    assert fault.line == line


def test_an_unknown_extension_comes_with_the_command_that_adds_it(file: Path) -> None:
    fault = refused(file, GOOD.replace("ext(number)", 'ext("1005")'))
    assert str(fault) == f"{file}:8: unknown extension 1005; add it with `pbx extension add 1005`"


def test_mailboxes_are_looked_up_when_the_file_is_read(file: Path) -> None:
    imports = "from pbx.dialplan import Plan, mailbox, voicemail\n"
    file.write_text(f"{imports}plan = Plan()\nplan.internal('5')(voicemail(mailbox('sales')))\n")
    load(file, lambda number: True, has_mailbox=lambda name: name == "sales")
    with pytest.raises(Fault) as caught:
        load(file, lambda number: True, has_mailbox=lambda name: False)
    assert str(caught.value) == f"{file}:3: unknown mailbox sales; add it with `pbx mailbox add sales`"


def test_a_known_extension_and_a_function_of_ones_own_called_ext_are_fine(file: Path) -> None:
    loaded(file, GOOD.replace("ext(number)", 'ext("1001")'))
    loaded(file, "from pbx.dialplan import Plan\nplan = Plan()\ndef ext(x): return x\next('1005')\n")


def test_a_file_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.py", tmp_path):
        with pytest.raises(Fault) as fault:
            load(path, lambda number: True)
        assert str(fault.value).startswith(f"{path}: the dialplan cannot be read: ")


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("while True:\n    pass\n", 3),
        ("import time\ntime.sleep(100)\n", 4),
        ("import threading\nthreading.Event().wait()\n", 4),
        ("while True:\n    try:\n        pass\n    except BaseException:\n        pass\n", 3),
        ("open('{pipe}').read()\n", 3),
    ],
)
def test_a_file_that_never_returns_is_a_fault_with_its_line(
    file: Path, monkeypatch: pytest.MonkeyPatch, source: str, line: int
) -> None:
    pipe = file.with_name("pipe")
    os.mkfifo(pipe)
    monkeypatch.setattr(loading, "LONGEST", 0.125)
    file.write_text(f"from pbx.dialplan import Plan\nplan = Plan()\n{source.replace('{pipe}', str(pipe))}")
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(Fault) as refused:
        load(file, lambda number: True)
    assert refused.value.what == "the dialplan is still being read after 0.125 s"
    assert refused.value.line >= line
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL)[0] > 1  # the one that limits this test goes on


def test_what_is_no_file_or_far_too_large_is_a_fault(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "huge.py").write_bytes(b"# " + b"x" * 10**7)
    for name, what in (
        (tmp_path / "pipe", "cannot be read: it is no file"),
        (Path("/dev/zero"), "cannot be read: it is no file"),
        (tmp_path, "cannot be read: "),
        (tmp_path / "huge.py", "is larger than 1 MiB"),
    ):
        with pytest.raises(Fault, match=what):
            load(name, lambda number: True)


def test_a_mistake_in_a_module_that_the_file_imports_is_told_at_the_import(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (file.parent / "pbx_test_helpers_of_the_dialplan.py").write_text("def f(:\n")
    monkeypatch.syspath_prepend(file.parent)
    fault = refused(file, "x = 1\nimport pbx_test_helpers_of_the_dialplan\n")
    assert fault.line == 2
    assert "SyntaxError" in fault.what


def test_an_exception_that_cannot_be_printed_is_a_fault_too(file: Path) -> None:
    source = "class Odd(Exception):\n    def __str__(self):\n        raise OSError\nraise Odd\n"
    assert "Odd" in refused(file, source).what


def test_every_dialplan_in_the_documentation_can_be_loaded(file: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/dialplan.md").read_text(), re.DOTALL)
    plans = [block for block in blocks if "plan = Plan(" in block]
    assert len(plans) == len(blocks) > 0
    for block in plans:
        file.write_text(block)
        assert isinstance(load(file, lambda number: True), Plan)


def test_what_python_warns_of_goes_into_the_log_and_not_to_the_screen(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with warnings.catch_warnings(), capturedLogs() as events:
        warnings.simplefilter("default")
        loaded(file, GOOD + "odd = 1 is 1\n")
        refused(file, GOOD + "odd = 1 is 1\next('1002')\n")
    assert capsys.readouterr().err == ""
    [event] = events
    assert formatEvent(event).startswith(f'{file}:9: "is" with')


@pytest.mark.parametrize("how", ["from pbx.dialplan import prompt as p\np", "import pbx.dialplan as d\nd.prompt"])
def test_prompt_that_is_not_there_is_named_with_its_line(file: Path, how: str) -> None:
    imported, name = how.split("\n")
    fault = refused(file, f"{GOOD}\n{imported}\n\nMENU = {name}('menu/main')\n")
    assert str(fault).startswith(f"{file}:12: there is no prompt menu/main; put menu/main.wav into the folder of ")


def test_prompts_that_are_there_are_no_fault(file: Path) -> None:
    loaded(file, GOOD + "\nfrom pbx.dialplan import prompt\n\nMENU = prompt('welcome')\n")


def test_files_in_the_folder_of_a_dialplan_are_its_own(tmp_path: Path) -> None:
    dialplan = tmp_path / "dialplan.py"
    assert is_beside(dialplan, str(dialplan))
    assert is_beside(dialplan, str(tmp_path / "hours.py"))
    assert not is_beside(dialplan, str(tmp_path / ".venv" / "twisted.py"))
    assert not is_beside(dialplan, "<string>")
