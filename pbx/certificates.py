"""Our certificate, and those that we believe: read before anything runs, and again when their files change.

What is wrong at the start is a `Fault`; what is wrong later is one line in the log, and all stays as it was.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from twisted.logger import Logger

from pbx.config import Config
from pbx.faults import Fault
from pbx.sip import tls
from pbx.sip.timers import Clock, Timer
from pbx.sip.tls import TLS, Contexts

LOOK = 2.0  # seconds between two looks at the files
SOON = 14 * 86400  # seconds before the end of a certificate from which on we warn of it

_Stamp = tuple[int, int, int]


def read(config: Config) -> Contexts | None:
    """Read all that `[tls]` names; None where there is no certificate.

    :raises Fault: a file cannot be read, or holds something else; it names the option.
    """
    options = config.tls
    if options.certificate is None or options.key is None:
        return None
    with config.blaming("tls.certificate"):
        chain = tls.read_chain(options.certificate)
    with config.blaming("tls.key"):
        key = tls.read_key(options.key, chain[0])
    authorities = None
    if options.ca is not None:
        with config.blaming("tls.ca"):
            authorities = tls.read_authorities(options.ca)
    with config.blaming("tls.certificate"):
        return tls.contexts(chain, key, authorities, options.verify_clients, options.verify_servers)


class Certificates:
    """What TLS is spoken with.

    :param reactor: Twisted's.
    :raises Fault: as `read`.
    :ivar security: TLS as transports need it; None without a certificate.
    """

    log = Logger(namespace="pbx.tls")

    def __init__(self, config: Config, reactor: Any) -> None:
        contexts = read(config)
        self.security = None if contexts is None else TLS(contexts, reactor)
        self._contexts = contexts
        self._config = config
        self._stamps = _stamps(config)
        self._changing: list[_Stamp | None] | None = None
        self._clock: Clock | None = None
        self._timer: Timer | None = None

    def watch(self, clock: Clock) -> None:
        """Look at the files from now on."""
        if self.security is not None:
            self._clock = clock
            self._timer = clock.callLater(LOOK, self._look)
            self._warn()

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def use(self, config: Config, contexts: Contexts | None) -> None:
        """Speak TLS with what was read for another configuration."""
        if self.security is not None and contexts is not None:
            self.security.use(contexts)
            self._contexts = contexts
            self._config = config
            self._stamps = _stamps(config)
            self._warn()

    def _look(self) -> None:
        assert self._clock is not None
        self._timer = self._clock.callLater(LOOK, self._look)
        stamps = _stamps(self._config)
        if stamps == self._stamps:
            self._changing = None
        elif stamps != self._changing:
            self._changing = stamps  # more may be on its way: a key belongs to its certificate
        else:
            self._stamps = stamps
            try:
                self.use(self._config, read(self._config))
            except Fault as fault:
                self.log.error("the certificate stays as it was: {fault}", fault=str(fault))
            else:
                self.log.info("the certificate was read anew")

    def _warn(self) -> None:
        if self._contexts is not None and self._clock is not None:
            left = self._contexts.expires_at - self._clock.wall()
            if left < SOON:
                words = "has expired" if left <= 0 else f"expires in {int(left // 86400)} days"
                self.log.warn("the certificate {path} {words}", path=str(self._config.tls.certificate), words=words)


def _stamps(config: Config) -> list[_Stamp | None]:
    options = config.tls
    return [_stamp(path) for path in (options.certificate, options.key, options.ca) if path is not None]


def _stamp(path: Path) -> _Stamp | None:
    """What changes with a file's content; None while it is not there."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino)
