"""Scripts of calls that nobody answers, or that fail as soon as somebody does (`tests.flows.estate`)."""

from __future__ import annotations

from collections.abc import Callable

from pbx.sip.headers import REQUIRE, RETRY_AFTER, SUPPORTED
from tests.flows.estate import OUTSIDE, SLOWNESS, Script, Seat, Steps

PRACK_PATIENCE = 32.0  # 64 * T1 (RFC 3262 section 3)
TRANSACTION = 32.0  # 64 * T1: timer B
RING = 40.0  # seconds that the dialplan rings


def gave_up(seat: Seat) -> Steps:
    alice, bob, _ = seat.phones
    truth = yield from seat.rings(alice, bob)
    yield 8.0
    alice.hangs_up()
    truth.ends("caller-gave-up", "caller", 487)
    yield lambda: bob.idle


def gave_up_early(seat: Seat) -> Steps:
    """The callee's phone has lost the network."""
    alice, bob, _ = seat.phones
    seat.sim.network.isolates(bob.host)
    truth = seat.calls(alice, bob.number)
    yield 5.0
    alice.hangs_up()
    truth.ends("caller-gave-up-early", "caller", 487)
    yield TRANSACTION + 8
    seat.sim.network.reconnects(bob.host)


def gave_up_waiting(seat: Seat) -> Steps:
    alice = seat.phones[0]
    truth = seat.calls(alice, "606")
    yield 10.0
    alice.hangs_up()
    truth.ends("caller-gave-up-waiting", "caller", 487)


def busy(seat: Seat) -> Steps:
    alice, bob, _ = seat.phones
    bob.busy = True
    truth = seat.calls(alice, bob.number)
    yield lambda: alice.idle
    bob.busy = False
    assert alice.call.status == 486
    truth.is_over("busy", "plan", 486, (bob.number, 486))


def declined(seat: Seat) -> Steps:
    alice, bob, _ = seat.phones
    truth = yield from seat.rings(alice, bob)
    yield seat.pause()
    bob.declines()
    truth.ends("declined", "plan", 603, (bob.number, 603))
    yield lambda: alice.idle
    assert alice.call.status == 603


def unavailable(seat: Seat) -> Steps:
    alice, bob, _ = seat.phones
    truth = yield from seat.rings(alice, bob)
    yield seat.pause()
    bob.declines(480)
    truth.ends("unavailable", "plan", 480, (bob.number, 480))
    yield lambda: alice.idle


def not_answered(seat: Seat) -> Steps:
    alice, bob, _ = seat.phones
    truth = yield from seat.rings(alice, bob)
    yield lambda: alice.idle
    assert alice.call.status == 480
    truth.is_over("no-answer", "plan", 480, (bob.number, 480))
    truth.ends_after(RING, truth.began)


def no_response(seat: Seat) -> Steps:
    alice, bob, _ = seat.phones
    seat.sim.network.isolates(bob.host)
    truth = seat.calls(alice, bob.number)
    yield lambda: alice.idle
    assert alice.call.status == 408
    truth.is_over("no-response", "plan", 408, (bob.number, 408))
    truth.ends_after(TRANSACTION, truth.began)
    seat.sim.network.reconnects(bob.host)


def not_registered(seat: Seat) -> Steps:
    alice = seat.phones[0]
    truth = seat.calls(alice, seat.dave)
    yield lambda: alice.idle
    assert alice.call.status == 480
    truth.is_over("not-registered", "plan", 480, (seat.dave, 480))


def never_acknowledged_ringing(seat: Seat) -> Steps:
    """The caller asks for reliable provisional responses (RFC 3262), and its PRACKs do not arrive."""
    alice, bob, _ = seat.phones
    loss = seat.sim.network.loses("PRACK", source=alice.host, times=None)
    more = (SUPPORTED.field("100rel"), REQUIRE.field("100rel"))
    truth = yield from seat.rings(alice, bob, more=more)
    yield lambda: alice.idle and bob.idle
    truth.is_over("prack-missing", "caller", 500)
    truth.ends_after(PRACK_PATIENCE, truth.rang)
    loss.stops()


def _fails(number: str, cause: str, code: int) -> Script:
    """A number that the dialplan knows what to do with: it ends so at once."""

    def script(seat: Seat) -> Steps:
        alice = seat.phones[0]
        truth = seat.calls(alice, number)
        yield lambda: alice.idle
        truth.is_over(cause, "plan", code)
        assert alice.call.status == code

    script.__name__ = cause
    return script


def dialplan_failed(seat: Seat) -> Steps:
    alice = seat.phones[0]
    truth = seat.calls(alice, "605")
    yield lambda: alice.idle
    truth.is_over("dialplan-failed", "plan", 500)


# What codecs there are


def _speaks(payload_type: int, number: str, cause: str, code: int, by: str = "plan") -> Script:
    """The caller speaks one codec only."""

    def script(seat: Seat) -> Steps:
        alice, bob, _ = seat.phones
        alice.payload_types = (payload_type,)
        truth = seat.calls(alice, number or bob.number)
        yield lambda: alice.idle
        alice.payload_types = (0, 8)
        truth.is_over(cause, by, code)

    script.__name__ = cause
    return script


def answer_unusable(seat: Seat) -> Steps:
    alice, bob, _ = seat.phones
    bob.payload_types = (18,)
    truth = yield from seat.rings(alice, bob)
    bob.answers()
    yield lambda: alice.idle and bob.idle
    bob.payload_types = (0, 8)
    truth.reached = bob.number
    truth.is_over("answer-unusable", "plan", 488)


