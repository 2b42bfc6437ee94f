"""The library of sounds: prompts and music from WAV files, the country's tones; each read or computed once.

Several folders may have a prompt: the first one counts, so that an administrator's voice takes the place of ours. What
is played to a caller is read aside: a large file that has to be converted keeps nobody waiting but that caller.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed

from pbx.media import tones, wav
from pbx.media.clip import Clip
from pbx.media.wav import NotWave

RECORDINGS = Path("recordings")
LONGEST_TEXT = 1000  # characters: a minute
MOST_TEXTS = 200  # that are kept, those used last
OURS = Path(__file__).parent / "prompts"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")


class NoSound(Exception):
    """There is no such prompt, or its file is none.

    :param what: a sentence, without a full stop.
    :param remedy: what to do about it.
    """

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}; {remedy}")
        self.what = what
        self.remedy = remedy


class Synthesiser(Protocol):
    """What can say any text."""

    def synthesise(self, text: str) -> Deferred[bytes]:
        """Fires with mu-law, or fails with NoSound."""


class Aside(Protocol):
    """Where something is done that takes too long for the reactor's thread."""

    def __call__(self, work: Callable[[Path], Clip], path: Path, /) -> Deferred[Clip]:
        """Do it there and give its result here."""


def at_once(work: Callable[[Path], Clip], path: Path) -> Deferred[Clip]:
    """Do it here: for tests, which have virtual time."""
    return maybeDeferred(work, path)


class Library:
    """All sounds of an exchange.

    :param folder: an administrator's prompts, which count before ours; None without any.
    :param country: the calling code of the country whose tones are heard.
    :param recordings: the folder of what is recorded; made when it is needed.
    :param synthesiser: what can say any text; None for nobody.
    :param aside: where files are read that somebody waits for.
    :ivar country: may change while calls go on.
    """

    def __init__(
        self,
        folder: Path | None = None,
        country: str = "",
        recordings: Path = RECORDINGS,
        synthesiser: Synthesiser | None = None,
        aside: Aside = at_once,
    ) -> None:
        self._folders: Sequence[Path] = [OURS] if folder is None else [folder, OURS]
        self.country = country
        self._clips: dict[str, Clip] = {}
        self._recordings = recordings
        self._synthesiser = synthesiser
        self._aside = aside
        self._said: OrderedDict[str, Clip] = OrderedDict()

    def prompt(self, name: str) -> Clip:
        """A prompt.

        :param name: the file's, without `.wav`, as in "welcome" or "digits/5".
        :raises NoSound: when there is no such file, or it is no WAV file that we can read.
        """
        clip = self._clips.get(name)
        if clip is None:
            clip = self._clips[name] = loaded(self._path_of(name))
        return clip

    async def read(self, name: str) -> Clip:
        """The same, while others go on.

        :raises NoSound: as `prompt` does.
        """
        clip = self._clips.get(name)
        if clip is None:
            clip = self._clips[name] = await self._aside(loaded, self._path_of(name))
        return clip

    async def read_file(self, path: Path) -> Clip:
        """What a WAV file sounds like that is nobody's prompt.

        :raises NoSound: when it cannot be read, or is none that we understand.
        """
        return await self._aside(loaded, path)

    def tone(self, name: str) -> Clip:
        """One round of a tone of the country.

        :param name: one of `pbx.media.tones.TONES`.
        """
        return tones.tone(name, self.country)

    def say(self, text: str) -> Deferred[Clip]:
        """What a text sounds like; fails with NoSound."""
        if not text.strip() or len(text) > LONGEST_TEXT:
            what = f"a text of {len(text)} characters cannot be said"
            return fail(NoSound(what, f"say 1 to {LONGEST_TEXT} characters"))
        if self._synthesiser is None:
            return fail(NoSound("there is nothing here that can say a text", "install espeak-ng"))
        clip = self._said.get(text)
        if clip is not None:
            self._said.move_to_end(text)
            return succeed(clip)
        return self._synthesiser.synthesise(text).addCallback(self._keep, text)

    def new_recording(self, name: str, now: float) -> Path:
        """A file for a recording that is to begin; it is not made.

        :param name: of the call, say.
        :param now: seconds since 1970.
        """
        stem = f"{datetime.fromtimestamp(now):%Y%m%d-%H%M%S}-{name}"
        path, count = self._recordings / f"{stem}.wav", 1
        while path.exists():
            count += 1
            path = self._recordings / f"{stem}-{count}.wav"
        return path

    def has(self, name: str) -> bool:
        """Whether there is a file for a prompt."""
        return _NAME.fullmatch(name) is not None and any(path.is_file() for path in self._paths(name))

    def forget(self) -> None:
        """Read all files anew when they are needed next: they may have changed."""
        self._clips.clear()
        self._said.clear()

    def _keep(self, sound: bytes, text: str) -> Clip:
        clip = self._said[text] = Clip(sound)
        if len(self._said) > MOST_TEXTS:
            self._said.popitem(last=False)
        return clip

    def _path_of(self, name: str) -> Path:
        if _NAME.fullmatch(name) is None:
            raise NoSound(f"{name!r} is no name of a prompt", 'write for example "welcome" or "digits/5"')
        found = next((path for path in self._paths(name) if path.is_file()), None)
        if found is None:
            raise NoSound(f"there is no prompt {name}", f"put {name}.wav into the folder of [media] prompts")
        return found

    def _paths(self, name: str) -> list[Path]:
        return [folder / f"{name}.wav" for folder in self._folders]


def loaded(path: Path) -> Clip:
    """What a WAV file sounds like.

    :raises NoSound: when it cannot be read, or is none that we understand.
    """
    try:
        return Clip(wav.load(path))
    except NotWave as error:
        raise NoSound(f"{path} cannot be played: {error.why}", "convert it: sox IN.wav -r 8000 -c 1 OUT.wav") from None
