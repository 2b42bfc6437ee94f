"""The timers of RFC 3261 Table 4, RFC 6026 and RFC 6665, in seconds, for unreliable transports.

Timers A, E and G start at T1; timers D, I, J and K are zero over reliable transports: the machines say so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

T1 = 0.5  # round-trip estimate
T2 = 4.0  # longest interval between retransmissions of a non-INVITE request or an INVITE response
T4 = 5.0  # longest time a message stays in the network

TIMER_100 = 0.2  # INVITE server: without any response by its user (RFC 3261 17.2.1)
TIMER_B = 64 * T1  # INVITE client: without any response
TIMER_D = 32.0  # INVITE client: retransmitted final responses are acknowledged
TIMER_F = 64 * T1  # non-INVITE client: without a final response
TIMER_H = 64 * T1  # INVITE server: without an ACK
TIMER_I = T4  # INVITE server: retransmitted ACKs are absorbed
TIMER_J = 64 * T1  # non-INVITE server: retransmitted requests are answered
TIMER_K = T4  # non-INVITE client: retransmitted responses are absorbed
TIMER_L = 64 * T1  # INVITE server: retransmitted INVITEs after a 2xx are absorbed (RFC 6026 7.1)
TIMER_M = 64 * T1  # INVITE client: further 2xx are passed up (RFC 6026 7.2)
TIMER_N = 64 * T1  # subscriber: without a NOTIFY (RFC 6665 4.1.2.4)


class Timer(Protocol):
    """One call that a clock will make.

    :ivar time: when, by the clock's seconds.
    """

    @property
    def time(self) -> float: ...

    def cancel(self) -> None:
        """Do not make it. Only for calls not yet made."""


class Lingering(Protocol):
    """What waits out its time: a transaction that is over but for what may still be on its way to it."""

    def expired(self) -> None:
        """The time is over."""


class Clock(Protocol):
    """The time that machines are told of: Twisted's IReactorTime, as much of it as they need."""

    def seconds(self) -> float:
        """Seconds since 1970, for how long things last: they go on evenly when the machine's clock is set."""

    def wall(self) -> float:
        """Seconds since 1970 by the machine's clock, for moments that people and other programs read."""

    def callLater(self, delay: float, callable: Callable[..., Any], *args: Any) -> Timer:
        """Call it in so many seconds."""

    def linger(self, delay: float, one: Lingering) -> Timer:
        """Let it expire in so many seconds, 5 at least, or a little later. Others may have the same timer: when it is
        cancelled, it may come all the same.
        """


NOISE = 0.5  # seconds: what is less is no setting of a clock


def drift(clock: Clock) -> float:
    """Seconds by which the machine's clock was set forward since the start: what moments by `Clock.seconds` lack that
    leave the process. 0.0 where it was not set."""
    ahead = clock.wall() - clock.seconds()
    return ahead if abs(ahead) > NOISE else 0.0


def left(timer: Timer | None, clock: Clock) -> str:
    """How long a timer still runs, as the `repr` of a machine says it; "" where none runs."""
    return "" if timer is None else f", {timer.time - clock.seconds():.1f} s left"
