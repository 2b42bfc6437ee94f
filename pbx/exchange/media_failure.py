"""What it means for a call that its media failed."""

from __future__ import annotations

from twisted.logger import Logger
from twisted.python.failure import Failure

from pbx.media.errors import NoPorts
from pbx.sip.errors import Malformed

_log = Logger(namespace="pbx.call")


def status_of(failure: Failure) -> tuple[int, str]:
    """The status and the words with which the call is refused."""
    reason = failure.value
    if isinstance(reason, Malformed):
        return reason.status, reason.why
    if isinstance(reason, NoPorts):
        _log.debug("a call cannot have media: {why}", why=reason.why)
        return 503, "no media port is left"
    _log.failure("media failed", failure)
    return 500, ""
