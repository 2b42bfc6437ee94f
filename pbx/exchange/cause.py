"""Causes: why the telephone network has ended a call (Q.850), beside the status of SIP (RFC 3326, RFC 3398, RFC 6432).

Many gateways say the same status for everything, and mean the cause.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pbx.sip.headers import REASON, Field

STATUSES = {
    1: 404,  # unallocated number
    2: 404,  # no route to the network
    3: 404,  # no route to the destination
    17: 486,  # user busy
    18: 408,  # nobody responds
    19: 480,  # no answer from the user
    20: 480,  # subscriber absent
    21: 603,  # call rejected
    22: 410,  # number changed
    27: 502,  # destination out of order
    28: 484,  # invalid number format
    29: 501,  # facility rejected
    31: 480,  # normal, unspecified
    34: 503,  # no circuit available
    38: 503,  # network out of order
    41: 503,  # temporary failure
    42: 503,  # congestion of the switches
    47: 503,  # resource unavailable
    55: 403,  # incoming calls barred
    57: 403,  # not authorized
    58: 503,  # not presently available
    65: 488,  # bearer capability not implemented
    79: 501,  # not implemented
    87: 403,  # not a member of the group
    88: 503,  # incompatible destination
    102: 504,  # a timer expired
    111: 500,  # protocol error
    127: 500,  # interworking
}
"""The status that each cause means (RFC 3398 7.2.4.1, and 8.2.6.1 for the way back)."""

CAUSES = {
    400: 41, 401: 21, 403: 21, 404: 1, 405: 63, 406: 79, 407: 21, 408: 102, 410: 22, 413: 127, 414: 127, 415: 79,
    416: 127, 420: 127, 480: 19, 481: 41, 482: 25, 483: 25, 484: 28, 485: 1, 486: 17, 488: 65, 500: 41, 501: 79,
    502: 38, 503: 34, 504: 102, 505: 127, 513: 127, 600: 17, 603: 21, 604: 1, 606: 65, 607: 21, 608: 21,
}  # fmt: skip
"""The cause that each status is told as (RFC 3398 8.2.6.1; 480 and 503 by what we mean with them)."""

NORMAL = 16  # somebody has hung up
NOT_SELECTED = 26  # another one has answered
NO_ANSWER = 19  # it rang for as long as it may
OVERDUE = 102  # nothing has come of it in time

WORDS = {
    NORMAL: "Normal call clearing",
    NO_ANSWER: "No answer",
    NOT_SELECTED: "Non-selected user clearing",
    1: "Unallocated number",
    17: "User busy",
    21: "Call rejected",
    34: "No circuit available",
}

_VAGUE = frozenset((403, 480, 487, 500, 502, 503, 504, 580, 600, 603))
"""Statuses that gateways use for what they have no other for: here the cause decides."""

_Q850 = re.compile(r"\s*Q\.850\s*;(?:[^;]*;)*?\s*cause\s*=\s*([0-9]{1,3})\s*(?:;|$)", re.ASCII | re.IGNORECASE)


def cause_in(fields: Iterable[Field]) -> int:
    """The cause that a message names; 0 for none."""
    for key, _, value in fields:
        if key == "reason":
            for reason in value.split(","):
                found = _Q850.match(reason)
                if found is not None:
                    return int(found[1])
    return 0


def with_cause(fields: tuple[Field, ...], cause: int) -> tuple[Field, ...]:
    """The fields of a BYE or CANCEL to the network, with this cause unless they name one (RFC 3326 2)."""
    return fields if cause_in(fields) else (*fields, _reason(cause))


def understood(status: int, cause: int) -> int:
    """The status that a refusal of the network means.

    :param status: that of its response.
    :param cause: the one that it names; 0 for none.
    """
    return STATUSES.get(cause, status) if status in _VAGUE else status


def told(status: int) -> Field:
    """The Reason with which the network is refused (RFC 6432)."""
    return _reason(CAUSES.get(status, 31 if status < 500 else 127))


def _reason(cause: int) -> Field:
    words = f';text="{WORDS[cause]}"' if cause in WORDS else ""
    return REASON.field(f"Q.850;cause={cause}{words}")
