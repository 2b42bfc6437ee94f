"""Scripts of calls that somebody or something answers (`tests.flows.estate`)."""

from __future__ import annotations

from pbx.ongoing import Ongoing
from pbx.sip.headers import REPLACES
from pbx.testing.watch import Transfer
from tests.flows.estate import LIMIT, OUTSIDE, SLOWNESS, Seat, Steps
from tests.flows.openings import naming
from tests.flows.truth import Moment

OURS = "+33142255501"
REFRESH = 900.0  # seconds after which whoever is to refresh a session does so (RFC 4028 section 10)
EARLY = 32.0  # seconds by which a session is given up before it expires
ACK_PATIENCE = 32.0  # 64 * T1 (RFC 3261 13.3.1.4)


def talked(seat: Seat) -> Steps:
    alice, bob, _ = seat.phones
    truth = yield from seat.connects(alice, bob)
    yield from seat.talks(alice, bob)
    one, other = seat.chance.choice(((alice, bob), (bob, alice)))
    yield from seat.hangs_up(truth, one, other)
    truth.tried = ((bob.number, 200),)


def talked_by_rtpengine(seat: Seat) -> Steps:
    """It takes its time to say how the two are connected."""
    alice, bob, _ = seat.phones
    truth = yield from seat.rings(alice, bob)
    truth.rang.within = SLOWNESS
    yield seat.pause()
    bob.answers()
    truth.answers(bob.number)
    truth.answered.within = SLOWNESS
    yield lambda: alice.talking and bob.talking
    yield 8.0
    yield from seat.hangs_up(truth, *seat.chance.choice(((alice, bob), (bob, alice))))


def held(seat: Seat) -> Steps:
    alice, bob, _ = seat.phones
    truth = yield from seat.connects(alice, bob)
    holder, other = seat.chance.choice(((alice, bob), (bob, alice)))
    holder.holds()
    yield lambda: other.call.held and holder.may_offer
    yield 8.0
    holder.resumes()
    yield lambda: not other.call.held and holder.may_offer
    yield 4.0
    yield from seat.talks(alice, bob)
    yield from seat.hangs_up(truth, alice, bob)


def one_way(seat: Seat) -> Steps:
    alice, bob, _ = seat.phones
    truth = yield from seat.connects(alice, bob)
    bob.call.sound.says(440.0, 6)
    yield 7.0
    alice.hangs_up()
    truth.ends("one-way-audio", "caller")
    yield lambda: bob.idle


def forked(seat: Seat) -> Steps:
    """All three phones are called, and the two that are free ring."""
    alice, bob, carol = seat.phones
    truth = seat.calls(alice, "620")
    yield lambda: bob.ringing or carol.ringing
    truth.rings()
    yield lambda: bob.ringing and carol.ringing
    yield seat.pause()
    bob.answers()
    truth.answers(bob.number)
    yield lambda: alice.talking and bob.talking and carol.idle
    yield 8.0
    yield from seat.hangs_up(truth, bob, alice)


def to_the_trunk(seat: Seat) -> Steps:
    alice, gateway = seat.phones[0], seat.acme.gateway
    seat.acme.rings()
    truth = seat.calls(alice, f"00{OUTSIDE}")
    yield lambda: gateway.ringing
    truth.rings()
    yield seat.pause()
    gateway.answers()
    truth.answers(f"+{OUTSIDE}")
    yield lambda: alice.talking and gateway.talking
    yield 8.0
    yield from seat.talks(alice, gateway)
    one, other = seat.chance.choice(((alice, gateway), (gateway, alice)))
    yield from seat.hangs_up(truth, one, other)
    truth.tried = ((f"+{OUTSIDE} by {seat.acme.name}", 200),)


def from_the_trunk(seat: Seat) -> Steps:
    bob = seat.second
    if seat.stranger is None:
        truth = seat.expects(f"+1{OUTSIDE}", OURS)
        seat.stranger = seat.acme.call(f"+1{OUTSIDE}", OURS)
    else:
        truth = seat.calls(seat.stranger, OURS)
    stranger = seat.stranger
    yield lambda: bob.ringing
    truth.rings()
    yield seat.pause()
    bob.answers()
    truth.answers(bob.number)
    yield lambda: stranger.talking and bob.talking
    yield 8.0
    one, other = seat.chance.choice(((stranger, bob), (bob, stranger)))
    yield from seat.hangs_up(truth, one, other)


def sent_on(seat: Seat) -> Steps:
    alice, bob, carol = seat.phones
    truth = yield from seat.connects(alice, bob)
    transfer, sent = seat.sends_on(bob, alice, carol)
    truth.ends("transferred", "callee")
    yield lambda: carol.ringing
    sent.rings()
    yield seat.pause()
    carol.answers()
    sent.answers(carol.number)
    yield lambda: transfer.over and bob.idle
    yield 24.0
    yield from seat.talks(alice, carol)
    yield from seat.hangs_up(sent, *seat.chance.choice(((alice, carol), (carol, alice))))


