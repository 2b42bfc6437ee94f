"""The tasks by which PBXs are compared, as one plan with its tests: two phones and a mailbox, a menu, hours and a night
switch, and calls to the outside with failover.
"""

from __future__ import annotations

import pytest

from pbx.dialplan import Answered, Busy, Call, Declined, Failed, Plan, ext, mailbox, prompt, trunk
from pbx.dialplan.hours import Holidays, Hours
from pbx.exchange.numbering import Numbering
from pbx.testing import Sim

plan = Plan()
SALES = (ext("101"), ext("102"))
OPEN = Hours("Mon-Fri 09:00-17:30", tz="Europe/Paris", closed=Holidays.from_db("fr"))
USERS = {
    "extensions": {
        "100": "Reception",
        "101": {"name": "Alice", "class_of_service": "international", "caller_id": "+33142000101"},
        "102": "Bob",
    },
    "trunks": {"acme": {}, "backup": {}},
    "mailboxes": {"sales": {}, "office": {}},
    "holidays": {"fr": ["2026-05-01"]},
}


@plan.inbound(trunk("acme"), did="+14155550100")
async def sales(call: Call) -> None:
    match await call.dial(*SALES, timeout=20):
        case Answered():
            return
        case Declined(by=who):
            call.log("declined", by=who)
    await call.voicemail(mailbox("sales"), greeting="unavailable")


@plan.inbound(trunk("acme"), did="+14155550101")
async def main_menu(call: Call) -> None:
    await call.answer()
    for _ in range(3):
        match await call.ask(prompt("main-menu"), digits=1, timeout=5):
            case "1":
                return await sales(call)
            case "0" | None:
                break
            case _:
                await call.play(prompt("invalid-choice"))
    await call.dial(ext("100"), timeout=30)


@plan.inbound(trunk("acme"), did="+14155550102")
async def front_desk(call: Call) -> None:
    if plan.switch("night") or call.now not in OPEN:
        await call.play(prompt("closed"))
        return await call.voicemail(mailbox("office"))
    await main_menu(call)


@plan.outbound("0<number:e164>", allow="international")
async def outbound(call: Call, number: str) -> None:
    result = await call.dial_first(
        trunk("acme").to(number),
        trunk("backup").to(number),
        caller_id=call.user.did,
        progress_within=6,
        ring_for=60,
        retry_on=Failed.network,
    )
    match result:
        case Answered():
            return
        case Busy():
            await call.reject(486)
        case Failed(code=code, text=text):
            await call.play(prompt("cannot-complete"), early=True)
            await call.reject(code, text)


@plan.internal("<number:1XX>")
async def extension(call: Call, number: str) -> None:
    if not await call.dial(ext(number), timeout=25):
        await call.voicemail(mailbox(number))


@pytest.fixture
def sim() -> Sim:
    return Sim(plan, users=USERS, at="2026-03-10 08:00 Europe/Paris", numbering=Numbering("33"))


def test_two_phones_then_voicemail(sim: Sim) -> None:
    a, b = sim.phone("101"), sim.phone("102")
    c = sim.trunk("acme").call("+15551234567", to="+14155550100")
    assert a.ringing and b.ringing
    assert a.display == "+15551234567"
    sim.advance(20)
    assert not a.ringing and not b.ringing
    assert c.hears("after-the-tone", within=20)
    sim.advance(2)
    c.says(seconds=4)
    c.hang_up()
    sim.advance(2)
    assert sim.mailbox("sales").new == 1
    assert a.lamp("mwi") is False


def test_first_answer_wins(sim: Sim) -> None:
    a, b = sim.phone("101"), sim.phone("102")
    c = sim.trunk("acme").call("+15551234567", to="+14155550100")
    b.answer()
    assert c.talks_to(b)
    assert a.cancelled_because == "answered elsewhere"


def test_the_menu(sim: Sim) -> None:
    a = sim.phone("101")
    c = sim.trunk("acme").call("+15551234567", to="+14155550101")
    assert c.hears("main-menu")
    c.presses("7")
    assert c.hears("invalid-choice")
    c.presses("1")
    assert a.ringing


@pytest.mark.parametrize(
    ("when", "is_open"),
    [
        ("2026-03-10 08:59:50", False),
        ("2026-03-10 09:00", True),
        ("2026-05-01 10:00", False),
        ("2026-03-29 09:30", False),
    ],
)
def test_hours(sim: Sim, when: str, is_open: bool) -> None:
    sim.at(f"{when} Europe/Paris")
    c = sim.trunk("acme").call("+15551234567", to="+14155550102")
    assert c.hears("main-menu" if is_open else "closed")


def test_the_night_switch(sim: Sim) -> None:
    sim.at("2026-03-10 10:00 Europe/Paris")
    sim.switch("night", True)
    assert sim.trunk("acme").call("+15551234567", to="+14155550102").hears("closed")


def test_failover_but_not_on_busy(sim: Sim) -> None:
    sim.trunk("acme").fails(503)
    sim.trunk("backup").answers()
    p = sim.phone("101").dials("00142255501")
    assert p.connected
    assert sim.trunk("backup").calls == 1
    assert sim.trunk("backup").provider.last.uri.user == "+33142255501"
    assert "+33142000101" in sim.trunk("backup").provider.field("from")
    p.hang_up()
    sim.trunk("acme").fails(486)
    assert p.dials("00142255501").sees(486)
    assert sim.trunk("backup").calls == 1


def test_anonymous_and_those_who_may_not_cannot_reach_a_trunk(sim: Sim) -> None:
    assert sim.stranger().dials("00142255501").sees(403)
    assert sim.phone("102").dials("00142255501").sees(403)


def test_survives_packet_loss(sim: Sim) -> None:
    sim.phone("101").answer_when_ringing()
    sim.phone("102")
    sim.network(loss=0.1, seed=7)
    c = sim.trunk("acme").call("+15551234567", to="+14155550100")
    sim.advance(40)
    assert c.connected
