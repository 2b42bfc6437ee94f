"""What voicemail needs of a call: `pbx.dialplan.Call` is one."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Protocol

from pbx.exchange.caller import Caller
from pbx.media.library import Library
from pbx.media.sounds import Playable, Prompt, Recording

SILENT_ROUNDS = 3  # menus that are asked in vain before somebody is taken to have left
ROUNDS = 200  # menus in one call: nobody listens for longer, but a machine that presses keys might


class Conversation(Protocol):
    """One call. Whatever waits raises `HungUp` when the caller leaves."""

    @property
    def caller(self) -> Caller: ...
    @property
    def now(self) -> datetime: ...
    @property
    def library(self) -> Library: ...

    async def play(self, *sounds: Playable) -> None:
        """Answer, and play sounds."""

    async def ask(self, *sounds: Playable, digits: int = 1, timeout: float = 5, tries: int = 1) -> str | None:
        """Answer, play sounds, and wait for keys."""

    async def record(
        self, max: float = 300, silence: float = 5, beep: bool = True, path: Path | None = None
    ) -> Recording:
        """Answer, and record into a file."""

    async def follow(self, number: str) -> bool:
        """Do what the dialplan does when this caller dials a number; False when there is nothing that it does."""


def say(name: str) -> Prompt:
    """A prompt of ours."""
    return Prompt(f"voicemail/{name}")
