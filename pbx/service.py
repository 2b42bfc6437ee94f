"""The service that `twistd pbx` runs: here the parts meet, and nothing but this is global.

Whatever can fail fails in `makeService`, before the reactor runs: one line on standard error, exit status 1, and
nothing left half done. After that there is one way to start and three signals to end or to reload.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any, ParamSpec, TypeVar

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.error import ReactorNotRunning
from twisted.internet.threads import deferToThreadPool
from twisted.logger import ILogObserver, Logger
from twisted.python import usage
from twisted.python.components import Componentized

from pbx import __version__, config, espeak, relaying, rows
from pbx.certificates import Certificates
from pbx.clock import ReactorClock
from pbx.config import Config
from pbx.control import Control, ControlSocket
from pbx.dialplan import loading
from pbx.dialplan.holidays import HolidayTable
from pbx.dialplan.modules import is_beside
from pbx.dialplan.surroundings import Surroundings
from pbx.dialplan.switches import Switches
from pbx.ending import Ending
from pbx.exchange.registrar import Terms
from pbx.faults import Fault
from pbx.features.voicemail.mailbox import Limits
from pbx.lines import Lines
from pbx.listening import Listening, bind, require_local
from pbx.log import Output
from pbx.media.library import Library
from pbx.memory import spare_the_collector, use_huge_pages
from pbx.ongoing import Ongoing
from pbx.options import Listener
from pbx.outside import Outside
from pbx.privileges import acting_as
from pbx.reactor import install
from pbx.recorded import Recorded
from pbx.reloading import Reloading
from pbx.rooms import Rooms
from pbx.shutters import Shutters
from pbx.sip.identifiers import Identifiers
from pbx.sip.parser import Limits as MessageLimits
from pbx.sip.resolver import Resolver, connected
from pbx.smtp import emailing
from pbx.store import opening
from pbx.store.bans import BanTable
from pbx.store.database import open_database
from pbx.store.holidays import read_holidays
from pbx.store.message_files import MessageFiles
from pbx.store.messages import MessageTable
from pbx.store.records import RecordTable
from pbx.store.retention import Retention
from pbx.store.settings import SettingsTable
from pbx.store.store import Store, StoreThread
from pbx.store.switch_table import SwitchTable
from pbx.store.switches import read_switches
from pbx.store.texts import TextTable
from pbx.store.vault import Vault
from pbx.traced import Traced
from pbx.trials import Trials
from pbx.watchdog import Watchdog
from pbx.wiring import Exchange

P = ParamSpec("P")
T = TypeVar("T")

LAST_WRITE = 0.5  # seconds for what the database has not got yet


class Options(usage.Options):
    """What stands after `twistd pbx`."""

    synopsis = "[--config FILE]"
    optParameters = [["config", "c", None, "The configuration. [default: $PBX_CONFIG, ./pbx.toml, /etc/pbx/pbx.toml]"]]

    def parseOptions(self, options: list[str] | None = None) -> None:
        """Parse, and say what is wrong in one line: left alone, twistd prints its whole usage text and no remedy."""
        try:
            super().parseOptions(options)  # type: ignore[no-untyped-call]
        except usage.UsageError as error:
            what = f"twistd pbx: {str(error).rstrip('.')}"
            raise SystemExit(str(Fault("", 0, what, "see `twistd pbx --help`"))) from None

    def opt_version(self) -> None:
        """Show the version and exit."""
        print(f"pbx {__version__}")
        raise SystemExit(0)


def makeService(options: Options) -> PBX:
    """Check everything that an administrator can get wrong, and return what twistd is to start."""
    install()
    from twisted.internet import reactor

    try:
        found = config.load(config.find(options["config"]))
        return PBX(found, reactor, _to_stdout(options), _owner(options))
    except Fault as fault:
        raise SystemExit(str(fault)) from None


def _to_stdout(options: Options) -> bool:
    """Whether the log is ours to write; `twistd --logfile`, `--syslog` and a daemon keep Twisted's own."""
    twistd: Any = options.parent
    if twistd is None:
        return True
    return bool(twistd["nodaemon"]) and twistd["logfile"] in {None, "-"} and not twistd.get("syslog")


