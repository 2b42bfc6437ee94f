"""Each cause of `pbx.exchange.causes` in a call that ends so, with the sentence that its record says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pbx.exchange.accounts import Accounts
from pbx.exchange.causes import CAUSES
from pbx.sip.headers import REQUIRE, RETRY_AFTER, SUPPORTED
from tests.flows.causes import OUTSIDE, Office, daemons
from tests.flows.openings import consult, refer
from tests.flows.raw import DESCRIPTION
from tests.flows.trunks import ACME, BACKUP

SCENARIOS: dict[str, tuple[Callable[[Office], object], str]] = {}
SETTINGS: dict[str, dict[str, Any]] = {}


def scenario(cause: str, sentence: str, **given: Any) -> Callable[[Callable[[Office], object]], Any]:
    def take(function: Callable[[Office], object]) -> Callable[[Office], object]:
        SCENARIOS[cause] = function, sentence
        SETTINGS[cause] = given
        return function

    return take


@scenario("administrator", "the administrator ended the call of 1001 to 1002 after 8 s")
def _(office: Office) -> None:
    alice, _ = office.talks()
    from pbx.ongoing import Ongoing

    Ongoing(office.sim.exchange.switchboard).hang_up(next(iter(office.sim.exchange.switchboard.calls)))
    office.waits(alice)


@scenario("exchange-stopped", "the exchange was stopped, which ended the call of 1001 to 1002")
def _(office: Office) -> None:
    office.talks()
    office.sim.exchange.switchboard.hang_up_all()


@scenario(
    "extension-removed",
    "the call of 1001 to 1002 was ended, since the extension of one of them was removed or disabled",
)
def _(office: Office) -> None:
    office.talks()
    office.sim.exchange.end_calls = True
    office.sim.exchange.replace_accounts(Accounts([], trunks=(ACME, BACKUP)))


@scenario("time-limit", "the call was ended after 4 h, the longest that a call may last")
def _(office: Office) -> None:
    alice, _ = office.talks()
    office.waits(alice, 4 * 3600.0 + 64)


@scenario("dialplan-failed", "the dialplan failed while it dealt with 605")
def _(office: Office) -> None:
    office.waits(office.dials("605"))


@scenario(
    "ack-missing",
    "the caller's phone never acknowledged our 200: its ACK did not arrive within 32 s; check NAT at 10.0.1.1",
)
def _(office: Office) -> None:
    alice, bob = office.rings()
    office.sim.network.loses("ACK", source=alice.host, times=None)
    bob.answers()
    office.waits(bob)


@scenario(
    "callee-ack-missing", "the phone of 1002 never acknowledged our 200 to its re-INVITE; check NAT at 10.0.1.2:5060"
)
def _(office: Office) -> None:
    alice, bob = office.talks()
    office.sim.network.loses("ACK", source=bob.host, times=None)
    bob.holds()
    office.waits(alice)


@scenario(
    "prack-missing", "the caller's phone asked for reliable ringing and never acknowledged it; check NAT at 10.0.1.1"
)
def _(office: Office) -> None:
    alice, _ = office.phone("1001"), office.phone("1002")
    alice.invites("81002", more=(SUPPORTED.field("100rel"), REQUIRE.field("100rel")))
    office.sim.network.loses("PRACK", source=alice.host, times=None)
    office.waits(alice)


@scenario(
    "session-expired",
    "the phone of 1001 let the session expire after 29 min 27 s: it is gone, or can no longer be reached",
)
def _(office: Office) -> None:
    alice, bob = office.talks()
    alice.vanishes()
    office.waits(bob, 1900)
    alice.hangs_up()


@scenario(
    "call-forgotten", "the phone of sip:zoe@10.0.9.9 no longer knew the call after 8 s: it was probably started anew"
)
def _(office: Office) -> None:
    alice, zoe = office.phone("1001"), office.raw()
    alice.invites("601")
    office.sim.until(lambda: zoe.requests("INVITE"))
    zoe.answers(zoe.requests("INVITE")[0], 200, body=DESCRIPTION)
    office.sim.until(lambda: alice.talking and alice.may_offer)
    office.sim.advance(8)
    alice.holds()
    office.sim.until(lambda: len(zoe.requests("INVITE")) == 2)
    zoe.answers(zoe.requests("INVITE")[1], 481)
    office.waits(alice)


@scenario(
    "reinvite-unanswered", "the phone of 1002 did not answer when the call was to be changed or refreshed after 40 s"
)
def _(office: Office) -> None:
    alice, bob = office.talks()
    bob.vanishes()
    alice.holds()
    office.waits(alice)
    bob.hangs_up()


@scenario("caller-gave-up", "1001 gave up after 1002 had rung for 5 s")
def _(office: Office) -> None:
    alice, _ = office.rings()
    office.sim.advance(5)
    alice.hangs_up()


@scenario("caller-gave-up-early", "1001 gave up after 5 s, before 1002 began to ring")
def _(office: Office) -> None:
    office.phone("1002").vanishes()
    alice = office.dials("1002")
    office.sim.advance(5)
    alice.hangs_up()


@scenario("caller-gave-up-waiting", "1001 gave up after 5 s, while the dialplan called nobody")
def _(office: Office) -> None:
    alice = office.dials("606")
    office.sim.advance(5)
    alice.hangs_up()


@scenario("caller-hung-up", "1001 and 1002 talked for 8 s; 1001 hung up")
def _(office: Office) -> None:
    alice, _ = office.talks()
    alice.hangs_up()


@scenario("callee-hung-up", "1001 and 1002 talked for 8 s; 1002 hung up")
def _(office: Office) -> None:
    _, bob = office.talks()
    bob.hangs_up()


@scenario("one-way-audio", "one-way audio: nothing came from 1001, whose SDP said 10.0.1.1:20002, for all of 14 s")
def _(office: Office) -> None:
    alice, bob = office.talks()
    bob.says(6)
    alice.hangs_up()


@scenario(
    "sound-stopped",
    "the call of 1001 to 1002 was ended after 1 min 15 s, since no sound came any more from one of them",
    silence_ends=60,
)
def _(office: Office) -> None:
    alice, bob = office.talks()
    bob.says(1)
    office.waits(alice, within=90)


@scenario("busy", "1002 is busy")
def _(office: Office) -> None:
    office.phone("1002").busy = True
    office.waits(office.dials("1002"))


@scenario("declined", "1002 declined the call")
def _(office: Office) -> None:
    _, bob = office.rings()
    bob.declines()


@scenario("unavailable", "1002 was not available: no answer")
def _(office: Office) -> None:
    _, bob = office.rings()
    bob.declines(480)


@scenario("no-answer", "1002 did not answer for 20 s; went to voicemail 1002")
def _(office: Office) -> None:
    alice, _ = office.rings("21002")
    office.sim.advance(30)
    alice.hangs_up()


@scenario("not-registered", "1003 has no phone that is registered")
def _(office: Office) -> None:
    office.waits(office.dials("1003"))


@scenario("no-response", "nothing came back from 1002: the phone or server does not respond")
def _(office: Office) -> None:
    office.phone("1002").vanishes()
    office.waits(office.dials("81002"))


@scenario("no-progress", "+14155551234 by acme showed no sign of progress, and was given up")
def _(office: Office) -> None:
    office.acme.stalls()
    office.waits(office.dials("01" + OUTSIDE[2:]))


def _refuses(cause: str, status: int, sentence: str, **given: Any) -> None:
    def refuse(office: Office) -> None:
        office.acme.fails(status)
        office.waits(office.dials(OUTSIDE, **given))

    scenario(cause, sentence)(refuse)


_refuses("unknown-number", 404, "there is no such number as +14155551234 by acme")
_refuses("incomplete-number", 484, "the number +14155551234 by acme is incomplete or malformed")
_refuses("too-many-hops", 482, "the call went in a circle, and was stopped")
_refuses("password-wanted", 407, "+14155551234 by acme asked for a password that we do not have")
_refuses("forbidden-there", 403, "+14155551234 by acme may not be called, says the other side: Forbidden")
_refuses("overloaded-there", 503, "+14155551234 by acme is overloaded or out of order: Service Unavailable")
_refuses("failed-there", 500, "+14155551234 by acme failed: 500 Server Internal Error")
_refuses("refused-there", 420, "+14155551234 by acme refused: 420 Bad Extension")
_refuses(
    "no-codec-there", 488, "no common codec: the caller offers PCMU, PCMA, and +14155551234 by acme takes none of that"
)


@scenario("no-codec-here", "no common codec: the caller offers G729, and this exchange passes none of that")
def _(office: Office) -> None:
    office.phone("1002")
    office.waits(office.dials("1002", payload_types=(18,)))


@scenario(
    "answer-unusable",
    "1002 answered with a description that does not fit the offer: Answer has no codec in common with the offer",
)
def _(office: Office) -> None:
    office.phone("1002", payload_types=(18,))
    alice = office.dials("1002")
    office.sim.until(lambda: office.sim.phones[0].ringing)
    office.sim.phones[0].answers()
    office.waits(alice)


@scenario("callee-described-nothing", "sip:zoe@10.0.9.9 answered without a session description")
def _(office: Office) -> None:
    zoe = office.raw()
    alice = office.dials("601")
    office.sim.until(lambda: zoe.requests("INVITE"))
    zoe.answers(zoe.requests("INVITE")[0], 200)
    office.sim.until(lambda: zoe.requests("BYE"))
    zoe.answers(zoe.requests("BYE")[0], 200)
    office.waits(alice)


@scenario("no-srtp", "SRTP is required, and 1002 has no TLS", srtp="require")
def _(office: Office) -> None:
    office.phone("1002")
    office.waits(office.dials("1002", transport="TLS", srtp="required"))


@scenario("no-media-port", "no media port was left for the call of 1001 to 1002", pairs=1)
def _(office: Office) -> None:
    office.phone("1002")
    office.waits(office.dials("1002"))


@scenario("trunk-full", "trunk acme carries as many calls as it may", trunks=(replace(ACME, max_calls=1),))
def _(office: Office) -> None:
    office.acme.rings()
    bob = office.phone("1002")
    bob.invites(OUTSIDE)
    office.sim.advance(1)
    office.waits(office.dials(OUTSIDE))
    bob.hangs_up()
    office.sim.advance(1)
    office.sim.records.rows.reverse()


@scenario("no-such-trunk", "there is no trunk gone")
def _(office: Office) -> None:
    office.waits(office.dials("02" + OUTSIDE[2:]))


@scenario("resting", "+14155551234 by acme could not be tried: acme asked for a rest")
def _(office: Office) -> None:
    office.acme.fails(503, RETRY_AFTER.field(60))
    office.waits(office.dials(OUTSIDE))
    alice = office.sim.phones[-1]
    alice.invites(OUTSIDE)
    office.waits(alice)


@scenario("trunk-down", "trunk acme cannot be used: acme is disabled", trunks=(replace(ACME, enabled=False),))
def _(office: Office) -> None:
    office.waits(office.dials(OUTSIDE))


@scenario("no-way", "there is no way to sip:zoe@nowhere.example")
def _(office: Office) -> None:
    office.waits(office.dials("602"))


@scenario("class-of-service", "1001 may not call 914155551234")
def _(office: Office) -> None:
    office.waits(office.dials("914155551234"))


@scenario("no-route", "the dialplan has no route for 7777")
def _(office: Office) -> None:
    office.waits(office.dials("7777"))


@scenario("redirected", "1001 was told to call elsewhere")
def _(office: Office) -> None:
    office.waits(office.dials("604"))


@scenario("dialplan-refused", "the dialplan refused the call of 1001 to 607 with 480")
def _(office: Office) -> None:
    office.waits(office.dials("607"))


@scenario("served", "1001 was in the echo for 8 s, and hung up")
def _(office: Office) -> None:
    alice = office.dials("600")
    office.sim.advance(8)
    alice.hangs_up()


@scenario("answered-here", "1001 talked to the dialplan for 8 s, and hung up")
def _(office: Office) -> None:
    alice = office.dials("608")
    office.sim.advance(8)
    alice.hangs_up()


@scenario("served-to-the-end", "1001 was in voicemail 1002 for 19 s, until that ended")
def _(office: Office) -> None:
    office.waits(office.dials("611"))


@scenario("sound-refused", "nothing could be said to 1001, who does not agree upon G.711")
def _(office: Office) -> None:
    office.waits(office.dials("608", payload_types=(9,)))


@scenario("no-secure-way", "sip:zoe@10.0.9.9 cannot be reached over TLS, which the caller asks for")
def _(office: Office) -> None:
    alice = office.phone("1001", transport="TLS")
    office.raw()
    alice.address_of = lambda number: f"sips:{number}@10.0.0.1"  # type: ignore[method-assign]
    alice.invites("601")
    office.waits(alice)


@scenario("transferred", "the call of 1002 to 1003 was joined with another call by a transfer after 0 s")
def _(office: Office) -> None:
    alice, bob = office.talks()
    carol = office.phone("1003")
    first, second = consult(office.sim, bob, carol)
    transfer = refer(bob, first, second)
    office.sim.until(lambda: transfer.over and first.state == second.state == "over")
    office.sim.advance(16)
    alice.hangs_up()
    office.waits(carol)
    assert office.sim.records.rows[-1].sentence == "1001 and 1003 talked for 28 s; 1001 hung up"
    office.sim.records.rows.reverse()


@scenario("callee-vanished", "1002 answered, and hung up before 1001 was connected", rtpengines=daemons)
def _(office: Office) -> None:
    alice, bob = office.rings()
    office.sim.advance(4)
    bob.answers()
    office.sim.advance(0.125)
    bob.hangs_up()
    office.waits(alice)
    office.sim.advance(32)


@scenario("dialplan-ended", "the dialplan ended the call of 1001 after 30 s")
def _(office: Office) -> None:
    office.waits(office.dials("608"))


@pytest.mark.parametrize("cause", SCENARIOS)
def test_call_that_ends_so_has_this_cause_and_this_sentence(cause, logged_errors) -> None:
    happens, sentence = SCENARIOS[cause]
    office = Office(**SETTINGS[cause])
    happens(office)
    record = office.last()
    logged_errors()
    assert (record.cause, record.sentence) == (cause, sentence)


def test_every_cause_occurs() -> None:
    assert {cause.name for cause in CAUSES} == set(SCENARIOS)
