"""Listening: the owner of a mailbox calls it, proves who it is, and hears and sorts the messages."""

from __future__ import annotations

from datetime import UTC, datetime

from pbx.exchange.caller import Source
from pbx.features.voicemail.boxes import Voicemail
from pbx.features.voicemail.conversation import ROUNDS, SILENT_ROUNDS, Conversation, say
from pbx.features.voicemail.forwarding import forward
from pbx.features.voicemail.greetings import options
from pbx.features.voicemail.mailbox import NEW, OLD, SAVED, Mailbox, Message
from pbx.media.library import NoSound
from pbx.media.sounds import File, Phrase, Playable, Prompt, clock_time, date, digits, number

TRIES = 3  # PINs in one call
MOST_KEYS = 32

_FOLDERS = {"1": NEW, "2": OLD, "3": SAVED}


async def visit(call: Conversation, voicemail: Voicemail, mailbox: Mailbox | None = None) -> None:
    """Let the caller into a mailbox, if it is its own or he knows its PIN.

    :param mailbox: None for that of the calling extension, else for one that the caller is asked for.
    """
    caller = call.caller
    if mailbox is None and caller.source is Source.INTERNAL:
        mailbox = voicemail.find(caller.number)
    name = mailbox.name if mailbox is not None else await call.ask(say("enter-mailbox"), digits=MOST_KEYS)
    if name is None:
        return
    found = voicemail.find(name)
    name = found.name if found is not None else name
    owner = found is not None and caller.source is Source.INTERNAL and caller.number == found.extension
    if not (owner and found is not None and not found.pin):
        if not await _knows_pin(call, voicemail, name, owner):
            return
        found = voicemail.find(name)
    if found is not None:
        await Visit(call, voicemail, found).stay()


async def _knows_pin(call: Conversation, voicemail: Voicemail, name: str, owner: bool) -> bool:
    """Ask for the PIN. A mailbox that does not exist is asked for like any other."""
    for _ in range(TRIES):
        if voicemail.is_closed(name, owner):
            await call.play(say("locked"))
            return False
        tried = await call.ask(Prompt("enter-pin"), digits=MOST_KEYS)
        if tried is None:
            return False
        if await voicemail.open(name, owner, tried):
            return True
        await call.play(Prompt("wrong-pin"))
    return False


class Visit:
    """Somebody in a mailbox."""

    def __init__(self, call: Conversation, voicemail: Voicemail, mailbox: Mailbox) -> None:
        self._call = call
        self._voicemail = voicemail
        self._mailbox = mailbox
        self._rounds = 0

    async def stay(self) -> None:
        """Ask what to do until there is nothing more."""
        sounds = self._tally()
        silent = 0
        while silent < SILENT_ROUNDS and self._goes_on():
            key = await self._call.ask(*sounds, say("main"))
            sounds = []
            silent = 0 if key else silent + 1
            match key:
                case "1" | "2" | "3":
                    await self._hear(_FOLDERS[key])
                case "0":
                    await options(self._call, self._voicemail, self._mailbox)
                case "#":
                    break
                case str():
                    await self._call.play(Prompt("invalid-choice"))
        await self._call.play(Prompt("goodbye"))

    def _goes_on(self) -> bool:
        self._rounds += 1
        return self._rounds <= ROUNDS

    def _tally(self) -> list[Playable]:
        """How many messages there are, in words."""
        counts = [(folder, len(self._voicemail.messages(self._mailbox.name, folder))) for folder in (NEW, OLD, SAVED)]
        sounds: list[Playable] = [say("you-have")]
        for folder, count in counts:
            if count:
                sounds += [number(count), say(f"{folder}-message" if count == 1 else f"{folder}-messages")]
        return sounds if len(sounds) > 1 else [say("you-have"), say("no-messages")]

    async def _hear(self, folder: str) -> None:
        """Go through the messages of a folder."""
        messages = self._voicemail.messages(self._mailbox.name, folder)
        if not messages:
            await self._call.play(say("no-messages"))
            return
        place = 0
        while place < len(messages) and self._goes_on():
            message = messages[place]
            key = await self._present(message, place + 1)
            if key not in ("7", "9"):
                self._heard(message)
            match key:
                case "2" if message.caller:
                    if not await self._call.follow(message.caller):
                        await self._call.play(Prompt("cannot-complete"))
                case "4":
                    place = max(0, place - 1)
                case "5" | "2":
                    pass
                case "7":
                    self._voicemail.remove(message)
                    await self._call.play(say("deleted"))
                    place += 1
                case "8":
                    await forward(self._call, self._voicemail, self._mailbox, message)
                case "9":
                    self._voicemail.change(message, folder=SAVED)
                    await self._call.play(say("saved"))
                    place += 1
                case "6" | "#":
                    place += 1
                case _:
                    return
        await self._call.play(say("no-more"))

    def _heard(self, message: Message) -> None:
        """Somebody has listened to it."""
        known = self._voicemail.message(message.id)
        if known is not None and known.folder == NEW:
            self._voicemail.change(message, folder=OLD)

    async def _present(self, message: Message, place: int) -> str | None:
        """Play a message, and ask what to do with it; a key interrupts."""
        sounds = [*self._introduction(message, place), File(self._voicemail.files.sound_of(message))]
        try:
            key = await self._call.ask(*sounds, timeout=0)
        except NoSound:
            key = await self._call.ask(Prompt("sorry"), timeout=0)
        return key or await self._call.ask(say("message-menu"), tries=2)

    def _introduction(self, message: Message, place: int) -> list[Playable]:
        sounds: list[Playable] = [say("urgent-message" if message.urgent else "message"), number(place)]
        sounds += [say("from"), *_caller(message)]
        if message.forwarded_by:
            sounds += [say("forwarded-by"), *_digits(message.forwarded_by)]
        left_at = datetime.fromtimestamp(message.left_at, UTC).astimezone(self._call.now.tzinfo)
        return [*sounds, date(left_at, self._call.now), Phrase(("at",)), clock_time(left_at)]


def _caller(message: Message) -> list[Playable]:
    return _digits(message.caller) or [say("unknown-caller")]


def _digits(text: str) -> list[Playable]:
    """A number in words; nothing for what is none."""
    try:
        return [digits(text)] if text else []
    except ValueError:
        return []