def _owner(options: Options) -> tuple[int | None, int | None]:
    """The user and the group that twistd will make of us; None where we stay what we are."""
    twistd: Any = options.parent
    return (None, None) if twistd is None else (twistd.get("uid"), twistd.get("gid"))


class PBX(Service):
    """One exchange on real sockets.

    :param config: what the administrator has decided.
    :param reactor: Twisted's.
    :param to_stdout: whether the log goes where `[log]` says, and not where twistd was told to write it.
    :param owner: the user and the group that this process will have; None where it stays what it is.
    :raises Fault: something of it cannot be done; nothing is left behind then.
    :ivar library: the sounds that callers may hear.
    :ivar exchange: there once started.
    :ivar reloading: the same.
    """

    log = Logger()

    def __init__(
        self, config: Config, reactor: Any, to_stdout: bool = True, owner: tuple[int | None, int | None] = (None, None)
    ) -> None:
        self.config = config
        self.reactor = reactor
        self._output = Output(sys.stdout, config.log.format, config.log.level)
        self._to_stdout = to_stdout
        with ExitStack() as opened:
            self._sockets: list[socket.socket] = []
            for listener in config.sip.listen:
                with config.blaming("sip.listen"):
                    self._sockets.append(opened.enter_context(bind(listener)))
            self._certificates = Certificates(config, reactor)
            if config.media.address:
                with config.blaming("media.address"):
                    require_local(config.media.address)
            with config.blaming("media.engine"):
                relaying.require(config)
            with config.blaming("database.url"):
                names = opening.names(config.database.url)
                mailboxes = opening.mailbox_names(config.database.url)
            media = config.media
            self.library = Library(
                media.prompts, config.dialplan.country, media.recordings, espeak.found(reactor), self._aside
            )
            self._plan = loading.load(
                config.dialplan.file,
                names.extensions.__contains__,
                self.library,
                mailboxes.__contains__,
                names.trunks.__contains__,
                config.dialplan.numbering,
            )
            self._vault = Vault.beside(config.path)
            with config.blaming("control.socket"), acting_as(*owner):
                self._control = ControlSocket(config.control.socket)
                opened.callback(self._control.close)
            with config.blaming("database.url"), acting_as(*owner):
                self._contents = opening.contents(config.database.url, config.sip.realm, reactor.seconds(), self._vault)
                self._secret = opening.secret(config.database.url, "gruu")
                self._bans = opening.bans(config.database.url, reactor.seconds())
                self._texts = opening.texts(config.database.url, reactor.seconds())
                switches, holidays = opening.calendar(config.database.url)
            self._outside = Outside(reactor, lambda: open_database(config.database.url))
            self.surroundings = Surroundings(Switches(switches), HolidayTable(holidays), self._outside)
            self._plan.surroundings = self.surroundings
            self._watchdog = Watchdog(
                partial(is_beside, config.dialplan.file),
                reactor.callFromThread,
                self.surroundings.stint,
                partial(getattr, reactor, "asleep", False),
            )
            self._files = MessageFiles(config.voicemail.folder)
            with config.blaming("voicemail.folder"), acting_as(*owner):
                self._messages = opening.messages(config.database.url, self._files)
            self._opened = opened.pop_all()

    def setServiceParent(self, parent: Any) -> None:
        """Join the application. Twisted asks it for an observer of the log before the first line is written."""
        if self._to_stdout and isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, self._output)  # type: ignore[no-untyped-call]
        super().setServiceParent(parent)  # type: ignore[no-untyped-call]

    def startService(self) -> None:
        """Start all parts on the sockets that are bound already; nothing here can fail any more."""
        super().startService()  # type: ignore[no-untyped-call]
        self._started = self.reactor.seconds()
        self._most_files = raise_descriptor_limit()
        self._warn_of_descriptors(self._most_files)
        self._thread = StoreThread(self.reactor)
        self._thread.start()
        self._outside.start()
        self._watchdog.start()
        database = self._database = open_database(self.config.database.url, patience=1)
        self.store = Store(database, self.reactor, self._thread, self._vault)
        self._ban_table = BanTable(database, self.reactor, self._thread)
        self._text_table = TextTable(database, self.reactor, self._thread)
        self._settings_table = SettingsTable(database, self.reactor, self._thread)
        switches = self.surroundings.switches
        self._switch_table = SwitchTable(database, self.reactor, self._thread, switches.kept)
        switches.keep = self._switch_table.keep_switch
        self._records = RecordTable(database, self.reactor, self._thread)
        self._message_table = MessageTable(database, self._files, self.reactor, self._thread)
        self._clock = ReactorClock(self.reactor)
        self._retention = Retention(database, self.reactor, self._clock.wall, self._thread, self.config.records.days)
        self._retention.start()
        self.exchange = self._wired()
        self.exchange.show_switches(switches)
        self._emails = emailing(self.config.voicemail, self.exchange.voicemail, self.reactor, self._clock, self._aside)
        spare_the_collector()
        use_huge_pages()
        self._listening = Listening(self.exchange, self.reactor, self._certificates.security)
        for listener, bound in zip(self.config.sip.listen, self._sockets, strict=True):
            self._listening.start(listener, bound)
        self._shutters = Shutters(self.exchange.doors.bans, self._sockets, self._clock)
        self._certificates.watch(self._clock)
        self.reloading = Reloading(
            self.config,
            self._plan,
            self.exchange,
            self.library,
            self._certificates,
            self._output,
            self._clock,
            Trials(self.reactor, self.reactor.spawnProcess),
        )
        self.reloading.start()
        self.store.watch(lambda: Deferred.fromCoroutine(self._accounts_changed()))
        commands: dict[str, Callable[..., object]] = {
            "status": self.status,
            "registrations": self.registrations,
            "bans": self.bans,
            "lift": self.lift,
            "last_register": self.last_register,
            **Lines(self.exchange.trunks, self._clock).commands,
            "reload": self.reloading.reload_or_refuse,
            **Rooms(self.exchange.conferences).commands,
            **Ongoing(self.exchange.switchboard).commands,
            **Recorded(self.exchange.histories, self._records).commands,
            **Traced(self.exchange.tracing).commands,
            "remove_messages": self.remove_messages,
        }
        self._control.serve(self.reactor, Control(commands, self.reactor))
        self._ending = Ending(self.reactor, self, self.config.sip.drain, self._stop_reactor)
        self.reactor.callWhenRunning(self._running)

    def _wired(self) -> Exchange:
        """Return the exchange with all that the database holds."""
        sip, registrar, voicemail = self.config.sip, self.config.registrar, self.config.voicemail
        self._media = relaying.sockets(self.config, self.reactor, self._most_files)
        self._rtpengines = relaying.instances(self.config, self._clock, self.reactor)
        names = Resolver(self._clock, lambda: connected(self.reactor))
        exchange = Exchange(
            self._clock,
            Identifiers(),
            self._media,
            self.store,
            self._plan,
            messages=self._message_table,
            aside=self._aside,
            bans=self._ban_table,
            texts=self._text_table,
            records=self._records if self.config.records.enabled else None,
            traced=(self.config.trace.calls, self.config.trace.bytes) if self.config.trace.enabled else None,
            realm=sip.realm,
            secret=os.urandom(32),
            domains=self.config.domains,
            codecs=self.config.media.codecs,
            library=self.library,
            local_networks=sip.local_networks,
            advertise=sip.advertise,
            digest=sip.digest,
            media_address=self.config.media.address,
            srtp=self.config.media.srtp,
            silence_ends=self.config.media.silence_ends,
            rtpengines=self._rtpengines,
            terms=Terms(
                registrar.min_expires,
                registrar.max_expires,
                registrar.default_expires,
                registrar.max_contacts,
                refuses=registrar.when_full == "refuse",
                any_path=registrar.path == "any",
            ),
            qualify=registrar.qualify,
            end_calls=registrar.end_calls,
            gruu_secret=self._secret,
            limits=MessageLimits(sip.max_head, sip.max_fields, sip.max_body),
            connections=(sip.max_connections, sip.max_per_address),
            calls=(sip.max_calls, sip.max_calls_per_address),
            transactions=(sip.max_transactions, sip.max_transactions_per_address),
            names=names,
            thresholds=self.config.security,
            numbering=self.config.dialplan.numbering,
            server=sip.server,
            mailbox_limits=Limits(voicemail.max_messages, voicemail.max_seconds, voicemail.silence),
            mailbox_number=voicemail.number,
            mails=voicemail.smtp is not None,
        )
        names.counts = exchange.counts
        exchange.directory.keep = self._settings_table.keep_setting
        self._settings_table.kept = exchange.directory.kept
        accounts, bindings = self._contents
        exchange.replace_accounts(accounts)
        exchange.restore(bindings, self._bans, *self._messages, self._texts)
        exchange.qualification.start()
        return exchange

    def _aside(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        return deferToThreadPool(self.reactor, self.reactor.getThreadPool(), work, *args, **kwargs)

    def _running(self) -> None:
        # Twisted has just set its own, which exit with 143 and log a traceback at the second signal.
        self._on(signal.SIGINT, self._ending.interrupt)
        self._on(signal.SIGTERM, self._ending.terminate)
        self._on(signal.SIGHUP, self.reloading.reload)
        self.exchange.trunks.start()
        for listener in self.listeners:
            self.log.info("listening on {listener}", listener=listener)
        self.log.info("pbx ready", always=True)

    def _on(self, number: signal.Signals, react: Callable[[], None]) -> None:
        # A signal interrupts any line of Python, and the reactor may be asleep: callFromThread copes with both.
        signal.signal(number, lambda *_: self.reactor.callFromThread(react))

    async def _accounts_changed(self) -> None:
        self.exchange.replace_accounts(await self.store.accounts())
        self.exchange.voicemail.replace(await self._message_table.mailboxes())
        self.surroundings.switches.replace(await self._thread.run(read_switches, self._database))
        self.surroundings.holidays.replace(await self._thread.run(read_holidays, self._database))

    @property
    def listeners(self) -> list[str]:
        """Where we listen, as it could stand in the configuration, with the ports that are really taken."""
        return [
            str(Listener(listener.transport, *bound.getsockname()[:2]))
            for listener, bound in zip(self.config.sip.listen, self._sockets, strict=True)
        ]

    @property
    def calls(self) -> int:
        """How many calls there are."""
        return len(self.exchange.switchboard.calls)

    @property
    def busy(self) -> int:
        """The same, with all sessions: a call is over before its phones have confirmed that."""
        return self.calls + len(self.exchange.agent.sessions)

    def refuse_calls(self, seconds: int) -> None:
        """Answer new calls with 503 from now on, and tell the callers to try again in so many seconds."""
        self.exchange.switchboard.draining = seconds
        self.exchange.trunks.stop()

    def hang_up_all(self) -> None:
        """Send BYE, or whatever ends them, to all calls."""
        self.exchange.switchboard.hang_up_all()

    def status(self) -> list[dict[str, object]]:
        """Return one row: what `pbx status` shows."""
        return [
            {
                "version": __version__,
                "uptime": int(self.reactor.seconds() - self._started),
                "listeners": self.listeners,
                "engine": relaying.described(self._media, self._rtpengines),
                **self.exchange.figures(),
                "connections": self.exchange.transports.connections,
                "timers": len(self._clock),
                "old_plans": self.reloading.old_plans,
                "backlog": self.store.backlog,
                "database": self.store.trouble or "ok",
                "voicemail": rows.voicemail(self.exchange, self._message_table.backlog, self._emails),
                "texts": len(self.exchange.letterbox),
                "records": {"backlog": self._records.backlog, "dropped": self._records.dropped},
                "bans": len(self.exchange.doors.bans.listed()),
                "drops": {**self.exchange.counts, **self._shutters.counts},
                "security": dict(self.exchange.doors.log.counts),
            }
        ]

    def registrations(self, number: str | None = None) -> list[rows.Row]:
        """Return a row for each binding, or for each of one extension: what `pbx registrations` shows."""
        return rows.registrations(self.exchange, self.reactor.seconds(), number)

    def last_register(self, number: str) -> list[rows.Row]:
        """Return a row for the last REGISTER of a number: what `pbx registrations NUMBER` shows besides."""
        return rows.last_register(self.exchange, number)

    def bans(self) -> list[rows.Row]:
        """Return a row for each ban: what `pbx bans` shows."""
        return rows.bans(self.exchange, self.reactor.seconds())

    def lift(self, address: str) -> list[dict[str, object]]:
        """End a ban: what `pbx bans remove` does.

        :raises Fault: there is none.
        """
        if not self.exchange.doors.lift(address):
            raise Fault("", 0, f"{address} is not banned", "`pbx bans` shows who is")
        return [{"address": address}]

    def remove_messages(self, ids: list[str]) -> list[dict[str, object]]:
        """Delete voice messages: what `pbx voicemail remove` does. Those that are gone already are no fault."""
        for message in filter(None, map(self.exchange.voicemail.message, ids)):
            self.exchange.voicemail.remove(message)
        return [{"id": id} for id in ids]

    def _warn_of_descriptors(self, limit: int) -> None:
        sip, ports = self.config.sip, len(self.config.media.ports)
        others = 100 + (sip.max_connections if any(one.transport != "UDP" for one in sip.listen) else 0)
        if limit < ports + others:
            self.log.warn(
                "{limit} open files are allowed, enough for {calls} calls at once; `ulimit -n {wanted}` allows for all",
                limit=limit,
                calls=max(0, limit - others) // 4,
                wanted=ports + others,
            )

    def _stop_reactor(self) -> None:
        try:
            self.reactor.stop()
        except ReactorNotRunning:
            pass

    async def _closed(self) -> None:
        self._listening.stop()
        self._outside.stop()
        self._watchdog.stop()
        self._shutters.stop()
        self._certificates.stop()
        self.reloading.stop()
        self.exchange.qualification.stop()
        self.exchange.trunks.stop()
        self.exchange.location.stop()
        self.exchange.lamps.stop()
        self.exchange.switchboard.messages.deliveries.stop()
        if self._emails is not None:
            self._emails.stop()
        self._opened.close()
        try:
            await Deferred.fromCoroutine(self._stored()).addTimeout(LAST_WRITE, self.reactor)
        except DeferredTimeout:
            self.log.warn("the database takes too long: {backlog} changes are lost", backlog=self.store.backlog)
        else:
            self._thread.stop()

    async def _stored(self) -> None:
        self._retention.stop()
        await self._ban_table.close()
        await self._text_table.close()
        await self._settings_table.close()
        await self._switch_table.close()
        await self._message_table.close()
        await self._records.close()
        await self.store.close()

    def stopService(self) -> Deferred[None]:
        """Close everything; the reactor waits for that."""
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._closed())


def raise_descriptor_limit() -> int:
    """Allow this process as many open files as it may have, and return how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        return soft
    return sys.maxsize if hard == resource.RLIM_INFINITY else hard
