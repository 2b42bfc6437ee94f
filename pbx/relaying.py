"""Which relay passes the sound on: native threads where they were built, else Python; or what `[media] engine` says."""

from __future__ import annotations

from typing import Any

from twisted.logger import Logger

from pbx.config import Config
from pbx.faults import Fault
from pbx.media import native, srtp
from pbx.media.native import NativeThreads
from pbx.media.sockets import MediaSockets

_NOT_BUILT = "there was no C compiler when pbx was installed"

_log = Logger()


def require(config: Config) -> None:
    """See that the relay and the SRTP can be had that the administrator wants.

    :raises Fault: one was not built, or is not installed.
    """
    if config.media.engine == "native" and not native.is_there():
        what = f'[media] engine is "native", and {_NOT_BUILT}'
        raise Fault("", 0, what, 'install one and then pbx again, or write "auto"')
    if config.media.srtp in ("offer", "require", "pass") and not srtp.is_there():
        what = f'[media] srtp is "{config.media.srtp}", and the library for it is not installed'
        raise Fault("", 0, what, "install it with: pip install txpbx[srtp]")


def sockets(config: Config, reactor: Any) -> MediaSockets:
    """The media sockets, with native threads if these are there and nobody forbade them."""
    media = config.media
    threads = None
    if media.engine != "python":
        if native.is_there():
            try:
                threads = NativeThreads(reactor, media.threads, media.silence)
            except OSError as error:
                _log.warn("RTP is forwarded in Python, at twice the cost: {why}", why=error)
        else:
            _log.warn(f"RTP is forwarded in Python, at twice the cost: {_NOT_BUILT}")
    return MediaSockets(reactor, media.ports, threads, media.silence)


def described(sockets: MediaSockets) -> str:
    """What forwards RTP: "python", or "native" with the number of its threads."""
    return "python" if sockets.threads is None else f"native:{len(sockets.threads)}"
