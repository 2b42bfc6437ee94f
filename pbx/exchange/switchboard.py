"""The switchboard: every new call comes here. Who calls is decided once (docs/operating, "Who a caller is"), then the
dialplan takes the call; and the dialplan's targets are turned into places to ring. Other requests outside dialogs are
let in by the same rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from twisted.internet.defer import Deferred

from pbx.exchange.arrival import by_invite, by_transfer
from pbx.exchange.authentication import Authenticator
from pbx.exchange.board import Entry
from pbx.exchange.bridge import Bridge
from pbx.exchange.caller import Caller, Source
from pbx.exchange.cause import told
from pbx.exchange.destination import Destination
from pbx.exchange.directory import Directory
from pbx.exchange.diversion import Diversion
from pbx.exchange.doors import Doors
from pbx.exchange.events import Events
from pbx.exchange.extension import Extension
from pbx.exchange.gruu import Gruus
from pbx.exchange.letterbox import Letterbox
from pbx.exchange.link import Link
from pbx.exchange.messages import Messages
from pbx.exchange.observer import Observer, Unobserving
from pbx.exchange.outcome import Failed, Outcome
from pbx.exchange.party import Party, Transferor
from pbx.exchange.phones import Phones
from pbx.exchange.pickup import owner_of, take_over
from pbx.exchange.privacy import ANONYMOUS_HOST, is_private
from pbx.exchange.registrar import Registrar
from pbx.exchange.silences import Silences
from pbx.exchange.target import ExtensionTarget, Target, TrunkTarget, UriTarget
from pbx.exchange.transfer import Transfer
from pbx.exchange.trunks import Trunks
from pbx.exchange.turns import Turns
from pbx.media.library import Library
from pbx.media.relay import Relay
from pbx.media.side import Side
from pbx.sip.errors import Malformed, Refused
from pbx.sip.flow import Flow
from pbx.sip.headers import REPLACES, RETRY_AFTER, Field, parse_address
from pbx.sip.hops import address_of
from pbx.sip.message import Request
from pbx.sip.occupancy import CALLS, Occupancy, no_room
from pbx.sip.reasons import STOPPING
from pbx.sip.refer import Referral
from pbx.sip.replacement import replaced
from pbx.sip.server_transaction import InviteServerTransaction
from pbx.sip.session import CONFIRMED, Session
from pbx.sip.timers import Clock
from pbx.sip.transaction_layer import ServerTransaction
from pbx.sip.uac import Policy
from pbx.sip.uri import Uri, parse_uri
from pbx.sip.user_agent import UserAgent

# How calls to anybody's SIP address are delivered: who is called there may send them on.
ANYHOW = Policy(may_redirect=True)
SECURELY = Policy(may_redirect=True, is_secure=True)

MOST_OF_NAME = 80  # characters of what a stranger says its name is
TRANSFER_PATIENCE = 10.0  # seconds that the dialplan may think about a transfer: the REFER waits
ELSEWHERE = 60.0  # seconds for which an address elsewhere is rung, to which somebody is transferred


class Dialplan(Protocol):
    """What decides about calls."""

    def find(self, source: Source, number: str) -> object | None:
        """What it does with calls to a number from such callers; None for nothing."""

    def run(self, bridge: Bridge, found: Any = None) -> None:
        """Take a call.

        :param found: what it does with it, where that was found before.
        """

    def may_transfer(self, transfer: Transfer) -> Deferred[bool]:
        """Whether a transfer may be."""


class Switchboard:
    """The calls of one exchange.

    :param is_ours: whether a host, as it stands in a URI, is one of our domains or addresses.
    :param trunks: the ways to the telephone network.
    :param doors: is asked about everybody who calls.
    :param library: the sounds that callers may hear.
    :param letterbox: keeps texts for who is away.
    :param media_address: the local address of all media; "" for the one that leads to each peer.
    :param calls: how many calls there may be, in all and from one address.
    :param silence_ends: seconds that a phone may be silent in a call; 0 for any time.
    :ivar dialplan: what decides about calls; may be replaced, running calls keep the one they began with.
    :ivar calls: the calls that are not over, by id.
    :ivar events: what can be subscribed to, and published.
    :ivar messages: the texts under way.
    :ivar trunks: the ways to the telephone network.
    :ivar turns: whose turn it is in ring groups.
    :ivar features: what the dialplan's verbs are given to work with; nothing here knows what that is.
    :ivar observer: who is told what happens to calls.
    :ivar draining: while new calls are refused, the seconds after which callers may try again; else None.
    """

    def __init__(
        self,
        agent: UserAgent,
        relay: Relay,
        directory: Directory,
        phones: Phones,
        authenticator: Authenticator,
        registrar: Registrar,
        gruus: Gruus,
        trunks: Trunks,
        dialplan: Dialplan,
        is_ours: Callable[[str], bool],
        doors: Doors,
        library: Library,
        letterbox: Letterbox,
        media_address: str = "",
        calls: tuple[int, int] = CALLS,
        silence_ends: float = 0,
    ) -> None:
        self.agent = agent
        self.relay = relay
        self.library = library
        self.dialplan = dialplan
        self.calls: dict[str, Bridge] = {}
        self._silences = Silences(agent.clock, self.calls, silence_ends) if silence_ends else None
        self.draining: int | None = None
        self.events = Events(agent)
        self.turns = Turns(agent.clock)
        self.features: Any = None
        self.observer: Observer = Unobserving()
        self.messages = Messages(agent, letterbox, self.locate)
        self._directory = directory
        self._phones = phones
        self._gruus = gruus
        self.trunks = trunks
        self._authenticator = authenticator
        self._registrar = registrar
        self.is_ours = is_ours
        self._doors = doors
        self._media_address = media_address
        self._occupancy = Occupancy(*calls)
        agent.exchange = self

    def invited(self, transaction: InviteServerTransaction, request: Request) -> None:
        """A new call (RFC 3261 13.3.1).

        :raises Refused: 503 while draining or when there are too many, 401 without credentials, 404 for domains that
            are not ours, 486 when its trunk carries no more.
        :raises Malformed: when the INVITE cannot make a session, when a stranger dials what is not for strangers, when
            the caller has called enough, or when it wants to replace a session that is not its own to replace.
        """
        if self.draining is not None:
            raise Refused(503, RETRY_AFTER.field(self.draining))
        link = self.trunks.link_of(request, transaction.flow) if self.trunks.links else None
        if link is not None:
            self._invited_by(link, transaction, request)
            return
        caller = self._caller_of(request, transaction.flow)
        uri, instance = request.uri, ""
        if "gr" not in uri.parameters:
            number = self._directory.number_of(uri.decoded_user)
        else:
            user, instance = self._gruus.resolve(uri)
            number = self._directory.number_of(user)
            if not number:
                raise Malformed(404, "")  # RFC 5627 6.1: it is good no more, or never was
        found = None
        if caller.source is Source.ANONYMOUS:
            found = self.dialplan.find(caller.source, number)
            if found is None:
                self._doors.forbidden("anonymous-refused", caller, number, transaction.flow)
                raise Malformed(403, "")  # here, where it leaves nothing behind
        replaces = replaced(self.agent, request) if REPLACES.key in request.head else None
        if replaces is not None:
            if not self._may_pick_up(caller, owner_of(replaces), replaces.state is CONFIRMED):
                raise Malformed(403, "")  # RFC 3891 section 3
            take_over(self, transaction, caller, replaces)
            return
        if not self._occupancy.has_room(transaction.flow.remote[0]):
            self.agent.layer.counts["too many calls"] += 1
            raise no_room()
        extension = self._directory.find(caller.number) if caller.source is Source.INTERNAL else None
        if extension is not None and number not in self.trunks.numbering.emergency:
            self._doors.admit(extension, number, transaction.flow)
        bridge = by_invite(self, transaction, caller, number, instance)
        self._enter(bridge)
        self.dialplan.run(bridge, found)

    def _invited_by(self, link: Link, transaction: InviteServerTransaction, request: Request) -> None:
        """A trunk brings a call: many of them come from one address."""
        if replaced(self.agent, request) is not None:
            raise Malformed(403, "")  # RFC 3891 section 3
        if not link.has_room():
            raise Refused(486, told(486))
        if not self._occupancy.has_room(""):  # but not for this address only
            raise no_room()
        caller = self.trunks.caller_of(request, link)
        bridge = by_invite(self, transaction, caller, self.trunks.did_of(request, link))
        bridge.party.link = link
        link.call_began()
        self._enter(bridge)
        self.dialplan.run(bridge)

    def _enter(self, bridge: Bridge) -> None:
        self.calls[bridge.id] = bridge
        if self._silences is not None:
            self._silences.watch()
        self._occupancy.enter(bridge.host, anyhow=True)
        if bridge.caller.source is Source.INTERNAL:
            self._doors.call_began(bridge.caller.number)
        self.observer.call_began(bridge)

    def registering(self, transaction: ServerTransaction, request: Request) -> None:
        """A REGISTER came."""
        if not self.is_ours(request.uri.host):
            self._doors.strayed(transaction.flow, request.uri.host)
        self._registrar.registering(transaction, request)

    def requested(self, transaction: ServerTransaction, request: Request) -> None:
        """A MESSAGE, PUBLISH, REFER or SUBSCRIBE came outside dialogs; they are for extensions only.

        :raises Malformed: when it is refused.
        """
        if self.trunks.link_of(request, transaction.flow) is not None:
            raise Malformed(403, "")
        sender = self._caller_of(request, transaction.flow)
        if sender.source is not Source.INTERNAL:
            raise Malformed(403, "")
        if request.method == "SUBSCRIBE":
            self.events.subscribing(transaction, request, sender, self._directory.number_of(request.uri.decoded_user))
        elif request.method == "PUBLISH":
            self.events.publishing(transaction, request, sender, self._directory.number_of(request.uri.decoded_user))
        elif request.method == "MESSAGE":
            user, instance = self._gruus.resolve(request.uri)
            target = ExtensionTarget(self._directory.number_of(user), instance)
            self.messages.deliver(transaction, request, sender, target)
        else:
            Referral(self.agent, transaction, request).refuse(403)  # nobody may transfer calls yet

    def locate(self, target: Target, secure: bool, beside: Sequence[Destination] = ()) -> list[Destination] | Outcome:
        """Where a target is rung; or the outcome when it cannot be.

        :param secure: whether the caller asked for a SIPS URI: then it goes over TLS or not at all (RFC 3261 26.2.2).
        :param beside: what is to be rung at the same time.
        """
        if isinstance(target, ExtensionTarget):
            return self._phones.locate(target, secure)
        if isinstance(target, TrunkTarget):
            return self.trunks.locate(target, secure, beside)
        uri = parse_uri(target.uri)
        flow = self.agent.flows.flow_to(uri)
        if flow is None and address_of(uri.parameters.get("maddr") or uri.host):
            return Failed(408, f"no way to {uri.host}", by=target)
        if flow is not None and secure and flow.transport != "TLS":
            return Failed(480, f"no secure way to {uri.host}", by=target)
        outages = self.agent.outages
        if flow is not None and outages.resting and outages.rests(flow):
            return Failed(503, f"{uri.host} asked for a rest", by=target)
        policy = SECURELY if secure else ANYHOW
        return [Destination(target, target.uri, f"<{target.uri}>", flow, neighbour=False, policy=policy)]

    def account(self, number: str) -> Extension | None:
        """The extension with a number, or with an alias; None when there is none."""
        return self._directory.find(self._directory.number_of(number))

    def forwarder(self, diversion: Diversion, flow: Flow) -> Caller | None:
        """Who has sent a call on, with its rights; None when it may not do that: outside, its limits count for it.

        :param flow: where the call came from.
        """
        extension = self.account(diversion.by)
        if extension is None or not extension.enabled:
            return None
        if self.account(diversion.to) is None:
            try:
                self._doors.admit(extension, diversion.to, flow)
            except Malformed:
                return None
        return _internal(extension)

    def tell(self, sender: Caller, number: str, words: str) -> None:
        """Tell the phones of an extension something, by MESSAGE."""
        self.messages.tell(sender, number, words)

    def is_engaged(self, number: str) -> bool:
        """Whether an extension is in a call."""
        return any(bridge.is_with(number) for bridge in self.calls.values())

    def calls_of(self, number: str) -> int:
        """In how many calls an extension is, those included that ring at its phones."""
        return sum(bridge.is_with(number) or number in bridge.rung for bridge in self.calls.values())

    def ringing_for(self, caller: Caller, number: str) -> Session | None:
        """A session with a phone that rings, which a caller may answer in its place: the one that rings longest.

        :param number: of the extension at which it rings; "" for any.
        """
        for bridge in self.calls.values():
            for rung, session in bridge.rung.items():
                if number in ("", rung) and self._may_pick_up(caller, rung, False):
                    return session
        return None

    def extension(self, number: str) -> Caller | None:
        """An extension with its rights, as if it called now; None where there is none that may."""
        found = self._directory.find(number)
        return _internal(found) if found is not None and found.enabled else None

    def place_of(self, uri: Uri, flow: Flow) -> tuple[str, str] | None:
        """The number that a URI means in the dialplan, and the only phone of it that is meant; None elsewhere."""
        if not self._is_here(uri.host, flow):
            return None
        user, instance = self._gruus.resolve(uri)
        return self._directory.number_of(user), instance

    def may_transfer(self, transfer: Transfer, flow: Flow) -> Deferred[bool]:
        """Whether the dialplan, and the account of who asks, have nothing against a transfer."""
        decided = _in_time(self.agent.clock, self.dialplan.may_transfer(transfer))
        return decided.addCallback(self._admits, transfer, flow)

    def transferred(
        self, asker: Transferor, party: Party, by: Caller, place: tuple[str, str] | str, fields: tuple[Field, ...]
    ) -> None:
        """A party calls on, in the name of who transfers it."""
        number = (place, "") if isinstance(place, str) else place
        bridge = by_transfer(self, asker, party, by, number, fields)
        self._enter(bridge)
        if isinstance(place, str):
            bridge.dial((UriTarget(place),), ELSEWHERE).addCallback(lambda _: bridge.plan_ended())
        else:
            self.dialplan.run(bridge)

    def side(self, flow: Flow) -> Side:
        """The media of a session whose signalling takes this flow."""
        host, shown = flow.source, flow.host
        if self._media_address:
            # A peer that is told another host than our address in SIP (`advertise`) is told the same in SDP.
            shown = shown if shown.strip("[]") != host else self._media_address
            host = self._media_address
        return self.relay.side(host, shown, flow.remote[0], flow.transport == "TLS")

    def call_ended(self, call: Entry) -> None:
        """A call is over."""
        if self.calls.pop(call.id, None) is not None:
            self._occupancy.leave(call.host)
            if call.caller.source is Source.INTERNAL:
                self._doors.call_ended(call.caller.number)

    def forbidden(self, call: Entry, event: str, flow: Flow) -> None:
        """The dialplan lets nobody in who is like this caller; here the call came from."""
        self._doors.forbidden(event, call.caller, call.number, flow)

    def hang_up(self, number: str, reason: str) -> None:
        """End the calls of an extension, those that it has made and those that it has answered; nor do its phones ring.

        :param reason: in words.
        """
        for bridge in list(self.calls.values()):
            if bridge.is_with(number):
                bridge.end(reason)
            else:
                bridge.forsake(number)

    def hang_up_all(self) -> None:
        """End all calls."""
        for bridge in list(self.calls.values()):
            bridge.end(STOPPING)

    def _may_pick_up(self, caller: Caller, number: str, answered: bool) -> bool:
        """Whether a caller may take over a call of an extension (`Extension.may_pick_up`).

        :param number: "" for none of ours.
        :param answered: whether that one talks; else its phone rings.
        """
        own = self._directory.find(caller.number) if caller.source is Source.INTERNAL else None
        other = self._directory.find(number)
        return own is not None and other is not None and own.may_pick_up(other, answered)

    def _admits(self, allowed: bool, transfer: Transfer, flow: Flow) -> bool:
        """Whether an account has not called enough; how many calls it is in now does not count, for it leaves one."""
        extension = self._directory.find(transfer.by.number)
        if not allowed or extension is None or transfer.is_attended or not transfer.target.number:
            return allowed
        try:
            self._doors.admit(replace(extension, max_calls=0), transfer.target.number, flow)
        except Malformed:
            return False
        return True

    def _caller_of(self, request: Request, flow: Flow) -> Caller:
        """Who sent a request that is for us.

        :raises Refused: 401 when it has yet to prove it, 404 for domains that are not ours.
        """
        sender = request.sender()
        host = sender.uri.host
        withheld = is_private(request, host)
        if self._is_here(host, flow) or (host == ANONYMOUS_HOST and self._prefers_us(request, flow)):
            found = self._authenticator.identify(request, flow)
            if not isinstance(found, Extension):
                raise Refused(401, *found)
            # RFC 3325 section 8: the phone is not trusted; it is who it has authenticated as, whatever it asserts.
            caller = _internal(found, withheld)
        else:
            self._doors.bans.bothered(flow.transport, *flow.remote)  # anybody could do that
            name = sender.display
            if not name.isprintable():
                name = "".join(filter(str.isprintable, name))
            caller = Caller(sender.uri.user, name[:MOST_OF_NAME], Source.ANONYMOUS, domain=host, is_private=withheld)
        if not self._is_here(request.uri.host, flow):
            if caller.source is Source.ANONYMOUS:
                self._doors.strayed(flow, request.uri.host)
            raise Refused(404)
        return caller

    def _prefers_us(self, request: Request, flow: Flow) -> bool:
        """Whether somebody who withholds its identity lets us know that it is one of ours (RFC 3325 9.2), or is known
        to be."""
        if self._doors.is_registered(flow):
            return True
        preferred = request.first("p-preferred-identity")
        return preferred is not None and self._is_here(parse_address(preferred).uri.host, flow)

    def _is_here(self, host: str, flow: Flow) -> bool:
        """Whether a URI's host means us, also to those who know us by the address that they reach us at."""
        return host in (flow.host, flow.source) or self.is_ours(host)


def _internal(extension: Extension, is_private: bool = False) -> Caller:
    """An extension as a caller."""
    return Caller(
        *(extension.number, extension.name, Source.INTERNAL, extension.class_of_service),
        is_private=is_private,
        did=extension.caller_id,
    )


def _in_time(clock: Clock, decided: Deferred[bool]) -> Deferred[bool]:
    """Cancel what takes too long."""
    if not decided.called:
        timer = clock.callLater(TRANSFER_PATIENCE, decided.cancel)

        def stop(result: Any) -> Any:
            if clock.seconds() < timer.time:
                timer.cancel()
            return result

        decided.addBoth(stop)
    return decided
