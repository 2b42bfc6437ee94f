"""All parts of one exchange, put together: the one place where everything meets. Who starts it and what it runs on
(a reactor and sockets, or a simulation) is decided elsewhere: `service` and `testing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from pbx.dialplan.switch_lamps import SwitchLamps
from pbx.dialplan.switches import Switches
from pbx.exchange.accounts import Accounts
from pbx.exchange.acquaintances import Acquaintances
from pbx.exchange.authentication import Authenticator
from pbx.exchange.ban import Ban
from pbx.exchange.bans import FORGETFUL, BanStore
from pbx.exchange.binding import Binding
from pbx.exchange.caller import Source
from pbx.exchange.dialoginfo import DialogPackage
from pbx.exchange.directory import Directory
from pbx.exchange.doors import Doors
from pbx.exchange.extension_lamps import ExtensionLamps
from pbx.exchange.gruu import Gruus
from pbx.exchange.histories import Histories, RecordStore
from pbx.exchange.letterbox import IN_MEMORY, Letterbox, TextStore
from pbx.exchange.location import BindingStore, Location
from pbx.exchange.numbering import Numbering
from pbx.exchange.observer import Observer, Observers
from pbx.exchange.phones import Phones
from pbx.exchange.presence import PresencePackage
from pbx.exchange.qualification import Qualification
from pbx.exchange.reginfo import RegistrationPackage
from pbx.exchange.registered import RegisteredFlows
from pbx.exchange.registrar import TERMS, Registrar, Terms
from pbx.exchange.settings import Settings
from pbx.exchange.switchboard import Dialplan, Switchboard
from pbx.exchange.text import KeptText
from pbx.exchange.thresholds import Thresholds
from pbx.exchange.tracing import Tracing
from pbx.exchange.trunks import Trunks
from pbx.features.conference.conference_state import ConferencePackage
from pbx.features.conference.conferences import Conferences
from pbx.features.features import Features
from pbx.features.parking import Parking, SlotLamps
from pbx.features.voicemail.boxes import Aside, MessageStore, Voicemail
from pbx.features.voicemail.lamps import Lamps
from pbx.features.voicemail.mailbox import LIMITS as MAILBOX_LIMITS
from pbx.features.voicemail.mailbox import Limits as MailboxLimits
from pbx.features.voicemail.mailbox import Mailbox, Message
from pbx.features.voicemail.message_summary import MessageSummary
from pbx.media.library import Library
from pbx.media.ng import Instances
from pbx.media.port import Sockets
from pbx.media.relay import Relay
from pbx.media.rtpengine import RtpengineRelay
from pbx.sip.addresses import Addresses, SocketAddress, bracketed
from pbx.sip.connection import Security
from pbx.sip.headers import SERVER
from pbx.sip.identifiers import Identifiers
from pbx.sip.locator import Locator, Names, NoNames
from pbx.sip.nonces import Nonces
from pbx.sip.occupancy import CALLS, CONNECTIONS, TRANSACTIONS, Occupancy
from pbx.sip.parser import LIMITS, Limits
from pbx.sip.reasons import REMOVED
from pbx.sip.stream_transport import Dialer, StreamTransport
from pbx.sip.timers import Clock
from pbx.sip.trace import Trace
from pbx.sip.transaction_layer import TransactionLayer
from pbx.sip.transport import UDPTransport
from pbx.sip.transports import Transports
from pbx.sip.user_agent import UserAgent

NO_NAMES = NoNames()
THRESHOLDS = Thresholds()
NUMBERING = Numbering()
CODECS = ("opus", "G722", "PCMA", "PCMU", "telephone-event")


class Exchange:
    """One exchange.

    :param clock: the time.
    :param identifiers: where random identifiers come from.
    :param sockets: where media ports come from.
    :param store: what is told of bindings.
    :param dialplan: what decides about calls.
    :param messages: what is told of voice messages.
    :param aside: does what takes too long for the reactor's thread.
    :param bans: what is told of bans.
    :param texts: what is told of texts for who is away.
    :param records: gets the records of calls; None: there are none.
    :param traced: of how many calls the messages are remembered, and in how many bytes; None: of none.
    :param realm: the realm of all accounts.
    :param secret: signs nonces; at least 16 random bytes.
    :param domains: the hosts of URIs that are ours beside the addresses we listen on.
    :param codecs: the codecs offered onwards.
    :param local_networks: the networks whose peers are not told `advertise`.
    :param advertise: the host that peers outside them are told; "" for none.
    :param library: the sounds that callers may hear; None for ours.
    :param media_address: the local address of all media; "" for the one that leads to each peer.
    :param silence_ends: seconds that a phone may be silent in a call; 0 for any time.
    :param srtp: what of SRTP there is (`pbx.media.keying.MODES`).
    :param rtpengines: those between the phones; None: we relay ourselves.
    :param digest: the digest algorithms to offer, the preferred one first.
    :param terms: what the registrar grants.
    :param qualify: seconds after which a registered phone is asked again whether it is there; 0 asks nobody.
    :param gruu_secret: encrypts temporary GRUUs; b"" takes `secret`, and then they end with this process.
    :param connections: how many may be made to us, in all and from one address.
    :param calls: how many there may be, in all and from one address.
    :param transactions: how many requests of others may be in work or remembered, in all and of one address.
    :param limits: how long a message may be.
    :param names: the DNS.
    :param thresholds: what is too much of one source or account.
    :param numbering: how numbers are dialled here.
    :param server: how we call ourselves to who asks for that; "" for not at all.
    :param mailbox_limits: what a mailbox may hold, where its own row does not say it.
    :param mailbox_number: what phones are told to dial for their messages; "" for nothing.
    :param mails: whether voice messages are sent by e-mail, too.
    :ivar dialogs: the lamps of phones.
    :ivar end_calls: whether the calls of an extension that is removed or disabled end with it.
    :ivar histories: those of the calls that go on; None where neither records nor messages are kept.
    :ivar tracing: the last calls' messages; None where they are not kept.
    :ivar counts: what was dropped or refused, by kind.
    """

    def __init__(
        self,
        clock: Clock,
        identifiers: Identifiers,
        sockets: Sockets,
        store: BindingStore,
        dialplan: Dialplan,
        *,
        messages: MessageStore,
        aside: Aside,
        bans: BanStore = FORGETFUL,
        texts: TextStore = IN_MEMORY,
        records: RecordStore | None = None,
        traced: tuple[int, int] | None = None,
        realm: str,
        secret: bytes,
        domains: Sequence[str] = (),
        codecs: Sequence[str] = CODECS,
        local_networks: Sequence[IPv4Network | IPv6Network] = (),
        advertise: str = "",
        library: Library | None = None,
        media_address: str = "",
        srtp: str = "accept",
        silence_ends: float = 0,
        rtpengines: Instances | None = None,
        digest: tuple[str, ...] = ("MD5",),
        connections: tuple[int, int] = CONNECTIONS,
        calls: tuple[int, int] = CALLS,
        transactions: tuple[int, int] = TRANSACTIONS,
        terms: Terms = TERMS,
        qualify: float = 0,
        gruu_secret: bytes = b"",
        limits: Limits = LIMITS,
        names: Names = NO_NAMES,
        thresholds: Thresholds = THRESHOLDS,
        numbering: Numbering = NUMBERING,
        server: str = "PBX",
        end_calls: bool = False,
        mailbox_limits: MailboxLimits = MAILBOX_LIMITS,
        mailbox_number: str = "",
        mails: bool = False,
    ) -> None:
        self.end_calls = end_calls
        self.transports = Transports()
        self._registered = RegisteredFlows(store)
        acquaintances = Acquaintances(self._registered)
        self.doors = Doors(clock, acquaintances, thresholds, bans)
        self.layer = TransactionLayer(clock, identifiers, transactions, self.doors.bans)
        self.counts = self.layer.counts
        self._clock = clock
        locator = Locator(names, self.transports.supported, lambda: int(identifiers.token(), 16) / 2**64)
        self.agent = UserAgent(clock, identifiers, self.layer, self.transports, locator)
        if server:
            self.agent.server = SERVER.field(server)
        self.trunks = acquaintances.trunks = Trunks(self.agent, numbering)
        if rtpengines is None:
            self.relay = Relay(sockets, clock, codecs, identifiers, srtp)
        else:
            self.relay = RtpengineRelay(sockets, clock, codecs, identifiers, srtp, rtpengines)
        self.directory, nonces = Directory(), Nonces(clock, secret)
        self.authenticator = Authenticator(self.directory, nonces, realm, digest, self.doors, self.is_ours)
        self.location = Location(clock, self._registered)
        gruus = Gruus(gruu_secret or secret, identifiers, self.location.contacts)
        self.registrar = Registrar(
            self.directory, self.authenticator, self.location, gruus, clock, identifiers, self.is_ours, terms
        )
        self.qualification = Qualification(self.agent, self.location, qualify)
        silent = self.qualification.is_silent
        phones = Phones(self.directory, self.location, gruus, self.transports, self.is_ours, silent)
        self.qualification.ways = self.agent.places = phones
        self.letterbox = Letterbox(self.directory, clock, texts)
        self.switchboard = Switchboard(
            self.agent,
            self.relay,
            self.directory,
            phones,
            self.authenticator,
            self.registrar,
            gruus,
            self.trunks,
            dialplan,
            self.is_ours,
            self.doors,
            Library() if library is None else library,
            self.letterbox,
            media_address,
            calls,
            silence_ends,
        )
        domain = domains[0] if domains else realm
        self._show_extensions(gruus, domain)
        self._tell_of_what_happens(records, traced)
        self._show_conferences(domain)
        self.voicemail = Voicemail(self.directory, messages, clock, identifiers, mailbox_limits, aside, mails)
        self._show_voicemail(phones, f"sip:{mailbox_number}@{domain}" if mailbox_number else "")
        self._show_parking()
        settings = partial(Settings, self.directory)
        self.switchboard.features = Features(self.conferences, self.voicemail, self.parking, settings)
        self._addresses = Addresses(local_networks, advertise)
        self._occupancy = Occupancy(*connections)
        self._limits = limits
        self._hosts = {host.lower() for host in (*domains, realm)} | ({bracketed(advertise)} if advertise else set())

    def _show_extensions(self, gruus: Gruus, domain: str) -> None:
        """Let phones watch extensions: where they are registered, and what their lamps show."""
        events = self.switchboard.events
        events.offer(RegistrationPackage(events, self.directory, self.location, gruus, domain, self._clock.seconds))
        self.dialogs = DialogPackage(events, self.directory, domain)
        self.extension_lamps = ExtensionLamps(self.dialogs, self.directory, self.location, self.switchboard.turns)
        self.dialogs.lit.append(self.extension_lamps)
        events.offer(self.dialogs)
        self.presence = PresencePackage(events, self.directory, self.location, domain, self.extension_lamps.is_talking)
        self.extension_lamps.watchers.append(self.presence.called)
        events.offer(self.presence)
        events.accept(self.presence)

    def _show_conferences(self, domain: str) -> None:
        """Let phones watch who is in a conference."""
        events = self.switchboard.events
        self.conferences = Conferences(self.relay.beat, self.switchboard.library, self._clock)
        events.offer(ConferencePackage(events, self.directory, self.conferences, domain))

    def _show_voicemail(self, phones: Phones, account: str) -> None:
        """Let phones have lamps for voice messages, whether they ask for them or not."""
        events = self.switchboard.events
        summary = MessageSummary(events, self.voicemail, account)
        events.offer(summary)
        self.lamps = Lamps(self.agent, self.voicemail, self.location, phones, events, summary.body)

    def _show_parking(self) -> None:
        """Let phones have lamps for the slots in which calls are parked."""
        self.parking = Parking(self._clock)
        self.dialogs.lit.append(SlotLamps(self.parking, self._is_dialled, self.dialogs.changed))

    def _tell_of_what_happens(self, store: RecordStore | None, traced: tuple[int, int] | None) -> None:
        """Let everybody hear of calls and registrations who has to."""
        self._trace = None if traced is None else Trace(self._clock.seconds, traced[1])
        self.tracing = None if traced is None or self._trace is None else Tracing(self._trace, traced[0])
        observers: list[Observer] = [self.extension_lamps]
        self.histories: Histories | None = None
        if store is not None or self.tracing is not None:
            self.histories = Histories(self._clock, store, self.tracing)
            observers.append(self.histories)
        self.switchboard.observer = Observers(observers)
        self.location.renewals.append(self.switchboard.messages.deliveries.renewed)

    def listen(self, bound: Any) -> UDPTransport:
        """Take a bound UDP socket as one of our listeners."""
        transport = UDPTransport(bound, self.layer, self._addresses, self.counts, self._limits, self.doors.bans)
        transport.trace = self._trace
        self.transports.all.append(transport)
        return transport

    def listen_for_streams(
        self, name: str, bound: SocketAddress, dialer: Dialer, security: Security | None = None
    ) -> StreamTransport:
        """Make one of our listeners for connections.

        :param name: "TCP" or "TLS".
        :param bound: the address at which somebody listens, and hands over what connects.
        :param dialer: where connections of ours come from.
        :param security: TLS; None where it is not wanted, or not simulated.
        """
        transport = StreamTransport(
            name,
            bound,
            self.layer,
            self._addresses,
            self.counts,
            self._clock,
            dialer,
            self._occupancy,
            security,
            self._limits,
            self.doors.bans,
        )
        transport.trace = self._trace
        self.transports.streams.append(transport)
        return transport

    def restore(
        self,
        bindings: Sequence[Binding],
        bans: Sequence[Ban],
        mailboxes: Sequence[Mailbox] = (),
        messages: Sequence[Message] = (),
        texts: Sequence[KeptText] = (),
    ) -> None:
        """Take over what the store has kept of the last run."""
        self.letterbox.restore(texts)
        self.voicemail.replace(mailboxes)
        self.voicemail.restore(messages)
        self._registered.restore(bindings)
        self.registrar.restore(bindings)
        self.doors.bans.restore(bans)

    def is_ours(self, host: str) -> bool:
        """Whether a URI's host means this exchange: a domain, or an address that we listen on."""
        return host in self._hosts or self.transports.is_listened_at(host)

    def show_switches(self, switches: Switches) -> None:
        """Let phones have lamps for switches from now on."""
        # Before slots, which may have any number that is dialled: what comes first counts.
        self.dialogs.lit.insert(-1, SwitchLamps(switches, self.dialogs.changed))

    def _is_dialled(self, number: str) -> bool:
        # A disabled extension is no slot either.
        if self.directory.find(number) is not None:
            return False
        return self.switchboard.dialplan.find(Source.INTERNAL, number) is not None

    def replace_accounts(self, accounts: Accounts) -> None:
        """The accounts changed: extensions that went lose their bindings and subscriptions, and perhaps their calls."""
        self.trunks.replace(accounts.trunks)
        for number in self.directory.replace(accounts.extensions, accounts.aliases, accounts.permissions):
            self.registrar.remove(number)
            self.switchboard.events.expel(number)
            self.dialogs.end(number)
            self.presence.changed(number)
            self.letterbox.expel(number)
            if self.end_calls:
                self.switchboard.hang_up(number, REMOVED)

    def figures(self) -> dict[str, int]:
        """How much of everything there is now; all but registrations and counts return to what they were."""
        return {
            "calls": len(self.switchboard.calls),
            "conferences": len(self.conferences),
            "sessions": len(self.agent.sessions),
            "dialogs": self.agent.dialogs,
            "transactions": len(self.layer),
            "subscriptions": len(self.agent.usages),
            "media_ports": self.relay.ports_in_use,
            "registrations": len(self.location),
        }
