"""An invitation: what the INVITEs are made of that go out to callees for one caller, beside their media."""

from __future__ import annotations

from copy import copy
from dataclasses import replace

from pbx.exchange.caller import Caller
from pbx.exchange.crossing import INVITES, crossing
from pbx.exchange.diversion import Diversion, diversions_in
from pbx.exchange.intercom import not_asking
from pbx.exchange.outcome import Failed
from pbx.exchange.privacy import withheld
from pbx.sip.flow import Flow
from pbx.sip.headers import DIVERSION, HISTORY_INFO, Field
from pbx.sip.message import Request

MOST_DIVERSIONS = 5  # of one call, those included that it comes with


class Invitation:
    """What one caller's callees are told.

    :ivar caller: in whose name they are called over trunks, and with whose rights.
    :ivar shown: who calls, as phones are shown: the same, but for one who was transferred.
    :ivar fields: the header fields that go on to them.
    :ivar diversions: who has sent the call on before it reaches them, the last one first.
    :ivar forwards: their Max-Forwards.
    :ivar flow: the way by which whoever asked for the call did.
    :ivar secure: whether a SIPS URI was asked for: then they are called over TLS or not at all (RFC 3261 26.2.2).
    :ivar only: a number, and the only phone of it that is meant, where somebody has called its GRUU (RFC 5627); "" for
        all.
    """

    __slots__ = ("caller", "diversions", "fields", "flow", "forwards", "only", "secure", "shown")

    def __init__(
        self,
        caller: Caller,
        shown: Caller,
        fields: tuple[Field, ...],
        flow: Flow,
        forwards: int,
        secure: bool,
        only: tuple[str, str],
        diversions: tuple[Diversion, ...] = (),
    ) -> None:
        self.caller = caller
        self.shown = shown
        self.fields = fields
        self.flow = flow
        self.forwards = forwards
        self.secure = secure
        self.only = only
        self.diversions = diversions

    def divert(self, diversion: Diversion) -> Failed | None:
        """Somebody has sent the call on; return why it does not go there: None when it does."""
        if any(one.by == diversion.by for one in self.diversions):
            return Failed(482, "the call is forwarded in a circle")
        if sum(one.count for one in self.diversions) >= MOST_DIVERSIONS:
            return Failed(482, "the call was forwarded too often")
        self.diversions = (diversion, *self.diversions)
        return None

    def beside(self) -> Invitation:
        """The same, for others who are called at the same time; what is changed there is not changed here."""
        return copy(self)

    def show(self, who: Caller) -> None:
        """Let phones be shown somebody else as the caller: nobody where that was to be."""
        self.shown = replace(who, is_private=who.is_private or self.shown.is_private)

    def withhold(self) -> None:
        """Let the caller be named to nobody (RFC 3323)."""
        self.caller = replace(self.caller, is_private=True)
        self.shown = replace(self.shown, is_private=True)
        self.fields = withheld(self.fields)

    @classmethod
    def of(cls, request: Request, caller: Caller, flow: Flow, only: tuple[str, str]) -> Invitation:
        """What a caller's INVITE asks for."""
        fields = crossing(request.fields, INVITES)
        if fields:
            fields = not_asking(fields)
            if caller.is_private:
                fields = withheld(fields)
        secure = request.uri.scheme == "sips"
        is_diverted = DIVERSION.key in request.head or HISTORY_INFO.key in request.head
        diversions = diversions_in(request.fields) if is_diverted else ()
        return cls(caller, caller, fields, flow, request.max_forwards - 1, secure, only, diversions)
