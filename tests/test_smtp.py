"""E-mails about messages: whatever a caller says of itself, they have the headers that we write and no others."""

from __future__ import annotations

import wave
from email import message_from_bytes, policy
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.features.voicemail.mailbox import Message
from pbx.media.g711 import RATE, ULAW
from pbx.media.wav import NotWave, Writer
from pbx.smtp import composed

HEADERS = ["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "message.wav"
    writer = Writer(path, ULAW)
    writer.append(bytes(RATE))
    writer.close()
    return path


def message(name: str, caller: str = "1001") -> Message:
    return Message("aBc1", "1002", caller, name, 1_700_000_000.0, 61.5)


@pytest.mark.parametrize(
    "name",
    [
        "Eve\r\nBcc: all@example.com",
        "Eve\n\nhello",
        "Eve\x0b\x0c\x1c\x85\u2028\u2029Bcc: all@example.com",
        "\udcff\udc80",
        "\0",
        "=?utf-8?q?=0D=0ABcc:_all@example.com?=",
        "=\n?utf-8?q?=0D=0ABcc:_all@example.com?=",
        "==?utf-8?b?DQpCY2M6IGFsbEBleGFtcGxlLmNvbQ==?=?=",
        "Zoë " * 200,
        "\u202egnirts",
    ],
)
def test_hostile_name_adds_no_header(name: str, sound: Path) -> None:
    content = composed(message(name, name), "pbx@example.com", "bob@example.com", sound)
    email = message_from_bytes(content, policy=policy.default)
    assert email.keys() == HEADERS
    assert (email["To"], email["From"]) == ("bob@example.com", "pbx@example.com")
    assert email["Subject"].strip().startswith("Voice message from ")
    assert all(len(line) <= 998 for line in content.splitlines())  # as mail has it


PIECES = st.sampled_from(
    ["=?", "?=", "utf-8?q?", "=0D=0A", "Bcc:_x@y", "=", "?", "\r\n", " ", "_", "ö", "\u3000", "\udc80"]
)


@given(name=st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=120), caller=st.text(max_size=20))
def test_any_name_makes_an_email_with_its_sound(name: str, caller: str, sound: Path) -> None:
    email = message_from_bytes(
        composed(message(name, caller), "pbx@example.com", "bob@example.com", sound), policy=policy.default
    )
    assert email.keys() == HEADERS
    [attachment] = email.iter_attachments()  # type: ignore[attr-defined]
    with wave.open(BytesIO(attachment.get_content())) as reader:
        assert (reader.getframerate(), reader.getnframes()) == (RATE, RATE)


def test_message_without_sound_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotWave):
        composed(message("Alice"), "pbx@example.com", "bob@example.com", tmp_path / "gone.wav")
