"""Keys in RTP (RFC 4733): each packet says which key is down and for how long, and the last one comes three times.

One key is told once, with the first of its packets that comes, however many are lost, doubled or late: its timestamp,
which all of them have, is its name. Each wakes somebody, so no more are told than fingers can press.
"""

from __future__ import annotations

from pbx.media.rtp import Packet

NAMES = (*"0123456789*#ABCD", "flash")  # by event code, RFC 4733 section 3.2
NONE = -1
_END = 0x80
_LATE = 0x80000000
_MOST = 32.0  # keys that are told at once
_RATE = 20.0  # and in a second, for long
_GRACE = 160  # units of the timestamp by which a later segment may miss the end of the one before


def payload(key: str, duration: int, is_end: bool = False, volume: int = 10) -> bytes:
    """The payload of one packet of an event (RFC 4733 section 2.3).

    :param key: one of `NAMES`.
    :param duration: so far, in timestamp units, 0 to 65535.
    :param volume: in -dBm0, 0 to 63.
    """
    return bytes([NAMES.index(key), (_END if is_end else 0) | volume]) + duration.to_bytes(2, "big")


class Events:
    """The telephone events of one RTP source.

    :ivar timestamp: of the last event, of a long one its last segment; -1 before the first.
    :ivar duration: how long that lasts so far, in units of the timestamp.
    :ivar down: its code until its end is heard, then -1.
    :ivar left: how many keys may still be told, at the time `counted_at`.
    """

    left = _MOST
    counted_at = 0.0
    timestamp = down = NONE
    duration = 0

    def forget(self) -> None:
        """Another source begins."""
        self.timestamp = self.down = NONE
        self.duration = 0

    def heard(self, payload: Packet, timestamp: int, marker: bool, now: float) -> int:
        """A packet of an event came. Returns the code of the key that is pressed, an index of `NAMES`; -1 for none.

        :param payload: the packet's payload (RFC 4733 section 2.3).
        :param timestamp: the packet's.
        :param marker: whether it says that it is an event's first (RFC 4733 section 2.5.1.1).
        :param now: seconds.
        """
        if len(payload) < 4 or payload[0] >= len(NAMES):
            return NONE
        event, ended, duration = payload[0], payload[1] & _END, payload[2] << 8 | payload[3]
        told = False
        if self.timestamp != NONE:
            passed = timestamp - self.timestamp & 0xFFFFFFFF
            if passed >= _LATE:
                return NONE
            # A key that is down for long goes on in further segments, which have no marker (RFC 4733 section 2.5.1.3);
            # and some phones let the timestamp run during an event.
            told = passed == 0 or (event == self.down and not marker and passed <= self.duration + _GRACE)
        self.down = NONE if ended or (told and self.down == NONE) else event
        self.timestamp, self.duration = timestamp, duration
        return event if not told and self._may_tell(now) else NONE

    def _may_tell(self, now: float) -> bool:
        self.left = min(_MOST, self.left + max(0.0, now - self.counted_at) * _RATE)
        self.counted_at = now
        if self.left < 1:
            return False
        self.left -= 1
        return True
