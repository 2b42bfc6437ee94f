"""A simulated exchange with its phones: the real one, on a virtual clock and a network in memory."""

from __future__ import annotations

import os
import random
import shutil
import weakref
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_network
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, ParamSpec, TypeVar

from twisted.internet.defer import Deferred, succeed

from pbx.exchange.accounts import Accounts
from pbx.exchange.ban import Ban
from pbx.exchange.binding import Binding, Key
from pbx.exchange.extension import Extension
from pbx.exchange.history import History
from pbx.exchange.numbering import Numbering
from pbx.exchange.record import CallRecord
from pbx.exchange.registrar import TERMS, Terms
from pbx.exchange.switchboard import Dialplan
from pbx.exchange.thresholds import Thresholds
from pbx.exchange.trunk import Trunk
from pbx.features.voicemail.boxes import Voicemail
from pbx.features.voicemail.mailbox import LIMITS, Limits, Message
from pbx.media.errors import NoPorts
from pbx.media.library import Library
from pbx.media.ng import Instances
from pbx.media.port import Port
from pbx.media.wav import load
from pbx.sip.addresses import is_address
from pbx.sip.digest import ha1
from pbx.sip.flow import SIP_PORT, SIPS_PORT
from pbx.sip.identifiers import Identifiers
from pbx.sip.occupancy import CALLS, TRANSACTIONS
from pbx.store.message_files import MessageFiles
from pbx.testing.clock import VirtualClock
from pbx.testing.names import Zone
from pbx.testing.network import Network, SimulatedSocket
from pbx.testing.phone import Phone
from pbx.testing.proxy import Proxy
from pbx.testing.sound import Reciter
from pbx.testing.trunk import SimulatedTrunk
from pbx.wiring import NUMBERING, THRESHOLDS, Exchange

P = ParamSpec("P")
T = TypeVar("T")

REALM = "pbx"
HOST = "10.0.0.1"
LAST_WORDS = 128.0  # seconds after which no timer of a finished call may be left


class MemoryStore:
    """Keeps bindings as the database would.

    :ivar rows: by number and key.
    """

    def __init__(self) -> None:
        self.rows: dict[tuple[str, Key], Binding] = {}

    def keep(self, number: str, bindings: Sequence[Binding]) -> None:
        """An extension's bindings have changed: these are all of them."""
        self.rows = {key: kept for key, kept in self.rows.items() if key[0] != number}
        self.rows.update({(number, binding.key): binding for binding in bindings})


class MemoryBans:
    """Keeps bans as the database would.

    :ivar rows: by address.
    """

    def __init__(self) -> None:
        self.rows: dict[str, Ban] = {}

    def keep_ban(self, ban: Ban) -> None:
        """A source is banned, or banned anew."""
        self.rows[ban.address] = ban

    def forget_ban(self, address: str) -> None:
        """Nothing is held against it any more."""
        self.rows.pop(address, None)


class MemoryMessages:
    """Keeps voice messages as the database would; their sound is in a folder that goes with it.

    :ivar rows: by id.
    """

    def __init__(self) -> None:
        self.rows: dict[str, Message] = {}
        self._files: MessageFiles | None = None

    @property
    def files(self) -> MessageFiles:
        """The sound; the folder is made when it is asked for first."""
        if self._files is None:
            folder = mkdtemp(prefix="pbx-messages-")
            self._files = MessageFiles(Path(folder))
            weakref.finalize(self, shutil.rmtree, folder)
        return self._files

    def keep(self, message: Message) -> None:
        """A message is new, or has changed."""
        self.files.finish(message)
        self.rows[message.id] = message
        self.files.settle(message)

    def remove(self, message: Message) -> None:
        """A message is deleted."""
        self.rows.pop(message.id, None)
        self.files.remove(message)

    def change_pin(self, mailbox: str, pin: str) -> None:
        """A mailbox has another PIN."""


class MemoryRecords:
    """Keeps the records of calls as the database would.

    :ivar rows: those of the calls that are over, in the order of their ends.
    """

    def __init__(self) -> None:
        self.rows: list[CallRecord] = []

    def keep(self, history: History) -> None:
        """A call is over."""
        self.rows.append(history.record())


