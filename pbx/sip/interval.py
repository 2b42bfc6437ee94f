"""How long a peer's soft state lasts: a subscription (RFC 6665 4.2.1.1), a publication (RFC 3903 6)."""

from __future__ import annotations

from dataclasses import dataclass

from pbx.sip.errors import Refused
from pbx.sip.headers import EXPIRES, MIN_EXPIRES
from pbx.sip.message import Request

_HOUR = 3600  # seconds; only shorter intervals may be refused (RFC 6665 4.2.1.1)


@dataclass(frozen=True, slots=True)
class Interval:
    """What may be asked for, in seconds.

    :param shortest: a shorter one is refused.
    :param longest: a longer one is shortened.
    :param default: what those get who ask for none.
    """

    shortest: int = 60
    longest: int = 7200
    default: int = 3600

    def chosen(self, request: Request) -> int:
        """The seconds that a request gets; 0 for those that end what there is.

        :raises Refused: 423 with Min-Expires when it asks for too little.
        :raises Malformed: 400 when Expires is malformed.
        """
        asked = request.one(EXPIRES)
        if asked is None:
            asked = self.default
        if 0 < asked < min(self.shortest, _HOUR):
            raise Refused(423, MIN_EXPIRES.field(self.shortest))
        return min(asked, self.longest)
