"""Calls whose sound rtpengine forwards: while it is asked, anything may happen, and it may answer anything."""

from __future__ import annotations

import pytest

from pbx.media.ng import PING, RESENDS, Instances
from pbx.sip import sdp
from pbx.testing.clock import VirtualClock
from pbx.testing.exchange import SimulatedExchange
from pbx.testing.phone import Phone
from tests.flows.office import ACCOUNTS, plan
from tests.flows.test_hold import DIALECTS, holds
from tests.media.daemon import HOST, Daemon, Daemons


class Office:
    """An exchange with scripted instances of rtpengine."""

    def __init__(self, count: int = 1) -> None:
        self.sim = SimulatedExchange(plan, ACCOUNTS, rtpengines=lambda network, clock: self._make(clock, count))

    def _make(self, clock: VirtualClock, count: int) -> Instances:
        self.daemons = Daemons(clock, count)
        return self.daemons.instances

    @property
    def daemon(self) -> Daemon:
        return self.daemons.all[0]

    def phones(self) -> tuple[Phone, Phone]:
        return self.sim.phone("1001"), self.sim.phone("1002")

    def call(self, alice: Phone, bob: Phone, number: str = "1002") -> None:
        alice.invites(number)
        self.sim.until(lambda: bob.ringing)
        bob.answers()
        self.sim.until(lambda: alice.talking and bob.talking)
        self.sim.advance(2)

    def over(self, alice: Phone, bob: Phone) -> None:
        alice.hangs_up()
        self.sim.until(lambda: bob.idle)
        self.settled()

    def settled(self) -> None:
        self.sim.advance(sum(RESENDS) + 4)
        assert all(not daemon.calls for daemon in self.daemons.all if daemon.mode == "fine")
        self.sim.assert_idle()


def target(phone: Phone) -> tuple[str, int]:
    assert phone.call is not None and phone.call.sound.target is not None
    return phone.call.sound.target[:2]


@pytest.mark.parametrize("delay", [0.0, 0.3, 1.5])
def test_both_phones_send_to_rtpengine_and_it_to_them(delay: float) -> None:
    office = Office()
    office.daemon.delay = delay
    alice, bob = office.phones()
    office.call(alice, bob)
    assert target(alice)[0] == target(bob)[0] == HOST
    assert office.sim.exchange.relay.ports_in_use == 0
    offer, answer = office.daemon.asked("offer")[0], office.daemon.asked("answer")[0]
    for command, phone in ((offer, alice), (answer, bob)):
        described = sdp.parse(command["sdp"].encode())
        (media,) = described.media
        assert phone.call is not None and (described.host(media), media.port) == (phone.host, phone.call.sound.port)
    office.over(alice, bob)
    assert len(office.daemon.asked("delete")) >= 1


@pytest.mark.parametrize("delay", [0.0, 0.4])
def test_what_rtpengine_knows_of_a_call_is_in_its_record(delay: float) -> None:
    """It is asked before it is told to forget the call."""
    office = Office()
    office.daemon.delay, office.daemon.packets, office.daemon.lost = delay, 250, (5, 8)
    alice, bob = office.phones()
    office.call(alice, bob)
    assert alice.call is not None and bob.call is not None
    places = [f"{phone.host}:{phone.call.sound.port}" for phone in (alice, bob)]  # type: ignore[union-attr]
    office.over(alice, bob)
    (record,) = office.sim.records.rows
    sounds = (record.from_caller, record.from_callee)
    assert [(sound.packets, sound.lost, sound.jitter, sound.signalled, sound.source) for sound in sounds] == [
        (250, 5, 0.008, place, place) for place in places
    ]
    assert record.codec == "PCMU" and all(3.5 < (sound.opinion or 0) < 4.4 for sound in sounds)
    assert office.daemon.commands[-1]["command"] == "delete"


def test_call_whose_rtpengine_dies_has_a_record_that_tells_nothing_of_its_sound() -> None:
    office = Office()
    alice, bob = office.phones()
    office.call(alice, bob)
    office.daemon.mode = "silent"
    office.over(alice, bob)
    (record,) = office.sim.records.rows
    assert (record.cause, record.from_caller.packets, record.from_caller.source) == ("caller-hung-up", 0, "")


@pytest.mark.parametrize("delay", [0.0, 0.4])
def test_hold_resume_and_an_offer_asked_for(delay: float) -> None:
    office = Office()
    alice, bob = office.phones()
    office.call(alice, bob)
    office.daemon.delay = delay
    alice.holds()
    office.sim.advance(3)
    assert bob.call is not None and bob.call.held
    alice.resumes()
    office.sim.advance(3)
    assert not bob.call.held
    bob.asks_for_an_offer()
    office.sim.advance(4)
    assert alice.talking and bob.talking and target(alice)[0] == target(bob)[0] == HOST
    office.over(alice, bob)