def given_back(seat: Seat) -> Steps:
    alice, bob, carol = seat.phones
    carol.busy = True
    truth = yield from seat.connects(alice, bob)
    transfer, back = seat.sends_on(bob, alice, carol)
    truth.ends("transferred", "callee")
    yield lambda: transfer.over
    carol.busy = False
    assert transfer.status == 486
    back.is_answered_here()
    back.reached = bob.number
    yield 24.0
    yield from seat.talks(alice, bob)
    yield from seat.hangs_up(back, alice, bob)


def joined(seat: Seat) -> Steps:
    """Two calls overlap, in one phone; it connects the two others, and its own call is over."""
    alice, bob, carol = seat.phones
    kept = yield from seat.connects(alice, bob)
    first, bob.call = bob.call, None
    given = yield from seat.connects(bob, carol)
    second, bob.call = bob.call, first
    transfer = Transfer(bob, f"sip:{carol.number}@{seat.sim.host}{naming(second)}")
    given.ends("transferred", "caller")
    yield lambda: transfer.over and first.state == second.state == "over"
    kept.answers(carol.number)
    yield 24.0
    yield from seat.talks(alice, carol)
    yield from seat.hangs_up(kept, alice, carol)


def picked_up(seat: Seat) -> Steps:
    """Only the second extension has two phones."""
    desk, callee = seat.desk, seat.second
    caller = next(phone for phone in seat.phones if phone is not callee)
    truth = yield from seat.rings(caller, callee)
    yield 4.0
    call_id, local, remote = callee.call.session.dialog.key
    seat.calls(desk, callee.number, more=(REPLACES.field(f"{call_id};to-tag={remote};from-tag={local}"),))
    seat.truths.pop()
    truth.answers(callee.number)
    yield lambda: desk.talking and caller.talking and callee.idle
    yield 24.0
    yield from seat.talks(caller, desk)
    yield from seat.hangs_up(truth, caller, desk)


def echoed(seat: Seat) -> Steps:
    alice = seat.phones[0]
    truth = seat.calls(alice, "600")
    yield lambda: alice.talking
    truth.is_answered_here()
    yield 8.0
    alice.hangs_up()
    truth.ends("served", "caller")


def met(seat: Seat) -> Steps:
    """Two calls overlap, in one conference."""
    alice, bob, _ = seat.phones
    first = seat.calls(alice, "690")
    yield lambda: alice.talking
    first.is_answered_here()
    second = seat.calls(bob, "690")
    yield lambda: bob.talking
    second.is_answered_here()
    yield 8.0
    for truth, phone in ((first, alice), (second, bob)):
        phone.hangs_up()
        truth.ends("served", "caller")
        yield 2.0


def left_a_message(seat: Seat) -> Steps:
    """The voicemail hears nothing, and ends the call by itself."""
    alice = seat.phones[0]
    truth = seat.calls(alice, "611")
    yield lambda: alice.talking
    truth.is_answered_here()
    yield lambda: alice.idle
    truth.is_over("served-to-the-end", "plan")


def went_to_voicemail(seat: Seat) -> Steps:
    alice, bob, _ = seat.phones
    truth = yield from seat.rings(alice, bob, f"2{bob.number}")
    rang = truth.rang
    yield lambda: bob.idle
    yield lambda: alice.talking
    truth.is_answered_here()
    yield 4.0
    alice.hangs_up()
    truth.ends("no-answer", "caller", 200, (bob.number, 480))
    assert rang is truth.rang


def answered_here(seat: Seat) -> Steps:
    alice = seat.phones[0]
    truth = seat.calls(alice, "608")
    yield lambda: alice.talking
    truth.is_answered_here()
    yield 8.0
    alice.hangs_up()
    truth.ends("answered-here", "caller")


def ended_here(seat: Seat) -> Steps:
    alice = seat.phones[0]
    truth = seat.calls(alice, "608")
    yield lambda: alice.talking
    truth.is_answered_here()
    yield lambda: alice.idle
    truth.is_over("dialplan-ended", "plan")
    truth.ends_after(30.0, truth.began)


# Ended by others than the two parties, or by a timer


def administered(seat: Seat) -> Steps:
    alice, bob, _ = seat.phones
    truth = yield from seat.connects(alice, bob)
    switchboard = seat.sim.exchange.switchboard
    (call,) = [call for call in switchboard.calls.values() if call.host == alice.host]
    Ongoing(switchboard).hang_up(call.id)
    truth.ends("administrator", "administrator")
    yield lambda: alice.idle and bob.idle


def stopped(seat: Seat) -> Steps:
    alice, bob, _ = seat.phones
    truth = yield from seat.connects(alice, bob)
    seat.sim.exchange.switchboard.hang_up_all()
    truth.ends("exchange-stopped", "administrator")
    yield lambda: alice.idle and bob.idle


