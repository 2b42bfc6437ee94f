"""`pbx dialplan new`: a dialplan with its tests, to start from."""

from __future__ import annotations

from pathlib import Path

import click

from pbx.cli import output
from pbx.faults import Fault

PLAN = '''\
"""What the exchange does with a call. Check it with `pbx check`, test it with `pytest`, ask it with `pbx explain`."""

from __future__ import annotations

from pbx.dialplan import Busy, Call, Plan, ext, mailbox

plan = Plan()


@plan.internal("<number:1XX>")
async def extension(call: Call, number: str) -> None:
    """Ring all phones of an extension for twenty seconds; without an answer, take a message."""
    outcome = await call.dial(ext(number), timeout=20)
    if not outcome:
        await call.voicemail(mailbox(number), "busy" if isinstance(outcome, Busy) else "unavailable")


@plan.internal("112")
async def emergency(call: Call) -> None:
    """Nobody is reached by this yet: send it to a trunk, trunk("acme").to("112")."""
    await call.reject(503)
'''
TESTS = '''\
"""Tests of the dialplan: the phones are complete, the exchange is the real one, and time costs nothing."""

from __future__ import annotations

import pytest
from dialplan import plan

from pbx.testing import Sim


@pytest.fixture
def sim() -> Sim:
    return Sim(plan, at="2026-03-10 10:00 Europe/Paris")


def test_a_call_is_answered(sim: Sim) -> None:
    a, b = sim.phone("101"), sim.phone("102")
    a.dials("102")
    assert b.ringing
    b.answer()
    assert a.talks_to(b)


def test_nobody_answers_and_a_message_is_left(sim: Sim) -> None:
    sim.phone("102")
    a = sim.phone("101").dials("102")
    sim.advance(20)
    assert a.hears("after-the-tone", within=20)
    sim.advance(2)
    a.says(seconds=4)
    a.hang_up()
    sim.advance(2)
    assert sim.mailbox("102").new == 1
    assert sim.phone("102").lamp("mwi")


def test_strangers_reach_nobody(sim: Sim) -> None:
    assert sim.stranger().dials("101").sees(403)
'''


@click.group()
def dialplan() -> None:
    """Begin a dialplan."""


@dialplan.command()
@click.argument("folder", default=".", type=click.Path(path_type=Path))
@output.as_json
def new(folder: Path, as_json: bool) -> None:
    """Write dialplan.py and its tests, test_dialplan.py, into FOLDER; what is there already is never overwritten."""
    files = {folder / "dialplan.py": PLAN, folder / "test_dialplan.py": TESTS}
    try:
        for file in files:
            if file.exists():
                raise Fault("", 0, f"{file} exists already", "name another folder")
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in files.items():
            file.write_text(text)
    except OSError as error:
        raise Fault("", 0, f"{folder} cannot be written: {error.strerror}", "name another folder") from None
    sentence = f"{folder / 'dialplan.py'} and its tests are there; run them with `pytest {folder}`"
    output.say(sentence, {"files": [str(file) for file in files]}, as_json)
