"""What is measured of RTP as it comes in: packets that are missing and interarrival jitter (RFC 3550 appendix A)."""

from __future__ import annotations

import struct

from pbx.media.rtp import Packet

_MAX_DROPOUT = 3000  # a larger step in the sequence is a new beginning
_MAX_MISORDER = 100  # a packet so much late was counted as lost
_LEAP = 10.0  # seconds: a clock that is off by more was set anew
_HALF = 0x80000000
_NONE = -1

_FIELDS = struct.Struct("!HII")


class Reception:
    """The measures of one stream.

    :ivar lost: packets that the sequence numbers of those that came show to be missing.
    :ivar jitter: interarrival jitter in seconds.
    :ivar expected: the sequence number that comes next; -1 when any may.
    :ivar ssrc: the synchronisation source.
    :ivar arrived: when the last packet came whose timestamp tells the time; 0 when none has.
    :ivar timestamp: that packet's timestamp.
    :ivar rate: that packet's clock rate in Hz.
    """

    lost = 0
    jitter = 0.0
    expected = ssrc = _NONE
    arrived = 0.0
    timestamp = rate = 0

    def restart(self) -> None:
        """Another source begins; what was measured stays."""
        self.expected = self.ssrc = _NONE
        self.arrived = 0.0
        self.timestamp = self.rate = 0

    def count(self, packet: Packet, rate: int, now: float) -> tuple[int, bool]:
        """A packet came. Returns its timestamp and whether it is a new source's.

        :param rate: its clock rate in Hz; 0 when its timestamp does not tell the time.
        :param now: seconds.
        """
        sequence, timestamp, ssrc = _FIELDS.unpack_from(packet, 2)
        new = ssrc != self.ssrc
        if new:
            self.restart()
            self.ssrc = ssrc
        if sequence == self.expected:
            self.expected = sequence + 1 & 0xFFFF
        else:
            self._skipped(sequence)
        if rate:
            if self.arrived and rate == self.rate:
                sent = (timestamp - self.timestamp + _HALF & 0xFFFFFFFF) - _HALF
                difference = abs(now - self.arrived - sent / rate)
                if difference < _LEAP:
                    self.jitter += (difference - self.jitter) / 16
            self.arrived, self.timestamp, self.rate = now, timestamp, rate
        return timestamp, new

    def _skipped(self, sequence: int) -> None:
        """The sequence number is not the one after the last (RFC 3550 appendix A.1)."""
        ahead = 0 if self.expected == _NONE else sequence - self.expected & 0xFFFF
        if ahead > 0xFFFF - _MAX_MISORDER:
            self.lost = max(0, self.lost - 1)
            return
        if ahead < _MAX_DROPOUT:
            self.lost += ahead
        self.expected = sequence + 1 & 0xFFFF