@pytest.mark.parametrize("delay", [0.0, 0.4])
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("holder", ["caller", "callee"])
def test_who_is_on_hold_hears_music_of_ours_and_is_back_at_rtpengine_afterwards(
    holder: str, dialect: str, delay: float
) -> None:
    office = Office()
    office.daemon.delay, office.daemon.packets = delay, 100
    alice, bob = office.phones()
    office.call(alice, bob)
    office.sim.advance(3)
    one, other = (alice, bob) if holder == "caller" else (bob, alice)
    for _ in range(2):
        holds(one, dialect)
        office.sim.until(lambda: other.call.held and one.may_offer)  # type: ignore[union-attr]
        assert other.hears(office.sim.library.prompt("music/hold"), within=60)
        assert target(alice)[0] != HOST and target(bob)[0] != HOST
        office.sim.advance(1)
        assert not office.daemon.calls
        one.resumes()
        office.sim.until(lambda: not other.call.held and one.may_offer and other.may_offer)  # type: ignore[union-attr]
        office.sim.advance(2)
        assert target(alice)[0] == target(bob)[0] == HOST
        assert office.sim.exchange.relay.ports_in_use == 0
    office.over(alice, bob)
    (record,) = office.sim.records.rows
    assert record.from_caller.packets >= 300 and record.from_callee.packets >= 300  # three times at rtpengine


def test_both_hold_each_other_and_both_resume() -> None:
    office = Office()
    alice, bob = office.phones()
    office.call(alice, bob)
    office.sim.advance(3)
    for step, music_for in ((bob.holds, alice), (alice.holds, None), (bob.resumes, bob), (alice.resumes, None)):
        step()
        office.sim.advance(8)
        if music_for is not None:
            assert music_for.hears(office.sim.library.prompt("music/hold"), within=60)
    assert target(alice)[0] == target(bob)[0] == HOST and office.sim.exchange.relay.ports_in_use == 0
    office.over(alice, bob)


@pytest.mark.parametrize("delay", [0.0, 0.4])
def test_caller_goes_from_us_to_rtpengine(delay: float) -> None:
    """Answered by us, it hears us; then it is offered where the callee is heard."""
    office = Office()
    office.daemon.delay = delay
    alice, bob = office.phones()
    office.call(alice, bob, "91002")
    office.sim.advance(3)
    assert target(alice)[0] == target(bob)[0] == HOST
    assert office.sim.exchange.relay.ports_in_use == 0
    office.over(alice, bob)


def test_where_we_are_the_other_end_rtpengine_is_not_asked() -> None:
    office = Office()
    alice = office.sim.phone("1001")
    alice.invites("600")
    office.sim.until(lambda: alice.talking)
    alice.says(0.5, 440.0)
    office.sim.advance(0.5)
    assert alice.call is not None and alice.call.sound.hears(440.0) and not office.daemon.commands
    alice.hangs_up()
    office.settled()


def test_srtp_is_ours() -> None:
    office = Office()
    alice, bob = office.sim.phone("1001", transport="TLS", srtp="required"), office.sim.phone("1002")
    office.call(alice, bob)
    assert office.sim.talk(alice, bob) and not office.daemon.commands
    office.over(alice, bob)


@pytest.mark.parametrize("when", [0.1, 0.6, 1.1, 1.6, 2.1, 2.6, 3.1])
@pytest.mark.parametrize("who", ["caller", "callee"])
def test_call_that_ends_while_rtpengine_is_asked(when: float, who: str) -> None:
    office = Office()
    office.daemon.delay = 1.0
    alice, bob = office.phones()
    alice.invites("1002")
    spent = 0.0
    while spent < when:
        office.sim.advance(0.125)
        spent += 0.125
        if bob.ringing:
            bob.answers()
    if who == "callee" and not bob.idle:
        bob.hangs_up()
    else:
        alice.hangs_up()
    office.sim.until(lambda: alice.idle and bob.idle)
    office.settled()


def test_silent_instance_is_left_for_the_next_and_taken_again_when_it_answers() -> None:
    office = Office(2)
    first, second = office.daemons.all
    office.daemons.instances.start()
    first.mode = "silent"
    alice, bob = office.phones()
    office.call(alice, bob)
    assert second.calls and not office.daemons.instances.all[0].alive
    asked = [command for command in first.commands if command["command"] == "offer"]
    assert len({command["call-id"] for command in asked}) <= 1  # repeated under one cookie
    office.sim.advance(0.5)
    alice.hangs_up()
    office.sim.until(lambda: bob.idle)
    before = len(first.asked("offer"))
    office.call(alice, bob)
    assert len(first.asked("offer")) == before
    first.mode = "fine"
    office.sim.advance(2 * PING)
    assert office.daemons.instances.all[0].alive
    alice.hangs_up()
    office.sim.until(lambda: bob.idle)
    office.daemons.instances.stop()
    office.settled()


