"""Reloading: all that is new is checked first, then it takes the place of the old at once; or one sentence says what is
wrong with it, and all stays as it was. A call ends with the plan that it began with.
"""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
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
from pbx.plan_tests import PlanTests
from pbx.sip.timers import Clock, Timer
from pbx.wiring import Exchange

LOOK = 1.0  # seconds between two looks at the files
PARTS = ("domains", "sip", "security", "registrar", "database", "media", "voicemail", "records", "trace", "control")

_Stamps = dict[str, tuple[int, int, int]]


class Reloading:
    """Takes dialplan, certificates and log level anew.

    :param config: as it was read at the start.
    :param plan: the dialplan of the start.
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
        tests: PlanTests,
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
        self._tests = tests
        self._busy = False
        self._timer: Timer | None = None
        self._stamps = _stamps(config)
        self._changing: _Stamps | None = None

    @property
    def old_plans(self) -> int:
        """How many former dialplans are alive, since calls go on that began with them."""
        return rows.old_plans(self._exchange, self.plan)

    def watch(self) -> None:
        """Look at the files of the dialplan from now on, if that is wanted."""
        self._look_later()
        self._warn_of_circles()

    def stop(self) -> None:
        """Look no more."""
        self._tests.stop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def reload(self) -> None:
        """SIGHUP: take all anew; if anything is wrong, say so and keep all."""
        self._told(Deferred.fromCoroutine(self.reload_or_refuse()), "nothing reloaded")

    async def reload_or_refuse(self) -> list[rows.Row]:
        """The same, for `pbx reload`.

        :returns: a row: how many former plans are alive, and what of the configuration needs a restart.
        :raises Fault: something is wrong, and nothing is reloaded.
        """
        new = config.load(self._file)
        contexts = certificates.read(new)
        plan = await self._checked(new)
        self._library.country = new.dialplan.country
        self._exchange.trunks.numbering = new.dialplan.numbering
        self._certificates.use(new, contexts)
        self._output.level = new.log.level
        self._config = new
        self._look_later()
        self._use(plan)
        waiting = [part for part in PARTS if getattr(new, part) != getattr(self._started_with, part)]
        self.log.info("reloaded{waiting}", waiting=f"; a restart is needed for {', '.join(waiting)}" if waiting else "")
        return [{"old_plans": self.old_plans, "needs_restart": waiting}]

    async def _checked(self, config: Config) -> Plan[Any]:
        """Load the dialplan, and run its tests where there are some.

        :raises Fault: it is not to be used; nothing of it is left.
        """
        if self._busy:
            raise Fault("", 0, "the dialplan is being reloaded already", "try again in a while")
        self._busy = True
        options, exchange = config.dialplan, self._exchange
        self._stamps = stamps = _stamps(config)
        modules = Modules(str(options.file))
        try:
            self._library.forget()
            told = (self._is_known, self._library, exchange.voicemail.has, exchange.trunks.links.__contains__)
            plan = loading.load(options.file, *told, options.numbering)
            if options.tests is not None:
                await self._tests.run(options.tests)
                if _stamps(config) != stamps:
                    raise Fault(str(options.file), 0, "it was changed while its tests ran", "reload it again")
        except BaseException:
            modules.put_back()
            raise
        finally:
            self._busy = False
        return plan

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
        for fault in circles(forwards):
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
        self._use(await self._checked(self._config))
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
