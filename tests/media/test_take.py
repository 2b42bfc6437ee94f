from __future__ import annotations

from pathlib import Path

import pytest

from pbx.media import wav
from pbx.media.clip import FRAME
from pbx.media.take import FAULT, KEY, LIMIT, SILENCE, Take
from pbx.media.wav import Writer
from tests.media.speaking import Speaking

LOUD = b"\x10" * FRAME


class Taken:
    """One take."""

    def __init__(self, one: Speaking, folder: Path, most: float = 10, silence: float = 2) -> None:
        self.ends: list[str] = []
        self.take = Take(one.voice, one.clock, folder / "a.wav", most, silence)
        self.take.over.addCallback(self.ends.append)


@pytest.fixture
def one() -> Speaking:
    return Speaking()


def test_silence_ends_it_and_is_not_kept(one: Speaking, tmp_path: Path) -> None:
    taken = Taken(one, tmp_path)
    one.talks(LOUD * 100)
    one.clock.advance(1.75)
    assert taken.ends == []
    one.clock.advance(0.375)
    assert taken.ends == [SILENCE]
    assert len(wav.load(tmp_path / "a.wav")) == pytest.approx(2.5 * 8000, abs=400)


def test_one_who_never_speaks_is_recorded_as_silence(one: Speaking, tmp_path: Path) -> None:
    taken = Taken(one, tmp_path)
    one.clock.advance(2.25)
    assert taken.ends == [SILENCE] and taken.take.recorder.spoke_at == 0


def test_any_key_ends_it(one: Speaking, tmp_path: Path) -> None:
    taken = Taken(one, tmp_path)
    one.talks(LOUD * 20)
    one.presses("5")
    assert taken.ends == [KEY] and taken.take.key == "5"


def test_a_key_pressed_before_ends_it_at_once(one: Speaking, tmp_path: Path) -> None:
    one.presses("5")
    assert Taken(one, tmp_path).ends == [KEY]


def test_the_limit_ends_it(one: Speaking, tmp_path: Path) -> None:
    taken = Taken(one, tmp_path, most=1)
    one.talks(LOUD * 60)
    assert taken.ends == [LIMIT]
    assert len(wav.load(tmp_path / "a.wav")) == pytest.approx(8000, abs=400)


def test_a_full_disk_ends_it(one: Speaking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged_errors) -> None:
    taken = Taken(one, tmp_path)
    one.talks(LOUD * 10)

    def append(writer: Writer, sound: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Writer, "append", append)
    one.talks(LOUD * 200, 11)
    assert taken.ends == [FAULT] and taken.take.recorder.fault == "No space left on device"
    assert len(logged_errors()) == 1


def test_who_stops_it_hears_nothing_more(one: Speaking, tmp_path: Path) -> None:
    taken = Taken(one, tmp_path)
    one.talks(LOUD * 10)
    taken.take.stop()
    taken.take.stop()
    one.clock.advance(20)
    assert taken.ends == []
    assert len(wav.load(tmp_path / "a.wav")) == pytest.approx(1600, abs=10)
    one.exchange.relay.close(one.side)
    assert not one.clock.pending