class SimulatedMailbox:
    """A mailbox, as a test looks at it."""

    def __init__(self, voicemail: Voicemail, name: str) -> None:
        self._voicemail = voicemail
        self._name = name

    @property
    def messages(self) -> list[Message]:
        """Its messages, urgent ones first."""
        return self._voicemail.messages(self._name)

    @property
    def new(self) -> int:
        """How many nobody has heard."""
        return self._voicemail.summary([self._name]).new

    @property
    def old(self) -> int:
        """How many are old or saved."""
        return self._voicemail.summary([self._name]).old

    def sound_of(self, message: Message) -> bytes:
        """What one of them sounds like, in mu-law."""
        return load(self._voicemail.files.sound_of(message))


class SimulatedPair:
    """An RTP and an RTCP socket side by side (`pbx.media.port.Pair`)."""

    def __init__(self, sockets: SimulatedSockets, host: str, number: int, receiver: Port) -> None:
        self.number = number
        self.rtp: SimulatedSocket = sockets.network.bind(host, number)
        self.rtcp: SimulatedSocket = sockets.network.bind(host, number + 1)
        self.rtp.receiver = receiver.rtp_received
        self.rtcp.receiver = receiver.rtcp_received
        self._sockets = sockets

    def lend(self, port: Port, other: Port) -> None:
        """There is no native thread."""

    def close(self) -> None:
        """Release both."""
        for one in (self.rtp, self.rtcp):
            one.close()
            one.receiver = None
        self._sockets.in_use -= 2


class SimulatedSockets:
    """Where media ports come from (`pbx.media.port.Sockets`).

    :param pairs: how many there are.
    """

    def __init__(self, network: Network, pairs: int = 5000) -> None:
        self.network = network
        self.in_use = 0
        self._pairs = pairs
        self._next = 10_000

    def open(self, host: str, receiver: Port) -> SimulatedPair:
        """Bind a pair."""
        if self.in_use >= 2 * self._pairs:
            raise NoPorts("all simulated media ports are in use")
        self.in_use += 2
        self._next += 2
        return SimulatedPair(self, host, self._next, receiver)


