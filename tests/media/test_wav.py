from __future__ import annotations

import math
import os
import resource
import struct
from array import array
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.media import wav
from pbx.media.g711 import ALAW, ULAW
from pbx.media.wav import NotWave, Writer
from tests.media.waves import amplitude, written

TONE = array("h", [round(9000 * math.sin(math.pi * at / 20)) for at in range(800)]).tobytes()  # 200 Hz, 100 ms


def made(form: bytes, sound: bytes, *, before: bytes = b"", size: int | None = None) -> bytes:
    """A WAV file.

    :param form: the content of its format chunk.
    :param before: chunks before that.
    :param size: what it says about the length of its sound; None for the truth.
    """
    chunks = before + struct.pack("<4sI", b"fmt ", len(form)) + form
    chunks += struct.pack("<4sI", b"data", len(sound) if size is None else size) + sound
    return struct.pack("<4sI4s", b"RIFF", 4 + len(chunks), b"WAVE") + chunks


def form(tag: int, channels: int = 1, rate: int = 8000, bits: int = 16) -> bytes:
    width = channels * bits // 8
    return struct.pack("<HHIIHH", tag, channels, rate, rate * width, width, bits)


@pytest.mark.parametrize(("tag", "law"), [(7, ULAW), (6, ALAW)])
def test_g711_is_read(tag: int, law: object) -> None:
    assert isinstance(law, type(ULAW))
    sound = law.encode(TONE)
    assert wav.read(made(form(tag, bits=8), sound)) == law.decode(sound)


def test_extensible_format_is_what_its_guid_says() -> None:
    extension = struct.pack("<HHI", 22, 16, 4) + struct.pack("<H", 1) + bytes.fromhex("000000001000800000aa00389b71")
    assert wav.read(made(form(0xFFFE) + extension, TONE)) == TONE
    with pytest.raises(NotWave, match="extensible"):
        wav.read(made(form(0xFFFE) + extension[:-1] + b"x", TONE))


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 32000, 44100, 48000])
@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("channels", [1, 2])
def test_any_rate_becomes_ours_with_the_same_tone(rate: int, width: int, channels: int) -> None:
    pcm = wav.read(written(rate, channels, width))
    assert abs(len(pcm) - 8000) <= 2
    assert amplitude(pcm[800:-800], 440) == pytest.approx(9000, rel=0.03)


def test_what_is_too_high_for_our_rate_is_not_heard() -> None:
    samples = array("h", [round(9000 * math.sin(2 * math.pi * 7000 * at / 48000)) for at in range(24000)])
    pcm = wav.read(made(form(1, rate=48000), samples.tobytes()))
    assert amplitude(pcm, 1000) < 50  # where it would be folded to


def test_chunks_of_others_are_skipped() -> None:
    assert wav.read(made(form(1), TONE, before=b"LIST\x03\x00\x00\x00abc\x00")) == TONE


@pytest.mark.parametrize("size", [0, 4_000_000_000])
def test_file_whose_writer_was_killed_is_read_to_its_end(size: int) -> None:
    assert wav.read(made(form(1), TONE, size=size)) == TONE


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "does not begin"),
        (b"ID3\x04 an mp3 by another name", "does not begin"),
        (made(form(1), TONE)[:40], "no sound"),
        (made(form(1)[:10], TONE), "cut off"),
        (made(form(1), b""), "no sound"),
        (made(form(1), TONE, before=b"junk\0\0\0\0" * 200), "no sound"),
        (made(form(3, bits=32), TONE), "format is 3 with 32 bits"),
        (made(form(1, bits=24), TONE), "24 bits"),
        (made(form(1, channels=0), TONE), "0 channels"),
        (made(form(1, rate=0), TONE), "0 samples"),
        (made(form(1, rate=8001), TONE), "8001 samples a second"),
        (b"RIFF\x00\x00\x00\x00WAVEdata\x02\x00\x00\x00ab", "before its format"),
    ],
)
def test_what_is_no_wave_file_says_why(content: bytes, why: str) -> None:
    with pytest.raises(NotWave, match=why):
        wav.read(content)


@given(place=st.integers(0, 60), damage=st.binary(max_size=8), end=st.integers(0, 200))
def test_damaged_file_is_one_clear_error_or_sound(place: int, damage: bytes, end: int) -> None:
    whole = made(form(1), TONE[:100])
    damaged = whole[:place] + damage + whole[place + len(damage) : end]
    try:
        assert len(wav.read(damaged)) % 2 == 0
    except NotWave as error:
        assert error.why


def test_file_that_cannot_be_read_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotWave, match="No such file"):
        wav.load(tmp_path / "nothing.wav")
    with pytest.raises(NotWave, match="Is a directory"):
        wav.load(tmp_path)
    monkeypatch.setattr(wav, "LARGEST", 2**20)
    (tmp_path / "large.wav").write_bytes(bytes(2**20 + 1))
    with pytest.raises(NotWave, match="larger than 1 MiB"):
        wav.load(tmp_path / "large.wav")


def test_what_is_written_is_whole_after_every_piece(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "a.wav")
    sound = ULAW.encode(TONE)
    for pieces in range(1, 4):
        writer.append(sound)
        # As it would be found after a kill -9: nothing is kept back in the process.
        assert wav.load(tmp_path / "a.wav") == sound * pieces
    writer.cut(0.1)
    writer.close()
    assert wav.load(tmp_path / "a.wav") == sound
    assert writer.seconds == 0.1


def test_file_of_another_kind_is_loaded_as_mu_law(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(written(16000))
    assert len(wav.load(tmp_path / "a.wav")) == 4000
    content = written(8000)
    (tmp_path / "b.wav").write_bytes(content)
    assert wav.load(tmp_path / "b.wav") == ULAW.encode(wav.read(content))


def test_two_channels_are_told(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "a.wav", ALAW, channels=2)
    writer.append(bytes(160))
    writer.close()
    content = (tmp_path / "a.wav").read_bytes()
    assert struct.unpack_from("<HHIIHH", content, 20) == (6, 2, 8000, 16000, 2, 8)
    assert struct.unpack_from("<I", content, 4)[0] == len(content) - 8
    assert writer.seconds == 0.01


def test_file_that_is_there_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("precious")
    with pytest.raises(FileExistsError):
        Writer(tmp_path / "a.wav")
    assert (tmp_path / "a.wav").read_text() == "precious"


def test_full_disk_loses_nothing_that_was_written(tmp_path: Path) -> None:
    sound = ULAW.encode(TONE)
    child = os.fork()
    if child == 0:
        # A limit of the process's own is the disk that is full: pytest must not meet it.
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        writer = Writer(tmp_path / "a.wav")
        writer.append(sound)
        resource.setrlimit(resource.RLIMIT_FSIZE, (900, resource.RLIM_INFINITY))
        try:
            writer.append(sound)
        except OSError:
            os._exit(0)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    assert wav.load(tmp_path / "a.wav") == sound
