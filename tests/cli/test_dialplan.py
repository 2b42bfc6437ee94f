"""`pbx dialplan new`: what it writes is well, and its tests pass."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.cli.command import Pbx


def test_a_new_plan_passes_its_tests_and_the_check(pbx: Pbx, folder: Path) -> None:
    pbx("db", "upgrade")
    assert pbx("dialplan", "new", str(folder)).status == 0
    assert pbx("check").out == ""
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False, cwd=folder)
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout
    assert "exists already" in pbx("dialplan", "new", str(folder)).sentence
