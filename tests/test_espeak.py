"""espeak-ng, the real one, and programs in its place that misbehave. Each runs with a reactor of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.programs import program

SCRIPT = """
import sys
from twisted.internet import reactor
from pbx import espeak
espeak.LONGEST, espeak.LARGEST = 1.0, 10**6
texts = sys.argv[2:]
left = len(texts)

def done(result):
    global left
    left -= 1
    print(len(result) / 8000 if isinstance(result, bytes) else result.value, flush=True)
    if not left:
        reactor.stop()

speaker = espeak.Espeak(reactor, sys.argv[1])
reactor.callWhenRunning(lambda: [speaker.synthesise(text).addBoth(done) for text in texts])
reactor.run()
"""


def said(path: str, *texts: str) -> list[str]:
    """What comes of saying texts with a program: seconds of sound, or what is wrong."""
    command = [sys.executable, "-c", SCRIPT, path, *texts]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


def impostor(folder: Path, script: str) -> str:
    """A program that does something else."""
    path = folder / "espeak-ng"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_espeak_says_texts_whatever_is_in_them() -> None:
    texts = [
        "Hello.",
        "-v xx; rm -rf /",
        "$(id) & <b>héllo</b> ﷽",
        "hello \udcff",
        "one two three four five six seven eight nine ten",
    ]
    seconds = [float(line) for line in said(program("espeak-ng"), *texts)]
    assert len(seconds) == 5 and all(0.2 < one < 20 for one in seconds)
    assert max(seconds) > 2 * min(seconds)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("exit 3", "espeak-ng failed: "),
        ("echo no sound", "espeak-ng made no sound: it does not begin as a WAV file does"),
        ("exec sleep 60", "espeak-ng took more than 1 s"),
        ("exec cat /dev/zero", "espeak-ng made more sound than anybody hears"),
    ],
)
def test_program_that_misbehaves_is_one_clear_error(tmp_path: Path, script: str, why: str) -> None:
    [line] = said(impostor(tmp_path, script), "Hello.")
    assert line.startswith(why) and line.endswith("; try the text with espeak-ng by hand")


def test_program_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    [line] = said(str(tmp_path / "nothing"), "Hello.")
    assert "try the text with espeak-ng by hand" in line
