"""The tasks by which PBXs are compared: the tests of etc/examples/office.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from etc.examples.office import plan
from pbx.dialplan.loading import doubtful
from pbx.exchange.numbering import Numbering
from pbx.testing import Sim

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
    assert p.connected and p.cdr.trunk == "backup"
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


def test_attended_transfer_keeps_the_caller(sim: Sim) -> None:
    a, b = sim.phone("101"), sim.phone("102")
    c = sim.trunk("acme").call("+15551234567", to="+14155550100")
    a.answer()
    assert a.attended_transfer(to="102") == 200
    sim.advance(16)
    assert c.talks_to(b) and a.idle


def test_transfer_sends_the_caller_on(sim: Sim) -> None:
    a, b = sim.phone("101"), sim.phone("102")
    b.answer_when_ringing()
    c = sim.phone("100").dials("101")
    a.answer()
    assert a.transfer(to="102") == 200
    sim.advance(16)
    assert c.talks_to(b) and a.idle


@pytest.mark.parametrize("key", ["*1", "*3"])
def test_a_colleague_is_asked_by_keys_and_gets_the_caller_or_not(sim: Sim, key: str) -> None:
    a, b = sim.phone("101"), sim.phone("102")
    c = sim.trunk("acme").call("+15551234567", to="+14155550100")
    a.answer()
    a.presses("*2102")
    sim.advance(4)
    assert b.ringing
    b.answer()
    assert a.talks_to(b)
    a.presses(key)
    sim.advance(8)
    assert c.talks_to(b if key == "*1" else a)
    assert a.idle is (key == "*1")


def test_only_who_may_transfers_to_the_outside(sim: Sim) -> None:
    a = sim.phone("101")
    c = sim.phone("100").dials("101")
    a.answer()
    assert a.transfer(to="00142255501") == 403
    assert a.talks_to(c)


def test_an_emergency_call_goes_out_whoever_makes_it(sim: Sim) -> None:
    backup = sim.trunk("backup")
    sim.trunk("acme").falls_silent()
    caller = sim.phone("102").dials("112")
    sim.advance(4)
    assert caller.connected and backup.calls == 1


def test_nothing_is_doubtful_in_it() -> None:
    assert doubtful(str(Path(__file__).parents[2] / "etc" / "examples" / "office.py"), plan) == []
