"""What the owner of a mailbox decides about it by phone: its greetings, and its PIN."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from twisted.logger import Logger

from pbx.features.voicemail.boxes import Voicemail
from pbx.features.voicemail.conversation import ROUNDS, SILENT_ROUNDS, Conversation, say
from pbx.features.voicemail.mailbox import BUSY, NAME, TEMPORARY, UNAVAILABLE, Mailbox
from pbx.features.voicemail.pin import may_be_pin
from pbx.media.library import NoSound
from pbx.media.sounds import File, Prompt

LONGEST = {UNAVAILABLE: 60.0, BUSY: 60.0, TEMPORARY: 60.0, NAME: 10.0}  # seconds
MOST_KEYS = 32

_KINDS = {"1": UNAVAILABLE, "2": BUSY, "3": TEMPORARY, "4": NAME}

log = Logger()


async def options(call: Conversation, voicemail: Voicemail, mailbox: Mailbox) -> None:
    """Ask what to change until there is nothing more."""
    silent = 0
    for _ in range(ROUNDS):
        key = await call.ask(say("options"))
        silent = 0 if key else silent + 1
        match key:
            case "1" | "2" | "3" | "4":
                await _greeting(call, voicemail.files.greeting(mailbox.name, _KINDS[key]), LONGEST[_KINDS[key]])
            case "5":
                await _change_pin(call, voicemail, mailbox)
            case "*" | "#":
                return
            case str():
                await call.play(Prompt("invalid-choice"))
        if silent == SILENT_ROUNDS:
            return


async def _greeting(call: Conversation, path: Path, longest: float) -> None:
    """Record, hear or remove one greeting."""
    for _ in range(ROUNDS):
        match await call.ask(say("greeting-menu")):
            case "1":
                await _record(call, path, longest)
            case "2" if path.exists():
                try:
                    await call.play(File(path))
                except NoSound as error:
                    log.error("a greeting cannot be played: {why}", why=str(error))
                    await call.play(Prompt("sorry"))
            case "3":
                await _remove(call, path)
            case "2":
                await call.play(say("no-greeting"))
            case _:
                return


async def _record(call: Conversation, path: Path, longest: float) -> None:
    """Record a greeting; until that is done callers hear the one before."""
    recording = path.with_suffix(".recording")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        recording.unlink(missing_ok=True)
        await call.play(Prompt("after-the-tone"))
        taken = await call.record(max=longest, silence=3, path=recording)
        if taken.is_silent or taken.fault:
            await call.play(Prompt("sorry") if taken.fault else say("too-short"))
        else:
            recording.replace(path)
            await call.play(say("saved"))
    except (OSError, NoSound) as error:
        log.error("a greeting cannot be recorded: {why}", why=str(error))
        await call.play(Prompt("sorry"))
    finally:
        with suppress(OSError):
            recording.unlink()


async def _remove(call: Conversation, path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
        await call.play(say("deleted"))
    except OSError as error:
        log.error("a greeting cannot be removed: {why}", why=str(error))
        await call.play(Prompt("sorry"))


async def _change_pin(call: Conversation, voicemail: Voicemail, mailbox: Mailbox) -> None:
    """Ask for another PIN, twice."""
    new = await call.ask(say("new-pin"), digits=MOST_KEYS)
    if new is None:
        return
    if not may_be_pin(new):
        await call.play(say("no-pin"))
    elif await call.ask(say("again-pin"), digits=MOST_KEYS) != new:
        await call.play(say("other-pin"))
    else:
        await voicemail.change_pin(mailbox, new)
        await call.play(say("pin-changed"))
