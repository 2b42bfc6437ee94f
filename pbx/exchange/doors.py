"""The doors of the exchange: what is done about those who knock. They know no passwords, and answer nobody themselves.

Here failures become bans and lines of the security log, and accounts meet their limits. Who somebody is, is decided in
`authentication`; where a call may go, in the dialplan.
"""

from __future__ import annotations

from typing import Protocol

from pbx.exchange.allowances import Allowances
from pbx.exchange.ban import Ban
from pbx.exchange.bans import CHALLENGE, Bans, BanStore, Known
from pbx.exchange.caller import Caller, Source
from pbx.exchange.extension import Extension
from pbx.exchange.security_log import SecurityLog
from pbx.exchange.thresholds import Thresholds
from pbx.sip.errors import Malformed, Refused
from pbx.sip.flow import Flow
from pbx.sip.headers import RETRY_AFTER
from pbx.sip.timers import Clock

_LATER = RETRY_AFTER.field(60)

_REASONS = {
    "calls-at-once": "Too many calls at once",
    "calls-per-hour": "Too many calls this hour",
    "destinations-per-hour": "Too many numbers called this hour",
}


class Places(Known, Protocol):
    """Where the phones of extensions are."""

    def is_registered(self, transport: str, host: str, port: int) -> bool:
        """Whether an extension is registered over a flow."""


class Doors:
    """The doors of one exchange.

    :ivar bans: who is shut out; the gate of all transports.
    :ivar log: what happened.
    """

    __slots__ = ("_allowances", "_grave", "_places", "bans", "log")

    def __init__(self, clock: Clock, places: Places, limits: Thresholds, store: BanStore) -> None:
        self.log = SecurityLog(clock)
        self.bans = Bans(clock, places, limits, store, self)
        self._allowances = Allowances(clock, limits)
        self._grave = limits.failures + 1.0  # failures that are too many at once
        self._places = places

    # What authentication asks and tells

    def challenged(self, flow: Flow) -> None:
        """Somebody is asked to prove who it is; until it does, that is a part of a failure: it may scan numbers."""
        self.bans.failed(flow.transport, *flow.remote, "scan", CHALLENGE)

    def failed(self, name: str, flow: Flow, proven: bool) -> None:
        """Somebody has failed to be an account, which need not exist.

        :param proven: whether what we send there arrives: the credentials were made with a nonce of ours.
        :raises Malformed: 403 when it is not listened to from now on. Many phones try again for as long as they are
            challenged, and would then wait in silence, so that nobody saw what is wrong.
        """
        address = flow.remote[0]
        self.log.tell("authentication-failed", address, transport=flow.transport, account=name)
        proven = proven or flow.reliable
        # Nobody keeps an account's owner out: whoever knows the password comes in, and of a guess there is no second.
        grave = proven and self._allowances.is_guarded(name) and not self.is_registered(flow)
        self.bans.failed(flow.transport, *flow.remote, "wrong password", self._grave if grave else 1.0, proven)
        if proven and self._allowances.failed(name):
            self.log.tell("account-guarded", address, account=name)
        if self.bans.shuts_out(flow.transport, *flow.remote):
            raise Malformed(403, "Too many wrong passwords")

    def proven(self, extension: Extension, flow: Flow) -> None:
        """An extension has proven who it is.

        :raises Malformed: 403 when it may not come this way.
        :raises Refused: 503 when it asks too much.
        """
        number = extension.number
        self.bans.proven(flow.transport, *flow.remote)
        if extension.tls_only and flow.transport != "TLS":
            self.log.tell("tls-missing", flow.remote[0], transport=flow.transport, account=number)
            raise Malformed(403, "TLS only")
        if not self._allowances.may_ask(number) and not self.bans.is_allowed(flow.remote[0]):
            self.log.tell("requests-exceeded", flow.remote[0], account=number)
            raise Refused(503, _LATER)

    # What the switchboard asks and tells

    def is_registered(self, flow: Flow) -> bool:
        """Whether an extension is registered over a flow."""
        return self._places.is_registered(flow.transport, *flow.remote)

    def strayed(self, flow: Flow, domain: str) -> None:
        """Somebody who is not ours asks for a domain that is not ours."""
        self.log.tell("domain-foreign", flow.remote[0], transport=flow.transport, domain=domain)
        self.bans.failed(flow.transport, *flow.remote, "foreign domain")

    def admit(self, extension: Extension, destination: str, flow: Flow) -> None:
        """An extension wants to call.

        :raises Malformed: 403 when it has called enough.
        """
        limit = self._allowances.refused(extension.number, destination, extension.max_calls)
        if limit and not self.bans.is_allowed(flow.remote[0]):
            self.log.tell(limit, flow.remote[0], account=extension.number, number=destination)
            raise Malformed(403, _REASONS[limit])

    def call_began(self, number: str) -> None:
        """A call of an extension is there."""
        self._allowances.call_began(number)

    def call_ended(self, number: str) -> None:
        """A call of an extension is over."""
        self._allowances.call_ended(number)

    def forbidden(self, event: str, caller: Caller, number: str, flow: Flow) -> None:
        """The dialplan lets nobody in here who is like this caller.

        :param event: "anonymous-refused" or "class-of-service".
        """
        address = flow.remote[0]
        if caller.source is Source.INTERNAL:
            self.log.tell(event, address, account=caller.number, number=number)
        else:
            self.log.tell(event, address, transport=flow.transport, number=number)
            self.bans.failed(flow.transport, *flow.remote, "refused call")

    # What administrators tell

    def lift(self, address: str) -> bool:
        """End a ban; return whether there was one."""
        lifted = self.bans.remove(address)
        if lifted:
            self.log.tell("ban-removed", address)
        return lifted

    # What the bans tell

    def banned(self, ban: Ban) -> None:
        """A source is banned from now on."""
        self.log.tell("banned", ban.address, reason=ban.reason, seconds=round(ban.until - ban.since), times=ban.times)

    def rested(self, account: str, host: str, reason: str) -> None:
        """The flow of a registered extension rests for a while."""
        self.log.tell("flow-rested", host, account=account, reason=reason)
