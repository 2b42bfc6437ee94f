"""Who asks for a call, until that has its final response: a caller by its INVITE, or a transferor by its REFER."""

from __future__ import annotations

from typing import Protocol

from pbx.sip.headers import Field


class Asker(Protocol):
    """Whom a bridge tells how far its call is: an inbound session, or a transfer."""

    agreed: bytes
    """The description that has answered the caller before the call was answered; b"" for none."""

    def progress(self, status: int, sdp: bytes = b"", more: tuple[Field, ...] = ()) -> None:
        """So far it is. Before the final response."""

    def answer(self, sdp: bytes, more: tuple[Field, ...] = ()) -> None:
        """Somebody has answered. Once."""

    def reject(self, status: int, reason: str = "", more: tuple[Field, ...] = ()) -> None:
        """It has come to nothing. Once."""