def described_nothing(seat: Seat) -> Steps:
    alice, zoe = seat.phones[0], seat.zoe
    assert zoe is not None
    zoe.takes_calls(200, b"")
    truth = seat.calls(alice, "601")
    yield lambda: zoe.answered
    truth.reached = zoe.uri
    truth.rings()
    yield lambda: alice.idle
    truth.is_over("callee-described-nothing", "plan", 488)


# What trunks answer


def _refuses(status: int, cause: str, code: int, by_trunk: int = 0) -> Script:
    def script(seat: Seat) -> Steps:
        alice = seat.phones[0]
        seat.acme.fails(status)
        truth = seat.calls(alice, f"00{OUTSIDE}")
        yield lambda: alice.idle
        assert alice.call.status == code
        truth.is_over(cause, "plan", code, (f"+{OUTSIDE} by {seat.acme.name}", status))

    script.__name__ = cause
    return script


def no_progress(seat: Seat) -> Steps:
    alice = seat.phones[0]
    seat.acme.stalls()
    truth = seat.calls(alice, f"01{OUTSIDE}")
    yield lambda: alice.idle
    truth.is_over("no-progress", "plan", 408)
    truth.ends_after(6.0, truth.began)
    yield lambda: seat.acme.gateway.idle


def resting(seat: Seat) -> Steps:
    """The first call is told that the trunk wants a rest, the second one is not even tried."""
    alice = seat.phones[0]
    seat.acme.fails(503, RETRY_AFTER.field(60))
    truth = seat.calls(alice, f"00{OUTSIDE}")
    yield lambda: alice.idle
    truth.is_over("overloaded-there", "plan", 500)
    yield 1.0
    truth = seat.calls(alice, f"00{OUTSIDE}")
    yield lambda: alice.idle
    truth.is_over("resting", "plan", 500, (f"+{OUTSIDE} by {seat.acme.name}", 503))
    yield 64.0


def trunk_full(seat: Seat) -> Steps:
    """The trunk carries one call at once, which another phone has."""
    alice, bob, _ = seat.phones
    gateway = seat.small.gateway
    seat.small.rings()
    first = seat.calls(bob, f"03{OUTSIDE}")
    yield lambda: gateway.ringing
    first.rings()
    yield 8.0
    second = seat.calls(alice, f"03{OUTSIDE}")
    yield lambda: alice.idle
    second.is_over("trunk-full", "plan", 500, (f"+{OUTSIDE} by {seat.small.name}", 503))
    bob.hangs_up()
    first.ends("caller-gave-up", "caller", 487)
    yield lambda: gateway.idle and bob.idle


# In offices of their own


def no_media_port(seat: Seat) -> Steps:
    """One call has all ports that there are."""
    alice, bob, carol = seat.phones
    first = yield from seat.connects(alice, bob)
    second = seat.calls(carol, seat.erin.number)
    yield lambda: carol.idle
    second.is_over("no-media-port", "exchange", 503)
    yield from seat.hangs_up(first, alice, bob)


def no_srtp(seat: Seat) -> Steps:
    """The callee's phone has no TLS."""
    alice = seat.phones[0]
    truth = seat.calls(alice, seat.erin.number)
    yield lambda: alice.idle
    truth.is_over("no-srtp", "plan", 488)


def no_secure_way(seat: Seat) -> Steps:
    alice = seat.phones[0]
    alice.address_of = lambda number: f"sips:{number}@{seat.sim.host}"  # type: ignore[method-assign]
    truth = seat.calls(alice, "601")
    yield lambda: alice.idle
    del alice.address_of
    truth.is_over("no-secure-way", "plan", 480)


def left_before_the_caller_was_connected(seat: Seat) -> Steps:
    """rtpengine takes its time to answer; the callee does not wait for that."""
    alice, bob, _ = seat.phones
    truth = yield from seat.rings(alice, bob)
    yield 4.0
    bob.answers()
    truth.answers(bob.number)
    truth.answered.within = SLOWNESS
    yield 0.125
    bob.hangs_up()
    yield lambda: alice.idle
    if alice.call.status == 480:
        truth.answered = None
        truth.is_over("callee-vanished", "callee", 480)
    else:  # its BYE was lost twice
        truth.is_over("callee-hung-up", "callee")
    yield 32.0


_AT_ONCE = (
    ("7777", "no-route", 404), ("607", "dialplan-refused", 603), ("604", "redirected", 302), ("602", "no-way", 408),
    (f"02{OUTSIDE}", "no-such-trunk", 500), (f"04{OUTSIDE}", "trunk-down", 500),
    (f"9{OUTSIDE}", "class-of-service", 403),
)  # fmt: skip
_REFUSALS = (
    (404, "unknown-number", 404), (484, "incomplete-number", 484), (482, "too-many-hops", 482),
    (407, "password-wanted", 500), (403, "forbidden-there", 403), (503, "overloaded-there", 500),
    (500, "failed-there", 500), (420, "refused-there", 420), (488, "no-codec-there", 488),
)  # fmt: skip

FAILURES: dict[str, tuple[Callable[[Seat], Steps], ...]] = {
    "main": (
        gave_up, gave_up_early, gave_up_waiting, busy, declined, unavailable, not_answered, no_response, not_registered,
        never_acknowledged_ringing, dialplan_failed, answer_unusable, described_nothing, no_progress, resting,
        trunk_full,
        *(_fails(*one) for one in _AT_ONCE),
        *(_refuses(*one) for one in _REFUSALS),
        _speaks(18, "", "no-codec-here", 488), _speaks(9, "608", "sound-refused", 488, "exchange"),
    ),
    "small": (no_media_port,),
    "strict": (no_srtp, no_secure_way),
    "slow": (left_before_the_caller_was_connected,),
    "watched": (gave_up,),
}  # fmt: skip
