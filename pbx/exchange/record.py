"""Records: what is kept of a call, and of each attempt to reach somebody for it. Their fields are the columns of the
tables `calls` and `attempts` (docs/operating lists them).

Moments are seconds since 1970; None where what they tell of did not happen.
"""

from __future__ import annotations

from dataclasses import dataclass, field

MOMENTS = ("began_at", "rang_at", "answered_at", "ended_at", "latched_at")


@dataclass(slots=True)
class AttemptRecord:
    """One try at one callee; also at one that could not be rung, or has joined the call without that.

    :param call: the call's id.
    :param place: which of its attempts it is, from 1.
    :param target: whom it was for, as the dialplan names it.
    :param number: the extension, or the number that was called outside.
    :param trunk: the trunk that it went over; "" for none.
    :param address: where the INVITE went, "" where it went nowhere.
    :param code: the final status; 480 where it did not answer in time, 487 where we gave it up before.
    :param text: the same in words.
    """

    call: str
    place: int
    target: str
    number: str
    trunk: str
    address: str
    began_at: float
    rang_at: float | None = None
    answered_at: float | None = None
    ended_at: float | None = None
    code: int = 0
    text: str = ""


@dataclass(slots=True)
class Sound:
    """What one party sent, as it came to us.

    :param packets: of RTP.
    :param lost: packets that the sequence numbers show to be missing.
    :param jitter: seconds (RFC 3550 6.4.1).
    :param opinion: the mean opinion score, see `pbx.media.quality`; None where nothing came.
    :param signalled: where its SDP said that it receives RTP, as host:port.
    :param source: where its RTP came from, as host:port.
    :param latched_at: when we settled on that address; None where nothing came, or another process has the sound.
    """

    packets: int = 0
    lost: int = 0
    jitter: float = 0.0
    opinion: float | None = None
    signalled: str = ""
    source: str = ""
    latched_at: float | None = None


@dataclass(slots=True)
class CallRecord:
    """One call.

    :param id: as logs name it.
    :param source: "internal", "inbound" or "anonymous".
    :param caller: the number of who called; "" where that is withheld.
    :param caller_name: its name, likewise.
    :param address: the address that it came from.
    :param dialled: the number that was dialled.
    :param reached: who answered; "" for nobody.
    :param trunk_in: the trunk by which it came; "" for none.
    :param transferred: who was at the caller's end last, where that was another: whom the caller has transferred, and
        who talks in its name; "" for nobody.
    :param trunk_out: the trunk by which whoever answered was reached, or by which it was tried last; "" for none.
    :param place: where in the exchange the caller was last, such as "voicemail 1002"; "" for nowhere.
    :param codec: of its audio, as SDP calls it; "" where none was agreed upon.
    :param code: the final status that the caller was given.
    :param cause: why it ended so, a name in `pbx.exchange.causes`.
    :param sentence: the same in words.
    :param ended_by: "caller", "callee", "plan", "administrator" or "exchange".
    :param caller_held: seconds for which the caller's end had the callee on hold.
    :param callee_held: seconds for which the callee had the caller's end on hold.
    :param from_caller: the sound that came from the caller.
    :param from_callee: the sound that came from who answered last.
    """

    id: str
    source: str
    caller: str
    caller_name: str
    address: str
    dialled: str
    began_at: float
    trunk_in: str = ""
    transferred: str = ""
    reached: str = ""
    trunk_out: str = ""
    place: str = ""
    rang_at: float | None = None
    answered_at: float | None = None
    ended_at: float | None = None
    codec: str = ""
    code: int = 0
    cause: str = ""
    sentence: str = ""
    ended_by: str = ""
    caller_held: float = 0.0
    callee_held: float = 0.0
    from_caller: Sound = field(default_factory=Sound)
    from_callee: Sound = field(default_factory=Sound)
    attempts: list[AttemptRecord] = field(default_factory=list)

    def move(self, seconds: float) -> None:
        """Move all its moments: the clock by which they were taken is not the machine's any more."""
        for part in (self, *self.attempts, self.from_caller, self.from_callee):
            for name in MOMENTS:
                moment = getattr(part, name, None)
                if moment is not None:
                    setattr(part, name, moment + seconds)

    @property
    def trunk(self) -> str:
        """The trunk that it has to do with, the way out before the way in; "" for none."""
        return self.trunk_out or self.trunk_in

    @property
    def post_dial_delay(self) -> float | None:
        """Seconds from the INVITE to the first sign of progress; None where there was none."""
        return None if self.rang_at is None else self.rang_at - self.began_at
