"""Intercom: a phone is asked to answer by itself. Only the dialplan asks it to: what a caller asks for does not cross,
or anybody could listen to a room.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pbx.sip.headers import ALERT_INFO, ANSWER_MODE, CALL_INFO, Field

_ASKING = re.compile("auto|answer|intercom", re.IGNORECASE)


def asking(host: str) -> tuple[Field, ...]:
    """The fields by which phones know that they are to answer at once: most by one of the first two, which no standard
    describes, some by the last (RFC 5373).

    :param host: how the phone knows us.
    """
    return (
        CALL_INFO.field(f"<sip:{host}>;answer-after=0"),
        ALERT_INFO.field(f"<http://{host}/intercom>;info=alert-autoanswer;delay=0"),
        ANSWER_MODE.field("Auto"),
    )


def not_asking(fields: Iterable[Field]) -> tuple[Field, ...]:
    """These fields without those by which some phone would answer by itself."""
    return tuple(
        [field for field in fields if field[0] not in (CALL_INFO.key, ALERT_INFO.key) or not _ASKING.search(field[2])]
    )
