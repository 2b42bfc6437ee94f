"""Recordings of conferences: how they begin and end, what is in them, and what happens when they fail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pbx.media import wav
from pbx.media.g711 import ULAW
from pbx.testing.exchange import SimulatedExchange
from pbx.testing.sound import share
from tests.flows.conferences import conference, enter, enters, heard, nothing_ended, parties, say, silence, sim

__all__ = ["nothing_ended", "sim"]


def test_recording_is_the_mix_and_readable_while_it_goes_on(sim: SimulatedExchange) -> None:
    alice = enters(sim, "1001", "802")
    path = conference(sim, "court").recording
    assert path is not None and "court" in path.name
    assert alice.hears("conference/recorded")
    bob = sim.phone("1002")
    bob.invites("802")
    assert bob.hears("conference/recorded")
    sim.until(lambda: parties(sim) == 2)
    silence(sim)
    say(sim, (alice, bob), (440.0, 600.0))
    sim.advance(2)
    # As a crash would leave it: nobody has closed the file.
    sound = wav.load(path)[-4 * 8000 :]
    talk = max((sound[place : place + 4000] for place in range(0, len(sound), 800)), key=ULAW.loudness)
    assert share(ULAW.decode(talk), 440.0) > 0.4 and share(ULAW.decode(talk), 600.0) > 0.4


def test_leader_begins_and_ends_a_recording(sim: SimulatedExchange) -> None:
    alice, bob = enter(sim, "1001", "1002")
    alice.presses("*5")
    assert bob.hears("conference/recorded")
    path = conference(sim).recording
    assert path is not None
    alice.presses("*5")
    assert bob.hears("conference/not-recorded")
    assert conference(sim).recording is None and wav.load(path)


def test_recording_that_cannot_be_made_does_not_end_the_conference(
    sim: SimulatedExchange, tmp_path: Path, logged_errors: Callable[[], list[Any]]
) -> None:
    (tmp_path / "recordings").write_text("no folder")
    alice, _ = enter(sim, "1001", "1002")
    alice.presses("*5")
    assert alice.hears("sorry")
    assert conference(sim).recording is None and parties(sim) == 2
    (error,) = logged_errors()
    assert error["name"] == "sales"


def test_full_disk_ends_the_recording_and_not_the_conference(
    sim: SimulatedExchange, monkeypatch: pytest.MonkeyPatch, logged_errors: Callable[[], list[Any]]
) -> None:
    alice, bob = enter(sim, "1001", "1002", dialled="802")
    path = conference(sim, "court").recording
    assert path is not None
    sim.advance(3)

    def append(writer: wav.Writer, sound: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(wav.Writer, "append", append)
    sim.advance(3)
    assert conference(sim, "court").recording is None and len(logged_errors()) == 1
    say(sim, (alice, bob), (440.0, 600.0))
    assert heard(alice, 600.0) > 0.95 and heard(bob, 440.0) > 0.95
    assert len(wav.load(path)) >= 8000