class SimulatedExchange:
    """One exchange with one plan, and the phones on its network.

    :param plan: the dialplan.
    :param accounts: password by number.
    :param domains: its domains beside its address.
    :param pairs: how many media port pairs there are.
    :param thresholds: what is too much of one source or account.
    :param traced: of how many calls messages are kept, and in how many bytes.
    :param calls: how many there may be, in all and from one address.
    :param transactions: how many requests of others may be in work or remembered, in all and of one address.
    :param terms: what its registrar grants.
    :param qualify: seconds after which phones are asked whether they are there; 0 asks nobody.
    :param beside: another exchange, whose clock and network it shares.
    :param clock: its time, where it is not another's.
    :param advertise: the host that peers outside 10.0.0.0/8 are told; "" for none.
    :param silence_ends: seconds that a phone may be silent in a call; 0 for any time.
    :param srtp: what of SRTP there is (`pbx.media.keying.MODES`).
    :param rtpengines: makes those between the phones; None: the exchange relays itself.
    :param library: the sounds that there are; None for ours, with one who recites texts, and nowhere to record.
    :param mailbox_limits: what a mailbox may hold.
    :param trunks: its ways to the telephone network.
    :param numbering: how numbers are dialled there.
    :param faults: what `Network` is told: `loss`, `seed`, `lose`, `double`, `overtake`, `reset`, `tear`.
    :ivar socket: the exchange's, for SIP.
    :ivar zone: the DNS, without records.
    :ivar exchanges: all on this network.
    """

    def __init__(
        self,
        plan: Dialplan,
        accounts: Mapping[str, str],
        *,
        host: str = HOST,
        domains: Sequence[str] = (),
        pairs: int = 5000,
        thresholds: Thresholds = THRESHOLDS,
        traced: tuple[int, int] = (1000, 16 * 2**20),
        calls: tuple[int, int] = CALLS,
        transactions: tuple[int, int] = TRANSACTIONS,
        terms: Terms = TERMS,
        qualify: float = 0,
        beside: SimulatedExchange | None = None,
        clock: VirtualClock | None = None,
        library: Library | None = None,
        advertise: str = "",
        srtp: str = "accept",
        silence_ends: float = 0,
        mailbox_limits: Limits = LIMITS,
        rtpengines: Callable[[Network, VirtualClock], Instances] | None = None,
        trunks: Sequence[Trunk] = (),
        numbering: Numbering = NUMBERING,
        **faults: Any,
    ) -> None:
        self.clock: VirtualClock = beside.clock if beside else clock or VirtualClock()
        # Sound is never lost: RTP does not mend it, and a test that wants to hear nothing says so itself.
        self.network: Network = beside.network if beside else Network(self.clock, counted=is_sip, **faults)
        self.zone: Zone = beside.zone if beside else Zone(self.clock)
        self.exchanges: list[SimulatedExchange] = beside.exchanges if beside else []
        self.exchanges.append(self)
        self.store = MemoryStore()
        self.bans = MemoryBans()
        self.library = library or Library(recordings=Path(os.devnull), synthesiser=Reciter())
        self.messages = MemoryMessages()
        self.records = MemoryRecords()
        self.host = host
        self.phones: list[Phone] = []
        self.proxies: list[Proxy] = []
        self._providers: dict[str, SimulatedTrunk] = {}
        source = random.Random(len(self.exchanges))
        self.exchange = Exchange(
            self.clock,
            Identifiers(source.randbytes),
            SimulatedSockets(self.network, pairs),
            self.store,
            plan,
            messages=self.messages,
            aside=at_once,
            bans=self.bans,
            records=self.records,
            traced=traced,
            realm=REALM,
            secret=source.randbytes(32),
            domains=domains,
            terms=terms,
            qualify=qualify,
            calls=calls,
            transactions=transactions,
            names=self.zone,
            thresholds=thresholds,
            library=self.library,
            local_networks=[ip_network("10.0.0.0/8")],
            advertise=advertise,
            srtp=srtp,
            silence_ends=silence_ends,
            mailbox_limits=mailbox_limits,
            mailbox_number="*97",
            rtpengines=rtpengines(self.network, self.clock) if rtpengines else None,
            numbering=numbering,
        )
        self.socket = self.network.bind(host, SIP_PORT)
        self.socket.receiver = self.exchange.listen(self.socket).datagram_received
        for name, port in (("TCP", SIP_PORT), ("TLS", SIPS_PORT)):
            stream = self.exchange.listen_for_streams(name, (host, port), self.network.streams.dialer(host))
            self.network.streams.listen((host, port), stream.accept)
        self._accounts = dict(accounts)
        self.exchange.replace_accounts(
            Accounts([_extension(number, password) for number, password in accounts.items()], trunks=trunks)
        )
        self.exchange.trunks.start()

    def phone(
        self,
        number: str,
        *,
        host: str = "",
        server: str = "",
        register: bool = True,
        password: str | None = None,
        **features: Any,
    ) -> Phone:
        """Put a phone on the network, registered unless told otherwise.

        :param number: its extension; one without an account is a stranger.
        :param server: the host that it knows as its exchange; "" for the exchange itself.
        :param password: None for the account's.
        :param features: see `Phone`.
        """
        host = host or f"10.0.1.{len(self.phones) + 1}"
        if password is None:
            password = self._accounts.get(number, "")
        features.setdefault("library", self.library)
        phone = Phone(self.clock, self.network, number, password, host, server or self.host, **features)
        self.phones.append(phone)
        if register:
            phone.registers()
            self.advance(0.25)
        return phone

    def mailbox(self, name: str) -> SimulatedMailbox:
        """A mailbox, to look at."""
        return SimulatedMailbox(self.exchange.voicemail, name)

    def trunk(self, name: str, *, host: str = "", **features: Any) -> SimulatedTrunk:
        """The provider at the other end of a trunk, put on the network when it is asked for first.

        :param name: the trunk's, one of the rows.
        :param host: its address; "" for the one in the row, or for another where that is a name.
        :param features: see `SimulatedTrunk`.
        """
        if name not in self._providers:
            row = self.exchange.trunks.links[name].trunk
            domain = row.domain if is_address(row.domain) else ""
            host = host or domain or f"10.9.{len(self._providers) + 1}.1"
            if not domain:
                self.zone.records.setdefault(row.domain, [host])
            features.setdefault("transport", row.transport or "UDP")
            features.setdefault("library", self.library)
            self._providers[name] = SimulatedTrunk(
                self.clock, self.network, row, host, self.host, self.phones, **features
            )
        return self._providers[name]

    def proxy(self, host: str, **features: Any) -> Proxy:
        """Put a proxy on the network.

        :param features: see `Proxy`.
        """
        proxy = Proxy(self.clock, self.network, host, self.host, **features)
        self.proxies.append(proxy)
        return proxy

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds)

    def until(self, condition: Callable[[], object], within: float = 64.0) -> None:
        """Let time pass until something holds, and not a moment longer.

        :param within: seconds.
        :raises AssertionError: when it does not hold by then; it tells what went over the network.
        """
        if not self.clock.advance_until(condition, within):
            raise AssertionError(f"not within {within:g} s; {self.phones}\n{self.network.ladder()}")

    def talk(self, one: Phone, other: Phone) -> bool:
        """Let both say a tone for half a second: whether each hears the other, and not itself."""
        calls = [one.call, other.call]
        assert calls[0] is not None and calls[1] is not None
        for call, tone in zip(calls, (440.0, 600.0), strict=True):
            assert call is not None
            call.sound.forgets()
            call.sound.says(tone, 0.5)
        self.advance(0.75)
        return calls[0].sound.hears(600.0) and calls[1].sound.hears(440.0)

    def assert_idle(self) -> None:
        """Let the last timers pass; then nothing of any call may be left, in the phones or in any exchange."""
        for sim in self.exchanges:
            sim.exchange.trunks.stop()  # which would go on asking
        self.advance(LAST_WORDS)
        for sim in self.exchanges:
            sim.assert_nothing_left()
            sim.exchange.qualification.stop()
            sim.exchange.location.stop()
            sim.exchange.lamps.stop()
            sim.exchange.switchboard.messages.deliveries.stop()
            sim.exchange.transports.stop()
            for phone in sim.phones:
                phone.leaves()
            for proxy in sim.proxies:
                proxy.leaves()
        self.advance(LAST_WORDS)
        connections = sum(sim.exchange.transports.connections for sim in self.exchanges)
        assert not connections, f"{connections} connections left"
        assert not self.clock.pending, f"timers left: {self.clock.pending}"
        signalling = {(sim.host, SIP_PORT) for sim in self.exchanges}
        signalling |= {phone.address for sim in self.exchanges for phone in sim.phones}
        signalling |= {proxy.address for sim in self.exchanges for proxy in sim.proxies}
        media = [address for address in self.network.bound if address not in signalling]
        assert not media, f"ports left: {media}"

    def assert_nothing_left(self) -> None:
        """Nothing of any call is left in this exchange and its phones."""
        figures = self.exchange.figures()
        left = {name: figure for name, figure in figures.items() if figure and name != "registrations"}
        assert not left, f"left behind: {left}\n{self.network.ladder()}"
        assert not len(self.exchange.extension_lamps), f"lamps are lit\n{self.network.ladder()}"
        for phone in self.phones:
            assert not phone.agent.sessions, f"{phone!r} has {phone.agent.sessions}\n{self.network.ladder()}"
            assert not len(phone.layer), f"{phone!r} has transactions\n{self.network.ladder()}"
            assert not len(phone.agent.usages), f"{phone!r} has subscriptions\n{self.network.ladder()}"


def at_once(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
    """Do what takes long in no time (`pbx.features.voicemail.boxes.Aside`)."""
    return succeed(work(*args, **kwargs))


def _extension(number: str, password: str) -> Extension:
    md5, sha256 = (ha1(algorithm, number, REALM, password) for algorithm in ("MD5", "SHA-256"))
    return Extension(number, f"Phone {number}", md5, sha256)


def is_sip(packet: bytes) -> bool:
    """Whether a datagram is SIP: all that is not RTP or RTCP, whose first two bits are 10."""
    return not packet or packet[0] & 0xC0 != 0x80
