"""Switches: on and off for everybody, by plan, by code, by row; and what is not yet written counts."""

from __future__ import annotations

from pbx.dialplan import Call, Plan, tone
from pbx.dialplan.surroundings import Surroundings
from pbx.dialplan.switches import Switches
from pbx.exchange.switch import Switch
from pbx.testing.exchange import SimulatedExchange

plan = Plan()
NIGHT = plan.switch("night")


@plan.internal("600")
async def desk(call: Call) -> None:
    await call.reject(480 if NIGHT else 486)


@plan.internal("<number:any>")
async def others(call: Call, number: str) -> None:
    await call.reject(404)


def office(*switches: Switch) -> tuple[SimulatedExchange, list[Switch]]:
    kept: list[Switch] = []
    plan.surroundings = Surroundings(Switches(switches, kept.append))
    return SimulatedExchange(plan, {"1001": "alice's"}), kept


def test_a_code_turns_a_switch_over_and_beeps_say_how() -> None:
    sim, kept = office(Switch("night", code="*60"))
    alice = sim.phone("1001")
    beep = sim.library.tone("beep")
    for beeps, is_on, status in ((1, True, 480), (2, False, 486)):
        call = alice.invites("*60")
        sim.until(lambda: alice.idle)
        heard = b"".join(call.sound.payloads)
        assert heard.count(b"".join(beep.frames(call.sound.law))) == beeps
        assert bool(NIGHT) is is_on
        assert kept.pop().is_on is is_on
        call = alice.invites("600")
        sim.until(lambda: alice.idle)
        assert call.status == status
    sim.assert_idle()
    assert tone("beep") == tone("beep")


def test_a_class_of_service_may_be_needed_and_a_literal_route_comes_first() -> None:
    sim, kept = office(Switch("night", code="*60", allow="boss"), Switch("day", code="600"))
    alice = sim.phone("1001")
    for number, status in (("*60", 403), ("600", 486)):
        call = alice.invites(number)
        sim.until(lambda: alice.idle)
        assert call.status == status
    assert not kept
    sim.assert_idle()


def test_what_a_phone_did_counts_until_it_is_written() -> None:
    kept: list[Switch] = []
    told: list[Switch] = []
    switches = Switches([Switch("night", code="*60")], kept.append)
    switches.watchers.append(told.append)
    switches.turn("night", True)
    switches.turn("night", True)
    assert kept == told == [Switch("night", True, "*60")]
    switches.replace([Switch("night", False, "*61")])  # what was read before it was written
    assert switches.is_on("night")
    assert switches.by_code("*61") == Switch("night", True, "*61")
    assert switches.by_code("*60") is None
    switches.kept(kept[0])
    switches.replace([Switch("night", False, "*61")])
    assert not switches.is_on("night")
    assert told[-1] == Switch("night", False, "*61")


def test_what_nobody_has_added_is_off_and_stays_so() -> None:
    switches = Switches()
    switches.turn("night", True)
    assert not switches.is_on("night")
    assert not switches.knows("night")
    plan.surroundings = Surroundings(switches)
    NIGHT.turn(True)
    assert not NIGHT
    assert repr(NIGHT) == "<switch night: off>"
