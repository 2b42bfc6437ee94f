"""The gate: who may speak to us at all, asked before anything is read. Declared here, kept by the exchange."""

from __future__ import annotations

from typing import Protocol


class Gate(Protocol):
    """Whom transports and transactions ask, and tell of what nobody had asked for.

    :ivar alert: whether anybody is shut out; while nobody is, nothing else is asked.
    """

    @property
    def alert(self) -> bool: ...

    def shuts_out(self, transport: str, host: str, port: int) -> bool:
        """Whether what comes from there is to be dropped unread.

        :param transport: "UDP", "TCP" or "TLS".
        :param host: the peer's IP address, IPv6 without brackets.
        """

    def bothered(self, transport: str, host: str, port: int) -> None:
        """Something came from there that was refused, was nothing, or that anybody could have sent."""


class OpenGate:
    """Lets everybody in: that of phones, and of tests."""

    alert = False

    def shuts_out(self, transport: str, host: str, port: int) -> bool:
        """Nobody."""
        return False

    def bothered(self, transport: str, host: str, port: int) -> None:
        """Nobody counts."""


OPEN = OpenGate()