def test_call_whose_instance_dies_moves_to_another_with_its_next_offer() -> None:
    office = Office(2)
    alice, bob = office.phones()
    office.call(alice, bob)
    old = next(daemon for daemon in office.daemons.all if daemon.calls)
    new = next(daemon for daemon in office.daemons.all if daemon is not old)
    old.mode = "silent"
    alice.holds()
    office.sim.advance(2)
    assert bob.call is not None and bob.call.held and alice.talking
    alice.resumes()
    office.sim.advance(sum(RESENDS) + 2)
    assert new.calls and not bob.call.held and alice.talking
    office.over(alice, bob)


NONSENSE = [
    b"", b"{", b"[]", b"null", b"[" * 100_000, b'{"result": 7}', b'{"result": "ok"}', b'{"result": "ok", "sdp": 5}',
    b'{"result": "ok", "sdp": "v=0"}', b'{"result": "ok", "sdp": "v=0\\r\\no=- 1 1 IN IP4 1.2.3.4\\r\\ns=-\\r\\n"}',
    b'{"result": "error", "error-reason": "no"}', b'{"result": "load limit"}', b'{"result": "ok", "sdp": "\\ud800"}',
    b'{"result": "ok", "sdp": "v=0\\r\\no=- 1 1 IN IP4 x\\r\\nc=IN IP4 x\\r\\nm=audio 9 RTP/AVP 0\\r\\n"}',
]  # fmt: skip


@pytest.mark.parametrize("mode", ["silent", *NONSENSE])
def test_without_a_sensible_answer_the_caller_gets_503_and_other_calls_go_on(mode: str | bytes) -> None:
    office = Office()
    carol, dave = office.sim.phone("1003"), office.sim.phone("1004")
    office.call(carol, dave, "1004")
    office.daemon.mode = mode
    alice, bob = office.phones()
    alice.invites("1002")
    office.sim.until(lambda: alice.idle)
    assert alice.call is not None and alice.call.status == 503 and bob.idle
    assert carol.talking and dave.talking
    office.daemon.mode = "fine"
    office.daemons.instances.start()
    office.sim.advance(PING)
    office.daemons.instances.stop()
    office.call(alice, bob)
    carol.hangs_up()
    office.sim.until(lambda: dave.idle)
    office.over(alice, bob)


def test_what_nobody_asked_for_or_comes_from_elsewhere_is_dropped() -> None:
    office = Office()
    office.daemon.delay = 0.5
    alice, bob = office.phones()
    alice.invites("1002")
    office.sim.advance(0.25)
    instances = office.daemons.instances
    (cookie,) = instances._questions
    for datagram, source in (
        (cookie + b' {"result": "error"}', ("10.0.6.6", 2223)),
        (b'nobody {"result": "error"}', ("10.0.7.7", 2223)),
        (b"", ("10.0.7.7", 2223)),
        (cookie, ("10.0.7.7", 2223)),
        (bytes(range(256)), ("10.0.7.7", 2223)),
    ):
        instances.received(datagram, source)
    office.sim.until(lambda: bob.ringing)
    bob.answers()
    office.sim.until(lambda: alice.talking)
    office.over(alice, bob)


# Keys by INFO


def test_call_of_a_phone_without_telephone_event_is_ours_and_converted() -> None:
    office = Office()
    alice, bob = office.phones()
    alice.has_events = False
    office.call(alice, bob)
    for _ in range(2):
        alice.presses("5", "INFO")
        bob.presses("7")
        office.sim.advance(1)
        bob.holds()
        office.sim.advance(2)
        bob.resumes()
        office.sim.advance(2)
    assert bob.call is not None and (bob.call.sound.keys, bob.told) == ("55", [])
    assert alice.told == [("INFO", b"Signal=7\r\nDuration=100\r\n")] * 2
    assert office.daemon.asked("offer") == []
    office.over(alice, bob)


@pytest.mark.parametrize("has_events", [True, False])
def test_at_rtpengine_a_key_by_info_goes_on_as_it_is(has_events: bool) -> None:
    office = Office()
    alice, bob = office.phones()
    bob.has_events = has_events
    office.call(alice, bob)
    alice.presses("5", "INFO")
    assert bob.told == [("INFO", b"Signal=5\r\nDuration=100\r\n")]
    office.over(alice, bob)
