"""A leg: somebody else whom a plan has on the line, beside the one who called. It may leave at any time; what is done
with it then has no effect.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import NoReturn, Protocol

from pbx.media.sounds import Playable


class Leg(Protocol):
    """Somebody whom `call.ring` has reached, or to whom the caller talks (`call.peer`)."""

    @property
    def number(self) -> str:
        """Its number, as the exchange knows it; "" when it does not."""

    @property
    def ended(self) -> bool:
        """Whether it has left."""

    async def play(self, *sounds: Playable) -> None:
        """Play it sounds, one after the other: `prompt("call-from-sales")`; whoever waits meanwhile hears nothing."""

    async def say(self, text: str) -> None:
        """Say it some text, in the voice of espeak-ng."""

    async def ask(self, *sounds: Playable, digits: int = 1, timeout: float = 5, tries: int = 1) -> str | None:
        """Ask it for keys; as `call.ask`."""

    def on_hold(self, music: str = "hold") -> AbstractAsyncContextManager[None]:
        """Let it hear music meanwhile; whom it talked to before, it talks to afterwards."""

    async def join(self, other: Leg) -> None:
        """Connect it with another leg of this call. The party for which the plan runs has left then."""

    async def hang_up(self) -> None:
        """Hang it up."""


class Gone:
    """The leg of a `dial`, which has ended: nothing can be done with it any more."""

    number = ""
    ended = True

    def _complain(self) -> NoReturn:
        raise RuntimeError("what dial() connected has ended; ring() returns a leg to go on with")

    async def play(self, *sounds: Playable) -> None:
        """It is gone."""
        self._complain()

    async def say(self, text: str) -> None:
        """It is gone."""
        self._complain()

    async def ask(self, *sounds: Playable, digits: int = 1, timeout: float = 5, tries: int = 1) -> str | None:
        """It is gone."""
        self._complain()

    def on_hold(self, music: str = "hold") -> AbstractAsyncContextManager[None]:
        """It is gone."""
        self._complain()

    async def join(self, other: Leg) -> None:
        """It is gone."""
        self._complain()

    async def hang_up(self) -> None:
        """It is gone already."""

    def __repr__(self) -> str:
        return "<leg, gone>"


GONE: Leg = Gone()
