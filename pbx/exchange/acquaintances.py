"""Acquaintances: who is known by where it speaks from: registered phones and trunks. Whoever bans asks here."""

from __future__ import annotations

from pbx.exchange.registered import RegisteredFlows
from pbx.exchange.trunks import Trunks


class Acquaintances:
    """All of them (`pbx.exchange.doors.Places`).

    :ivar trunks: set once there are any.
    """

    __slots__ = ("_registered", "trunks")

    def __init__(self, registered: RegisteredFlows) -> None:
        self._registered = registered
        self.trunks: Trunks | None = None

    def account_at(self, transport: str, host: str, port: int) -> str:
        """The number that is registered over a flow, or the trunk whose address that is; "" for nobody."""
        found = self._registered.account_at(transport, host, port)
        if not found and self.trunks is not None and self.trunks.links:
            found = self.trunks.account_at(transport, host, port)
        return found

    def is_trusted(self, transport: str, host: str, port: int) -> bool:
        """Whether a trunk speaks from there: whatever it does is no attack."""
        return self.trunks is not None and bool(self.trunks.account_at(transport, host, port))

    def is_anybody_at(self, source: str) -> bool:
        """Whether anybody is known at a source: an IPv4 address or an IPv6 network."""
        return self._registered.is_anybody_at(source) or (self.trunks is not None and self.trunks.is_anybody_at(source))

    def is_registered(self, transport: str, host: str, port: int) -> bool:
        """Whether an extension is registered over a flow."""
        return self._registered.is_registered(transport, host, port)
