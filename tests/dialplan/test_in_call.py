"""What those who talk do meanwhile: by keys they consult a colleague or transfer the other; or a phone transfers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import LogEvent

from pbx.dialplan import Answered, Busy, Call, NoAnswer, Plan, Transfer, Unreachable, ext, prompt
from pbx.faults import Fault
from pbx.media.clip import Clip
from pbx.media.g711 import ULAW
from pbx.media.library import Library
from pbx.sip.headers import REPLACES
from pbx.testing import Sim
from pbx.testing.watch import Transfer as Refer

plan = Plan()


@plan.internal("<number:1XX>")
async def extension(call: Call, number: str) -> None:
    await call.dial(ext(number), timeout=25)


@plan.internal("8<number:1XX>")
async def as_a_leg(call: Call, number: str) -> None:
    match await call.ring(ext(number), timeout=25):
        case Answered(leg=colleague):
            await call.bridge(colleague)


@plan.in_call("*2<number:1XX>")
async def consult(call: Call, number: str) -> None:
    async with call.peer.on_hold():
        match await call.ring(ext(number), timeout=25):
            case Answered(leg=colleague):
                if await call.talk(colleague, until=("*1", "*3")) == "*1":
                    await call.peer.join(colleague)
            case Busy() | NoAnswer() | Unreachable():
                await call.play(prompt("not-available"))


@plan.in_call("#1<number:1XX>")
async def send(call: Call, number: str) -> None:
    if not await call.transfer(number):
        await call.play(prompt("not-available"))


@plan.on_transfer
async def may_transfer(transfer: Transfer) -> bool:
    if transfer.target.number == "105":
        await Deferred()
    return transfer.target.is_internal and transfer.target.number != "104"


@pytest.fixture
def sim() -> Sim:
    return Sim(plan)


def test_a_sequence_is_checked_when_the_file_is_loaded() -> None:
    with pytest.raises(Fault, match="does not fit its pattern"):

        @Plan().in_call("*2<number:1XX>")
        async def without(call: Call) -> None: ...


def test_keys_by_info_count_and_strangers_press_to_no_effect(sim: Sim) -> None:
    a, b, c = sim.phone("101"), sim.phone("102"), sim.phone("103")
    a.dials("102")
    b.answer()
    a.phone.presses("*2103", form="INFO")
    sim.settle()
    assert c.ringing
    a.hang_up()
    sim.advance(2)
    sim.assert_idle()


def test_a_callee_consults_a_colleague_and_connects_the_caller(sim: Sim) -> None:
    a, b, c = sim.phone("101"), sim.phone("102"), sim.phone("103")
    a.dials("102")
    b.answer()
    assert a.talks_to(b)
    b.presses("*2103")
    assert c.ringing
    assert c.display == "Phone 102"
    c.answer()
    sim.advance(2)
    assert b.talks_to(c)
    b.presses("*1")
    sim.advance(2)
    assert b.idle
    assert a.talks_to(c)
    c.hang_up()
    assert a.idle
    sim.assert_idle()


def consulting(sim: Sim, caller: str = "101", callee: str = "102", presser: str = "102") -> None:
    """Let one of two who talk ring 103."""
    for number in ("101", "102", "103"):
        sim.phone(number)
    sim.phone(caller).dials(callee)
    sim.phone(callee).answer()
    sim.phone(presser).presses("*2103")
    assert sim.phone("103").ringing


def second_of(name: str) -> Clip:
    """The first second of a sound."""
    return Clip(b"".join(Library().prompt(name).frames(ULAW)[:50]))


def test_who_waits_hears_music_and_who_asks_hears_it_ring(sim: Sim) -> None:
    consulting(sim)
    a, b = sim.phone("101"), sim.phone("102")
    assert a.hears(second_of("music/hold"))
    assert b.hears(sim.exchange.library.tone("ringback"))


@pytest.mark.parametrize("presser", ["101", "102"])
def test_who_has_consulted_goes_back(sim: Sim, presser: str) -> None:
    consulting(sim, presser=presser)
    a, b, c = sim.phone("101"), sim.phone("102"), sim.phone("103")
    c.answer()
    sim.phone(presser).presses("*3")
    sim.advance(2)
    assert c.idle
    assert a.talks_to(b)
    a.hang_up()
    assert b.idle
    sim.assert_idle()


@pytest.mark.parametrize("presser", ["101", "102"])
def test_who_consults_leaves_the_two_to_each_other(sim: Sim, presser: str) -> None:
    consulting(sim, presser=presser)
    a, b, c = sim.phone("101"), sim.phone("102"), sim.phone("103")
    other = b if presser == "101" else a
    c.answer()
    sim.advance(2)
    sim.phone(presser).hang_up()
    sim.advance(2)
    assert other.talks_to(c)
    other.hang_up()
    assert a.idle and b.idle and c.idle
    sim.assert_idle()


@pytest.mark.parametrize("presser", ["101", "102"])
def test_the_colleague_leaves(sim: Sim, presser: str) -> None:
    consulting(sim, presser=presser)
    a, b, c = sim.phone("101"), sim.phone("102"), sim.phone("103")
    c.answer()
    sim.advance(2)
    c.hang_up()
    sim.advance(2)
    assert a.talks_to(b)
    b.hang_up()
    sim.assert_idle()


@pytest.mark.parametrize("presser", ["101", "102"])
@pytest.mark.parametrize("answered", [False, True])
def test_who_waits_leaves(sim: Sim, presser: str, answered: bool) -> None:
    consulting(sim, presser=presser)
    a, b, c = sim.phone("101"), sim.phone("102"), sim.phone("103")
    waiting, asking = (b, a) if presser == "101" else (a, b)
    if answered:
        c.answer()
        sim.advance(2)
    waiting.hang_up()
    sim.advance(2)
    if answered:
        assert asking.talks_to(c)
    else:
        assert c.ringing
    asking.hang_up()
    sim.advance(2)
    assert a.idle and b.idle and c.idle
    sim.assert_idle()


@pytest.mark.parametrize("presser", ["101", "102"])
def test_who_asks_leaves_while_it_rings(sim: Sim, presser: str) -> None:
    consulting(sim, presser=presser)
    sim.phone(presser).hang_up()
    sim.advance(2)
    assert all(sim.phone(number).idle for number in ("101", "102", "103"))
    sim.assert_idle()


def test_a_busy_colleague(sim: Sim) -> None:
    a, b, c = sim.phone("101"), sim.phone("102"), sim.phone("103")
    c.is_busy()
    a.dials("102")
    b.answer()
    b.presses("*2103")
    assert b.hears("not-available")
    sim.advance(8)
    assert a.talks_to(b)


def test_the_call_is_ended_meanwhile_by_the_administrator(sim: Sim) -> None:
    consulting(sim)
    sim.phone("103").answer()
    sim.advance(2)
    for call in list(sim.exchange.exchange.switchboard.calls.values()):
        call.end("the administrator")
    sim.advance(2)
    assert all(sim.phone(number).idle for number in ("101", "102", "103"))
    sim.assert_idle()


@pytest.mark.parametrize("seed", range(3))
def test_it_works_with_loss(sim: Sim, seed: int) -> None:
    consulting(sim)
    a, b, c = sim.phone("101"), sim.phone("102"), sim.phone("103")
    sim.network(loss=0.15, seed=seed)
    c.answer()
    sim.advance(20)
    b.presses("*1")
    sim.advance(40)
    assert b.idle
    assert a.talks_to(c)
    c.hang_up()
    sim.advance(70)
    sim.assert_idle()


def test_nobody_takes_the_place_of_who_consults(sim: Sim) -> None:
    consulting(sim)
    sim.phone("103").answer()
    desk = sim.exchange.phone("102", password="102")
    for number in ("101", "102", "103"):
        session = sim.phone(number).call.session
        assert session is not None and session.dialog is not None
        call_id, local, remote = session.dialog.key
        desk.invites("102", more=(REPLACES.field(f"{call_id};to-tag={remote};from-tag={local}"),))
        sim.settle()
        assert desk.idle and desk.call is not None and desk.call.status == 403
    assert sim.phone("102").talks_to(sim.phone("103"))
    sim.phone("101").hang_up()
    sim.phone("102").hang_up()
    sim.assert_idle()


def test_who_does_not_come_back_transfers_the_other_one(sim: Sim) -> None:
    """What that one has offered meanwhile is answered, and its call goes on."""
    consulting(sim)
    a, b, c, d = (sim.phone(number) for number in ("101", "102", "103", "106"))
    b.phone.refuses = 491
    c.decline()
    sim.advance(8)
    Refer(b.phone, b.phone.address_of("106"))
    sim.until(lambda: d.ringing)
    d.answer()
    sim.advance(2)
    assert a.talks_to(d)
    d.hang_up()
    assert a.idle
    sim.assert_idle()


def test_blind_transfer_by_keys(sim: Sim) -> None:
    a, b, c = sim.phone("101"), sim.phone("102"), sim.phone("103")
    a.dials("102")
    b.answer()
    b.presses("#1103")
    assert b.idle
    assert c.ringing
    c.answer()
    sim.advance(2)
    assert a.talks_to(c)
    a.hang_up()
    sim.advance(2)
    assert c.idle
    sim.assert_idle()


@pytest.mark.parametrize("by_keys", [True, False])
def test_leg_is_transferred_by_the_caller(sim: Sim, by_keys: bool) -> None:
    a, b, c = sim.phone("101"), sim.phone("102"), sim.phone("103")
    a.dials("8102")
    b.answer()
    sim.advance(1)
    assert a.talks_to(b)
    if by_keys:
        a.presses("#1103")
    else:
        Refer(a.phone, a.phone.address_of("103"))
        sim.until(lambda: c.ringing)
    c.answer()
    sim.advance(2)
    assert b.talks_to(c)
    b.hang_up()
    sim.advance(2)
    assert a.idle and c.idle
    sim.assert_idle()


def test_who_was_transferred_to_nobody_comes_back(sim: Sim) -> None:
    a, b, c = sim.phone("101"), sim.phone("102"), sim.phone("103")
    a.dials("102")
    b.answer()
    b.presses("#1103")
    assert c.ringing
    c.decline()
    sim.advance(2)
    assert b.ringing
    b.answer()
    sim.advance(2)
    assert a.talks_to(b)
    b.hang_up()
    sim.advance(2)
    sim.assert_idle()


@pytest.mark.parametrize("number", ["104", "102", "101"])
def test_what_may_not_be_transferred_goes_on(sim: Sim, number: str) -> None:
    """To whom the plan's policy forbids, to oneself, to the other one."""
    a, b = sim.phone("101"), sim.phone("102")
    sim.phone("104")
    a.dials("102")
    b.answer()
    b.presses(f"#1{number}")
    assert b.hears("not-available")
    sim.advance(8)
    assert a.talks_to(b)


def test_transfer_while_the_policy_thinks_for_ever(sim: Sim, logged_errors: Callable[[], list[LogEvent]]) -> None:
    a, b = sim.phone("101"), sim.phone("102")
    a.dials("102")
    b.answer()
    b.presses("#1105")
    sim.advance(12)
    assert len(logged_errors()) == 1
    assert b.hears("not-available")
    a.hang_up()
    sim.advance(2)
    assert b.idle
    sim.assert_idle()


def test_a_callee_transfers_a_caller_without_an_offer_before_that_is_told(sim: Sim) -> None:
    a, b, c = sim.phone("101"), sim.phone("102"), sim.phone("103")
    a.phone.invites("102", offer=False)
    sim.settle()
    b.phone.answers()
    sim.advance(1 / 128)
    Refer(b.phone, b.phone.address_of("103"))
    sim.until(lambda: c.ringing)
    c.answer()
    sim.advance(2)
    assert a.talks_to(c)
    c.hang_up()
    assert a.idle
    sim.assert_idle()
