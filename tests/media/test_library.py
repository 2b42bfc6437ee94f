from __future__ import annotations

import tomllib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred, succeed

from pbx.media.clip import Clip
from pbx.media.g711 import ULAW
from pbx.media.library import LONGEST_TEXT, MOST_TEXTS, OURS, Library, NoSound
from pbx.media.sounds import Prompt, Tone, clips
from tests.media.network import result
from tests.media.waves import written
from tools.prompts import texts


class Parrot:
    """Says every text as itself."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def synthesise(self, text: str) -> Deferred[bytes]:
        self.asked.append(text)
        return succeed(text.encode())


def test_every_prompt_of_the_manifest_has_its_file_and_no_file_is_without_a_text() -> None:
    manifest = tomllib.loads((OURS / "prompts.toml").read_text())
    named = {name for name, _ in texts(manifest["prompts"])}
    there = {str(path.relative_to(OURS).with_suffix("")) for path in OURS.rglob("*.wav")}
    assert there == named | {"music/hold"}
    for name in there:
        clip = Library().prompt(name)
        assert ULAW.loudness(clip.sound) > 500, name


def test_an_administrators_prompt_takes_the_place_of_ours(tmp_path: Path) -> None:
    (tmp_path / "welcome.wav").write_bytes(written(16000))
    library = Library(tmp_path)
    assert library.prompt("welcome").seconds == 0.5
    assert library.prompt("welcome") is library.prompt("welcome")
    assert library.prompt("goodbye").seconds == Library().prompt("goodbye").seconds
    (tmp_path / "welcome.wav").write_bytes(written(8000, seconds=1))
    library.forget()
    assert library.prompt("welcome").seconds == 1.0


def test_callers_do_not_wait_for_the_file_of_another(tmp_path: Path) -> None:
    waiting: list[Callable[[], None]] = []

    def aside(work: Callable[[Path], Clip], path: Path) -> Deferred[Clip]:
        done: Deferred[Clip] = Deferred()
        waiting.append(lambda: done.callback(work(path)))
        return done

    (tmp_path / "large.wav").write_bytes(written(44100, seconds=1))
    library = Library(tmp_path, aside=aside)
    heard = [Deferred.fromCoroutine(clips(library, sounds)) for sounds in ([Prompt("large")], [Tone("beep")])]
    assert [each.called for each in heard] == [False, True]
    waiting.pop()()
    assert result(heard[0])[0].seconds == 1.0
    result(Deferred.fromCoroutine(clips(library, [Prompt("large"), Prompt("large")])))
    assert not waiting  # it is known by now


@pytest.mark.parametrize("name", ["../pbx", "/etc/passwd", "", "a//b", ".hidden", "a\0b", "a/../b"])
def test_names_do_not_lead_out_of_the_folders(name: str, tmp_path: Path) -> None:
    with pytest.raises(NoSound, match="no name of a prompt"):
        Library(tmp_path).prompt(name)


def test_what_is_wrong_with_a_prompt_comes_with_its_remedy(tmp_path: Path) -> None:
    library = Library(tmp_path)
    with pytest.raises(NoSound) as missing:
        library.prompt("menu/main")
    assert str(missing.value) == "there is no prompt menu/main; put menu/main.wav into the folder of [media] prompts"
    (tmp_path / "bad.wav").write_bytes(b"ID3 and so on")
    with pytest.raises(NoSound) as bad:
        library.prompt("bad")
    assert str(bad.value) == (
        f"{tmp_path}/bad.wav cannot be played: it does not begin as a WAV file does; "
        "convert it: sox IN.wav -r 8000 -c 1 OUT.wav"
    )


def test_texts_are_said_once_and_the_last_ones_are_kept() -> None:
    parrot = Parrot()
    library = Library(synthesiser=parrot)
    for number in range(MOST_TEXTS + 1):
        result(library.say(f"text {number}"))
    assert result(library.say(f"text {MOST_TEXTS}")).sound == f"text {MOST_TEXTS}".encode()
    assert len(parrot.asked) == MOST_TEXTS + 1
    result(library.say("text 0"))
    assert len(parrot.asked) == MOST_TEXTS + 2


@pytest.mark.parametrize("text", ["", "  \n", "x" * (LONGEST_TEXT + 1)])
def test_texts_that_nobody_says_are_refused(text: str) -> None:
    with pytest.raises(NoSound, match="say 1 to 1000 characters"):
        result(Library(synthesiser=Parrot()).say(text))


def test_recordings_have_files_of_their_own(tmp_path: Path) -> None:
    library = Library(recordings=tmp_path)
    now = datetime(2026, 3, 10, 10, 0).timestamp()
    first = library.new_recording("7f3a", now)
    assert first == tmp_path / "20260310-100000-7f3a.wav"
    first.touch()
    assert library.new_recording("7f3a", now) == tmp_path / "20260310-100000-7f3a-2.wav"