def removed(seat: Seat) -> Steps:
    alice, erin = seat.phones[0], seat.erin
    truth = yield from seat.connects(alice, erin)
    seat.removes(erin.number)
    truth.ends("extension-removed", "administrator")
    yield lambda: alice.idle and erin.idle
    seat.removes("")


def overdue(seat: Seat) -> Steps:
    """In the small office no call lasts longer than `LIMIT`."""
    alice, bob, _ = seat.phones
    truth = yield from seat.connects(alice, bob)
    yield LIMIT - 80
    yield lambda: alice.idle and bob.idle
    truth.ends("time-limit", "plan")
    truth.ends_after(LIMIT, truth.began)


def silent(seat: Seat) -> Steps:
    """In the watched office a phone may be silent for 60 s; it is looked at four times in that."""
    alice, bob, _ = seat.phones
    truth = yield from seat.connects(alice, bob)
    seat.sim.network.isolates(bob.host)
    yield lambda: alice.idle
    truth.is_over("sound-stopped", "exchange")
    truth.ends_after(60.0, truth.answered, 15.0)
    yield 64.0
    seat.sim.network.reconnects(bob.host)
    bob.hangs_up()


def never_acknowledged(seat: Seat) -> Steps:
    alice, bob, _ = seat.phones
    truth = yield from seat.rings(alice, bob)
    loss = seat.sim.network.loses("ACK", source=alice.host, times=None)
    bob.answers()
    truth.answers(bob.number)
    yield lambda: bob.idle
    truth.ends("ack-missing", "caller")
    truth.ends_after(ACK_PATIENCE, truth.answered)
    loss.stops()


def never_acknowledged_by_callee(seat: Seat) -> Steps:
    alice, bob, _ = seat.phones
    truth = yield from seat.connects(alice, bob)
    loss = seat.sim.network.loses("ACK", source=bob.host, times=None)
    bob.holds()
    offered = Moment(seat.now(), seat.now())
    yield lambda: alice.idle
    truth.ends("callee-ack-missing", "callee")
    truth.ends_after(ACK_PATIENCE, offered)
    loss.stops()


def caller_vanished(seat: Seat) -> Steps:
    """It is gone without a word. It should have refreshed the session itself, which expires (RFC 4028 section 10)."""
    alice, bob, _ = seat.phones
    truth = yield from seat.connects(alice, bob)
    seat.sim.network.isolates(alice.host)
    yield 2 * REFRESH - 100
    yield lambda: bob.idle
    truth.is_over("session-expired", "caller")
    truth.ends_after(2 * REFRESH - EARLY - 1, truth.answered, 1.0)
    yield 40.0
    seat.sim.network.reconnects(alice.host)
    alice.hangs_up()


def callee_vanished(seat: Seat) -> Steps:
    """It is gone without a word, and does not answer when we refresh the session."""
    alice, bob, _ = seat.phones
    truth = yield from seat.connects(alice, bob)
    seat.sim.network.isolates(bob.host)
    yield REFRESH
    yield lambda: alice.idle
    truth.is_over("reinvite-unanswered", "callee")
    truth.ends_after(REFRESH + ACK_PATIENCE - 1, truth.answered, 1.0)
    yield 40.0
    seat.sim.network.reconnects(bob.host)
    bob.hangs_up()


def vanished_while_held(seat: Seat) -> Steps:
    """A phone is gone when the other one puts it on hold."""
    alice, bob, _ = seat.phones
    truth = yield from seat.connects(alice, bob)
    gone, left, by = seat.chance.choice(((alice, bob, "caller"), (bob, alice, "callee")))
    seat.sim.network.isolates(gone.host)
    left.holds()
    offered = Moment(seat.now(), seat.now())
    yield lambda: left.idle
    truth.ends("reinvite-unanswered", by)
    truth.ends_after(ACK_PATIENCE, offered)
    yield 40.0
    seat.sim.network.reconnects(gone.host)
    gone.hangs_up()


def forgotten(seat: Seat) -> Steps:
    """A stranger was started anew during the call."""
    alice, zoe = seat.phones[0], seat.zoe
    assert zoe is not None
    zoe.takes_calls()
    truth = seat.calls(alice, "601")
    yield lambda: zoe.answered
    truth.answers(zoe.uri)
    yield lambda: alice.talking and alice.may_offer
    yield 8.0
    zoe.takes_calls(481, b"")
    alice.holds()
    truth.ends("call-forgotten", "callee")
    yield lambda: alice.idle


CONVERSATIONS = {
    "main": (
        talked, talked, talked, held, one_way, forked, to_the_trunk, from_the_trunk, sent_on, given_back, joined,
        picked_up, echoed, met, left_a_message, went_to_voicemail, answered_here, ended_here, administered, removed,
        never_acknowledged, never_acknowledged_by_callee, caller_vanished, callee_vanished, vanished_while_held,
        forgotten,
    ),
    "small": (talked, stopped, overdue),
    "slow": (talked_by_rtpengine,),
    "watched": (talked, silent),
}  # fmt: skip
