"""Forwarding: a message is put into another mailbox, too, behind a comment if its owner wants to make one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from twisted.logger import Logger

from pbx.exchange.caller import Caller, Source
from pbx.features.voicemail.boxes import Voicemail
from pbx.features.voicemail.conversation import Conversation, say
from pbx.features.voicemail.mailbox import Mailbox, Message
from pbx.media.g711 import RATE, ULAW
from pbx.media.library import NoSound
from pbx.media.sounds import Prompt
from pbx.media.wav import NotWave, Writer, load

MOST_KEYS = 32
COMMENT = 60.0  # seconds at most

log = Logger()


async def forward(call: Conversation, voicemail: Voicemail, mailbox: Mailbox, message: Message) -> None:
    """Ask where a message is to go, and put a copy there.

    :param mailbox: in which it is.
    """
    name = await call.ask(say("enter-mailbox"), digits=MOST_KEYS)
    if name is None:
        return
    other = voicemail.find(name)
    if other is None:
        await call.play(say("no-mailbox"))
        return
    if voicemail.is_full(other):
        await call.play(say("full"))
        return
    caller = Caller(message.caller, message.caller_name, Source.INTERNAL)
    # Before anything else is asked: it has its place in the mailbox from now on.
    draft = replace(voicemail.draft(other, caller, mailbox.name), left_at=message.left_at, urgent=message.urgent)
    delivered = False
    try:
        delivered = await _copied(call, voicemail, draft, message)
    except (OSError, NoSound, NotWave) as error:
        log.error("a message cannot be forwarded to {name}: {why}", name=other.name, why=str(error))
    finally:
        if not delivered:
            voicemail.drop(draft)
    await call.play(say("forwarded") if delivered else Prompt("sorry"))


async def _copied(call: Conversation, voicemail: Voicemail, draft: Message, message: Message) -> bool:
    with_comment = await call.ask(say("comment")) == "1"
    path = voicemail.files.begin(draft)
    comment = b""
    if with_comment:
        await call.record(max=COMMENT, path=path)
        comment = load(path)
        path.unlink()
    sound = comment + load(voicemail.files.sound_of(message))
    _write(path, sound)
    voicemail.deliver(replace(draft, seconds=round(len(sound) / RATE, 1)))
    return True


def _write(path: Path, sound: bytes) -> None:
    writer = Writer(path, ULAW)
    try:
        writer.append(sound)
    finally:
        writer.close()
