"""The sound of messages, as files: a folder for each mailbox, in it `ID.wav` for each message, and its greetings.

Whenever the process or the machine dies, the next start finds out what every file is:

- A message is recorded into `ID.part`, beside `ID.envelope`, which says who left it and when. `ID.part` becomes
  `ID.wav` when it is finished, and the envelope stays until the row is in the table. So a file with an envelope is a
  message that has to be written into the table, however far it came.
- A message's file is removed after its row. So a file with neither an envelope nor a row was deleted.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from pbx.features.voicemail.mailbox import SHORTEST, Message
from pbx.media.g711 import RATE, ULAW
from pbx.media.wav import header

_HEADER = len(header(ULAW, 1, 0))
_TEXTS = ("caller", "caller_name", "forwarded_by", "email")


class MessageFiles:
    """The files in one folder.

    :param folder: made when something is to be put into it.
    """

    __slots__ = ("folder",)

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path_of(self, message: Message) -> Path:
        """The sound of a message that is finished."""
        return self._path(message, "wav")

    def sound_of(self, message: Message) -> Path:
        """The sound of a message, wherever it is now: one that has just been left may not be finished yet."""
        path = self.path_of(message)
        return path if path.exists() else self._path(message, "part")

    def greeting(self, mailbox: str, kind: str) -> Path:
        """A greeting; there may be none."""
        return self.folder / mailbox / "greetings" / f"{kind}.wav"

    def begin(self, message: Message) -> Path:
        """Write the envelope of a message that is to be recorded, and return where.

        :raises OSError: it cannot be written.
        """
        path = self._path(message, "part")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path(message, "envelope").write_bytes(_sealed(message))
        return path

    def discard(self, message: Message) -> None:
        """Remove what was begun: it is no message. What cannot be removed is found at the next start."""
        for ending in ("part", "envelope"):
            with suppress(OSError):
                self._path(message, ending).unlink()

    def finish(self, message: Message) -> None:
        """See that a message outlives a power cut; without effect on one that is finished.

        :raises OSError: it cannot be written.
        """
        part = self._path(message, "part")
        if not part.exists():
            return
        self._seal(message)
        _sync(part)
        part.rename(self.path_of(message))
        _sync(part.parent)

    def settle(self, message: Message) -> None:
        """A message is in the table: its envelope is needed no more."""
        self._path(message, "envelope").unlink(missing_ok=True)

    def remove(self, message: Message) -> None:
        """A message is no longer in the table: remove its sound."""
        for ending in ("envelope", "part", "wav"):
            self._path(message, ending).unlink(missing_ok=True)

    def left(self, known: set[str]) -> list[Message]:
        """Finish what the last run has left: return the messages that have yet to come into the table, and remove what
        is none, and what was deleted.

        :param known: the ids of all messages in the table.
        :raises OSError: the folder cannot be read, or not written.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = []
        for place, id, endings in self._all():
            if id in known:
                (place / f"{id}.envelope").unlink(missing_ok=True)
                continue
            message = self._opened(place, id) if "envelope" in endings else None
            if message is not None and message.seconds >= SHORTEST:
                self.finish(message)
                found.append(message)
            else:
                self.remove(Message(id, place.name, "", "", 0.0))
        return found

    def missing(self, messages: list[Message]) -> int:
        """How many messages have no sound."""
        return sum(not self.path_of(message).exists() for message in messages)

    def _all(self) -> Iterator[tuple[Path, str, set[str]]]:
        """Yield mailbox's folder, id and endings of all that is there."""
        for place in sorted(self.folder.iterdir()):
            if not place.is_dir():
                continue
            for unfinished in place.glob("greetings/*.recording"):
                unfinished.unlink(missing_ok=True)
            files: dict[str, set[str]] = {}
            for path in place.iterdir():
                stem, _, ending = path.name.partition(".")
                if ending in ("part", "wav", "envelope"):
                    files.setdefault(stem, set()).add(ending)
                elif ending == "sealing":
                    path.unlink(missing_ok=True)
            for id, endings in sorted(files.items()):
                yield place, id, endings

    def _opened(self, place: Path, id: str) -> Message | None:
        """What an envelope and its sound say of a message; None without any sound."""
        sound = next((path for path in (place / f"{id}.wav", place / f"{id}.part") if path.exists()), None)
        if sound is None:
            return None
        seconds = max(0, sound.stat().st_size - _HEADER) / RATE
        try:
            said: Any = json.loads((place / f"{id}.envelope").read_bytes())
        except (OSError, ValueError):
            said = {}
        if not isinstance(said, dict):
            said = {}
        texts = {name: said[name] for name in _TEXTS if isinstance(said.get(name), str)}
        left_at = said.get("left_at")
        if not isinstance(left_at, float):
            left_at = sound.stat().st_mtime
        message = Message(id, place.name, "", "", left_at, round(seconds, 1), urgent=said.get("urgent") is True)
        return dataclasses.replace(message, **texts)

    def _seal(self, message: Message) -> None:
        """Write the envelope anew, with what is known at the end; where that is impossible the first one will do."""
        envelope, sealing = self._path(message, "envelope"), self._path(message, "sealing")
        try:
            sealing.write_bytes(_sealed(message))
            _sync(sealing)
            sealing.rename(envelope)
        except OSError:
            sealing.unlink(missing_ok=True)
            if envelope.exists():
                _sync(envelope)

    def _path(self, message: Message, ending: str) -> Path:
        return self.folder / message.mailbox / f"{message.id}.{ending}"


def _sealed(message: Message) -> bytes:
    return json.dumps(dataclasses.asdict(message)).encode()


def _sync(path: Path) -> None:
    """Have a file, or the names in a folder, on the disk itself."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
