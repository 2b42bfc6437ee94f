"""etc/examples: each task of docs/dialplan/tasks.md as a plan of its own, with the tests beside it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pbx.dialplan import loading
from pbx.exchange.numbering import Numbering

EXAMPLES = Path(__file__).parents[2] / "etc" / "examples"
PLANS = sorted(file for file in EXAMPLES.glob("*.py") if not file.name.startswith("test_"))


def test_each_task_but_the_queue_is_there_with_its_tests() -> None:
    assert [file.name[:6] for file in PLANS] == ["task_1", "task_2", "task_3", "task_4", "task_6"]
    assert sorted(EXAMPLES.glob("test_*.py")) == sorted(EXAMPLES / f"test_{file.name}" for file in PLANS)


def test_their_tests_pass() -> None:
    argv = [sys.executable, "-B", "-m", "pytest", "-q", "-c", "/dev/null", "-p", "no:cacheprovider", "."]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False, cwd=EXAMPLES)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("file", PLANS, ids=lambda file: file.stem)
def test_nothing_is_doubtful_in_them(file: Path) -> None:
    plan = loading.load(file, lambda number: True, numbering=Numbering(emergency=()))
    assert loading.doubtful(str(file), plan) == []
