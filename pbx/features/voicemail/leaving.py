"""Leaving a message: a greeting, the message itself, and what the caller wants done with it.

What was said is kept whenever the caller hangs up, also while we ask what to do with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from twisted.logger import Logger

from pbx.features.voicemail.boxes import Voicemail
from pbx.features.voicemail.conversation import Conversation, say
from pbx.features.voicemail.listening import visit
from pbx.features.voicemail.mailbox import BUSY, NAME, SHORTEST, TEMPORARY, Mailbox, Message
from pbx.media.g711 import RATE, ULAW
from pbx.media.library import NoSound
from pbx.media.recorder import SPEECH
from pbx.media.sounds import File, Playable, Prompt
from pbx.media.wav import NotWave, load

TAKES = 5  # how often a caller may record it anew
SILENT_TAKES = 2  # after which nobody seems to be there
_CHUNK = RATE // 10

log = Logger()


async def leave(call: Conversation, voicemail: Voicemail, name: str, greeting: str) -> None:
    """Let the caller leave a message. Returns at once, and does not answer, where there is no such mailbox.

    :param greeting: "unavailable" or "busy".
    """
    mailbox = voicemail.find(name)
    if mailbox is None:
        log.info("there is no mailbox {name}", name=name)
        return
    try:
        key = await call.ask(*greeting_of(call, voicemail, mailbox, greeting), Prompt("after-the-tone"), timeout=0)
    except NoSound as error:
        log.error("the greeting of mailbox {name} cannot be played: {why}", name=mailbox.name, why=str(error))
        key = await call.ask(_ours(greeting), Prompt("after-the-tone"), timeout=0)
    if key == "*":
        # Its owner, on the way, as other systems have it.
        await visit(call, voicemail, mailbox)
        return
    if voicemail.is_full(mailbox):
        await call.play(say("full"))
        return
    taking = Taking(call, voicemail, mailbox)
    try:
        await taking.take()
    finally:
        # Also when the caller hangs up: most do.
        taking.end()


def greeting_of(call: Conversation, voicemail: Voicemail, mailbox: Mailbox, greeting: str) -> Sequence[Playable]:
    """What callers hear first: what was recorded by phone, else the administrator's prompt, else ours."""
    for kind in (TEMPORARY, greeting):
        path = voicemail.files.greeting(mailbox.name, kind)
        if path.exists():
            return [File(path)]
    if call.library.has(f"greetings/{mailbox.name}-{greeting}"):
        return [Prompt(f"greetings/{mailbox.name}-{greeting}")]
    name = voicemail.files.greeting(mailbox.name, NAME)
    if name.exists():
        return [File(name), say("is-busy" if greeting == BUSY else "is-not-available")]
    return [_ours(greeting)]


def _ours(greeting: str) -> Prompt:
    return Prompt("busy" if greeting == BUSY else "not-available")


class Taking:
    """One message on its way."""

    def __init__(self, call: Conversation, voicemail: Voicemail, mailbox: Mailbox) -> None:
        self._call = call
        self._voicemail = voicemail
        self._mailbox = mailbox
        self._draft: Message | None = None

    async def take(self) -> None:
        """Record it, and ask what to do with it, until the caller has decided."""
        silent = 0
        for _ in range(TAKES):
            self._drop()
            if not await self._record():
                return
            if not self._is_message():
                silent += 1
                if silent == SILENT_TAKES:
                    return
                await self._call.play(say("too-short"))
            elif await self._review():
                self.end()
                await self._call.play(say("sent"))
                return

    def end(self) -> None:
        """Deliver what there is, if it is a message."""
        draft, self._draft = self._draft, None
        if draft is None:
            return
        sound = _heard(self._voicemail, draft)
        if sound is None:
            self._voicemail.drop(draft)
        else:
            self._voicemail.deliver(replace(draft, seconds=sound))

    async def _record(self) -> bool:
        """Record; return whether that is possible."""
        mailbox, limits = self._mailbox, self._voicemail.limits
        draft = self._voicemail.draft(mailbox, self._call.caller)
        try:
            path = self._voicemail.files.begin(draft)
        except OSError as error:
            self._voicemail.drop(draft)
            log.error("no message can be taken for {name}: {why}", name=mailbox.name, why=error.strerror or str(error))
            await self._call.play(Prompt("sorry"))
            return False
        self._draft = draft
        try:
            await self._call.record(max=mailbox.max_seconds or limits.max_seconds, silence=limits.silence, path=path)
        except NoSound as error:
            self._drop()
            log.error("no message can be taken for {name}: {why}", name=mailbox.name, why=str(error))
            await self._call.play(Prompt("sorry"))
            return False
        return True

    async def _review(self) -> bool:
        """Ask what to do with it; return whether it is to be sent."""
        draft = self._draft
        assert draft is not None
        for _ in range(TAKES):
            match await self._call.ask(say("review"), timeout=4):
                case "2":
                    await self._call.play(File(self._voicemail.files.sound_of(draft)))
                case "3":
                    return False
                case "4":
                    self._draft = draft = replace(draft, urgent=not draft.urgent)
                    await self._call.play(say("is-urgent" if draft.urgent else "is-not-urgent"))
                case _:
                    return True
        return True

    def _is_message(self) -> bool:
        return self._draft is not None and _heard(self._voicemail, self._draft) is not None

    def _drop(self) -> None:
        draft, self._draft = self._draft, None
        if draft is not None:
            self._voicemail.drop(draft)


def _heard(voicemail: Voicemail, draft: Message) -> float | None:
    """The seconds of what was recorded; None when it is too short, or nobody has said anything."""
    try:
        sound = load(voicemail.files.sound_of(draft))
    except NotWave:
        return None
    if len(sound) < SHORTEST * RATE:
        return None
    spoken = any(ULAW.loudness(sound[place : place + _CHUNK]) >= SPEECH for place in range(0, len(sound), _CHUNK))
    return round(len(sound) / RATE, 1) if spoken else None
