"""Reloading: all that is new is checked first, then it takes the place of the old at once; or one sentence says what is
wrong with it, and all stays as it was. A call ends with the plan that it began with.

The plan of the start is tried, too, while it takes calls already: there is no other one that could.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from pbx import certificates, config, rows
from pbx.certificates import Certificates
from pbx.config import Config
from pbx.dialplan import loading
from pbx.dialplan.modules import Modules, sources
from pbx.dialplan.plan import Plan
from pbx.dialplan.ways import FORWARDS, circles
from pbx.faults import Fault
from pbx.log import Output
from pbx.media.library import Library
from pbx.sip.timers import Clock, Timer
from pbx.trials import Trials
from pbx.wiring import Exchange

LOOK = 1.0  # seconds between two looks at the files
PARTS = ("domains", "sip", "security", "registrar", "database", "media", "voicemail", "records", "trace", "control")

_Stamps = dict[str, tuple[int, int, int]]


class Reloading:
    """Takes dialplan, certificates and log level anew.

    :param config: as it was read at the start.
    :param plan: the dialplan of the start.
    :param trials: what a dialplan has to pass.
    :ivar plan: the one that takes new calls.
    """

    log = Logger()

    def __init__(
        self,
        config: Config,
        plan: Plan[Any],
        exchange: Exchange,
        library: Library,
        certificates: Certificates,
        output: Output,
        clock: Clock,
        trials: Trials,
    ) -> None:
        self.plan = plan
        # twistd may go to another folder before the first SIGHUP.
        self._file = Path(config.path).absolute()
        self._started_with = self._config = config
        self._exchange = exchange
        self._library = library
        self._certificates = certificates
        self._output = output
        self._clock = clock
        self._trials = trials
        self._first: Deferred[None] | None = None  # the trials of the plan of the start
        self._busy = False
        self._timer: Timer | None = None
        self._stamps = _stamps(config)
        self._changing: _Stamps | None = None

    @property
    def old_plans(self) -> int:
        """How many former dialplans are alive, since calls go on that began with them."""
        return rows.old_plans(self._exchange, self.plan)

    def start(self) -> None:
        """Try the plan of the start; look at the files of the dialplan from now on, if that is wanted."""
        self._look_later()
        self._warn_of_circles()
        self._first = Deferred.fromCoroutine(self._tried())
        self._told(self._first, "the dialplan is in doubt")

    def stop(self) -> None:
        """Look no more."""
        self._leave_first()
        self._trials.stop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def reload(self) -> None:
        """SIGHUP: take all anew; if anything is wrong, say so and keep all."""
        self._told(Deferred.fromCoroutine(self.reload_or_refuse()), "nothing reloaded")

    async def reload_or_refuse(self) -> list[rows.Row]:
        """The same, for `pbx reload`.

        :returns: a row: how many former plans are alive, what of the configuration needs a restart, and what
            `pbx check` finds in the plan all the same.
        :raises Fault: something is wrong, and nothing is reloaded.
        """
        new = config.load(self._file)
        contexts = certificates.read(new)
        plan, findings = await self._checked(new)
        self._library.country = new.dialplan.country
        self._exchange.trunks.numbering = new.dialplan.numbering
        self._certificates.use(new, contexts)
        self._output.level = new.log.level
        self._config = new
        self._look_later()
        self._use(plan)
        waiting = [part for part in PARTS if getattr(new, part) != getattr(self._started_with, part)]
        self.log.info("reloaded{waiting}", waiting=f"; a restart is needed for {', '.join(waiting)}" if waiting else "")
        return [{"old_plans": self.old_plans, "needs_restart": waiting, "findings": list(map(str, findings))}]

    async def _tried(self) -> None:
        """Look what the trials say of the plan of the start, unless a reload comes meanwhile.

        :raises Fault: it does not pass them.
        """
        options = self._config.dialplan
        with suppress(CancelledError):
            self._warn_of(await self._findings(self._config))
            if options.tests is not None:
                await self._trials.run_tests(options.tests)

    def _leave_first(self) -> None:
        """The plan of the start is of interest no more."""
        if self._first is not None:
            self._first.cancel()
            self._first = None

    async def _findings(self, config: Config) -> list[Fault]:
        """What `pbx check` finds in the dialplan.

        :raises Fault: it cannot be checked, since it never returns for example.
        """
        options = config.dialplan
        return [] if options.check == "off" else await self._trials.check(self._file, options.file)

    async def _checked(self, config: Config) -> tuple[Plan[Any], list[Fault]]:
        """Check the dialplan, load it, and run its tests where there are some.

        :returns: the plan, and what `pbx check` finds in it.
        :raises Fault: it is not to be used; nothing of it is left.
        """
        if self._busy:
            raise Fault("", 0, "the dialplan is being reloaded already", "try again in a while")
        self._leave_first()
        self._busy = True
        options, exchange = config.dialplan, self._exchange
        self._stamps = stamps = _stamps(config)
        modules: Modules | None = None
        try:
            findings = await self._findings(config)  # first: there it does no harm if it never returns
            modules = Modules(str(options.file))
            self._library.forget()
            told = (self._is_known, self._library, exchange.voicemail.has, exchange.trunks.links.__contains__)
            plan = loading.load(options.file, *told, options.numbering)
            if findings and options.check == "refuse":
                first, more = findings[0], len(findings) - 1
                others = f"; `pbx check` shows {more} more" if more else ""
                raise Fault(first.path, first.line, first.what, f"{first.remedy}{others}")
            if options.tests is not None:
                await self._trials.run_tests(options.tests)
            if _stamps(config) != stamps:
                raise Fault(str(options.file), 0, "it was changed while it was tried", "reload it again")
        except BaseException:
            if modules is not None:
                modules.put_back()
            raise
        finally:
            self._busy = False
        self._warn_of(findings)
        return plan, findings

    def _use(self, plan: Plan[Any]) -> None:
        plan.surroundings = self.plan.surroundings
        self.plan = plan
        self._exchange.switchboard.dialplan = plan
        self._warn_of_circles()
        # A plan and its functions know each other, and the collector looks seldom at what is old.
        gc.collect()

    def _is_known(self, number: str) -> bool:
        directory = self._exchange.directory
        return directory.find(directory.number_of(number)) is not None

    def _warn_of_circles(self) -> None:
        directory = self._exchange.directory
        forwards = {
            one.number: {column: directory.number_of(to) for column in FORWARDS if (to := getattr(one, column))}
            for one in directory
        }
        self._warn_of(list(circles(forwards)))

    def _warn_of(self, findings: Sequence[Fault]) -> None:
        for fault in findings:
            self.log.warn("{fault}", fault=str(fault))

    def _look_later(self) -> None:
        if self._timer is None and self._config.dialplan.reload_on_change:
            self._timer = self._clock.callLater(LOOK, self._look)

    def _look(self) -> None:
        self._timer = None
        self._look_later()
        if self._busy:
            return
        stamps = _stamps(self._config)
        if stamps == self._stamps:
            self._changing = None
        elif stamps != self._changing:
            self._changing = stamps  # more may be on its way: it is read when it has come to rest
        else:
            self._told(Deferred.fromCoroutine(self._changed()), "the dialplan stays as it was")

    async def _changed(self) -> None:
        plan, _ = await self._checked(self._config)
        self._use(plan)
        self.log.info("the dialplan was read anew")

    def _told(self, done: Deferred[Any], words: str) -> None:
        """Log why something was refused."""

        def refused(failure: Failure) -> None:
            failure.trap(Fault)  # type: ignore[no-untyped-call]
            self.log.error("{words}: {fault}", words=words, fault=str(failure.value))

        done.addErrback(refused)
        done.addErrback(lambda failure: self.log.failure(words, failure))


def _stamps(config: Config) -> _Stamps:
    """What changes with the dialplan, the modules beside it, and its tests."""
    options = config.dialplan
    files: set[Path] = {options.file} if options.tests is None else {options.file, options.tests}
    found: _Stamps = {}
    try:
        files.update(sources(options.file.parent))
    except OSError:
        pass  # a folder is gone, or is not ours to read: the file itself counts
    for file in files:
        try:
            status = os.stat(file)
        except OSError:
            continue
        found[str(file)] = (status.st_mtime_ns, status.st_size, status.st_ino)
    return found
