"""The simulation for tests of dialplans: what its phones do, see and hear, and what a failing test shows."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from pbx.dialplan import Busy, Call, Plan, ext, mailbox, prompt
from pbx.dialplan.hours import Holidays, Hours
from pbx.testing import Sim

plan = Plan()
OPEN = Hours("Mon-Fri 09:00-17:30", tz="Europe/Paris", closed=Holidays.from_db("fr"))
USERS = {
    "extensions": {"101": "Alice", "102": {"name": "Bob", "class_of_service": "international"}, "103": "Carol"},
    "mailboxes": {"sales": {"extension": "102"}},
    "switches": {"night": {"code": "*60"}},
    "holidays": {"fr": ["2026-05-01"]},
}


@plan.internal("0")
async def desk(call: Call) -> None:
    if plan.switch("night") or call.now not in OPEN:
        await call.play(prompt("closed"))
    else:
        await call.dial(ext("101"), ext("102"), timeout=20)


@plan.internal("<number:1XX>")
async def extension(call: Call, number: str) -> None:
    match await call.dial(ext(number), timeout=20):
        case Busy():
            await call.reject(486)


@plan.outbound("9<number:int>", allow="international")
async def outbound(call: Call, number: int) -> None:
    await call.answer()
    if await call.ask(prompt("main-menu"), timeout=5) == "1":
        await call.play(prompt("goodbye"))


@plan.internal("*8")
async def sales(call: Call) -> None:
    if not await call.dial(ext("101"), timeout=20):
        await call.voicemail(mailbox("sales"))


@plan.internal("*1")
async def database(call: Call) -> None:
    async with call.db(writing=True) as session:
        await session.execute("INSERT INTO holidays (calendar, day) VALUES ('de', '2026-12-25')")
        rows = await session.execute("SELECT calendar FROM holidays")
    await call.reject(480 + len(rows) + await call.run(len, "ab"))


@plan.internal("*2")
async def page(call: Call) -> None:
    await call.asyncio(asyncio.sleep(0))
    await call.reject(486)


@pytest.fixture
def sim() -> Sim:
    return Sim(plan, users=USERS, at="2026-03-10 08:00 Europe/Paris")


def test_the_first_answer_wins_and_the_two_hear_each_other(sim: Sim) -> None:
    sim.at("2026-03-10 10:00 Europe/Paris")
    a, b, c = sim.phone("101"), sim.phone("102"), sim.phone("103")
    c.dials("0")
    assert a.ringing and b.ringing
    assert a.display == "Carol"
    b.answer()
    assert c.talks_to(b)
    assert not a.ringing
    assert a.cancelled_because == "answered elsewhere"
    c.hang_up()
    assert b.idle
    sim.assert_idle()


def test_nobody_answers(sim: Sim) -> None:
    a = sim.phone("101")
    c = sim.phone("103").dials("101")
    assert a.ringing
    sim.advance(20)
    assert not a.ringing
    assert c.sees(480)
    a.is_busy()
    assert c.dials("101").sees(486)
    sim.assert_idle()


@pytest.mark.parametrize(
    ("when", "is_open"),
    [
        ("2026-03-10 08:59:50", False),
        ("2026-03-10 09:00", True),
        ("2026-05-01 10:00", False),
        ("2026-03-29 09:30", False),
        ("2026-03-30 09:30", True),
    ],
)
def test_hours(sim: Sim, when: str, is_open: bool) -> None:
    sim.at(f"{when} Europe/Paris")
    a = sim.phone("101")
    c = sim.phone("103").dials("0")
    assert a.ringing is is_open
    assert c.hears("closed") is not is_open


def test_a_switch_by_the_test_and_by_its_code(sim: Sim) -> None:
    sim.at("2026-03-10 10:00 Europe/Paris")
    a, c = sim.phone("101"), sim.phone("103")
    sim.switch("night", True)
    assert c.dials("0").hears("closed")
    c.hang_up()
    c.dials("*60")
    assert not sim.is_on("night")
    sim.advance(5)
    c.dials("0")
    assert a.ringing


def test_keys_and_the_class_of_service(sim: Sim) -> None:
    assert sim.phone("103").dials("901").sees(403)
    b = sim.phone("102").dials("901")
    assert b.connected
    b.presses("1")
    assert b.hears("goodbye")


def test_a_message_is_left_and_a_lamp_is_lit(sim: Sim) -> None:
    a, b = sim.phone("101"), sim.phone("102")
    c = sim.phone("103").dials("*8")
    sim.advance(20)
    assert not a.ringing
    assert c.hears("after-the-tone", within=20)
    sim.advance(2)
    c.says(seconds=4)
    c.hang_up()
    sim.advance(2)
    assert sim.mailbox("sales").new == 1
    assert b.lamp("mwi")
    assert not a.lamp("mwi")


def test_lamps_of_extensions_and_of_switches(sim: Sim) -> None:
    a = sim.phone("101")
    assert a.shows("102") == "unregistered"
    b, c = sim.phone("102"), sim.phone("103")
    assert a.shows("102") == "idle"
    assert not a.lamp("102") and not a.lamp("*60")
    c.dials("102")
    assert (a.shows("102"), a.lamp("102")) == ("ringing", True)
    b.answer()
    assert a.shows("102") == "busy"
    c.hang_up()
    assert a.shows("102") == "idle"
    sim.switch("night", True)
    assert a.lamp("*60")
    c.dials("*60")
    sim.advance(5)
    assert not a.lamp("*60")
    with pytest.raises(LookupError, match="no lamp 888"):
        a.lamp("888")
    sim.assert_idle()


def test_strangers_and_numbers_that_nobody_knows(sim: Sim) -> None:
    assert sim.stranger().dials("101").sees(403)
    assert sim.phone("101").dials("888").sees(404)
    with pytest.raises(LookupError, match="no extension 199"):
        sim.phone("199")


def test_a_database_functions_and_asyncio(sim: Sim) -> None:
    assert sim.phone("101").dials("*1").sees(483)
    assert sim.database.sql("SELECT day FROM holidays")[0].day == "2026-12-25"
    fake = Sim(plan, users=USERS, asyncio=asyncio.run)
    assert fake.phone("101").dials("*2").sees(486)


def test_calls_survive_the_loss_of_packets(sim: Sim) -> None:
    sim.at("2026-03-10 10:00 Europe/Paris")
    a, c = sim.phone("101"), sim.phone("103")
    sim.network(loss=0.2, seed=7)
    a.answer_when_ringing()
    c.dials("0")
    sim.advance(60)
    assert c.connected and a.connected
    assert c.talks_to(a)


def test_without_users_all_exist_and_may_everything() -> None:
    sim = Sim(plan)
    assert sim.phone("177").dials("901").connected
    assert sim.phone("178").dials("177").sees(486)


def test_time_goes_on_only_and_users_are_checked(sim: Sim) -> None:
    sim.at("2026-03-09 08:00")  # nobody has done anything yet
    sim.phone("101")
    sim.at("2026-03-09 08:00:10")
    with pytest.raises(ValueError, match="it is later than"):
        sim.at("2026-03-09 07:59")
    with pytest.raises(ValueError, match="'Mars' is no time zone"):
        sim.at("2026-03-09 10:00 Mars")
    with pytest.raises(ValueError, match="in no year of telephones"):
        sim.at("0001-01-01")
    with pytest.raises(ValueError, match="'extension'; there are aliases, extensions"):
        Sim(plan, users={"extension": {}})
    with pytest.raises(ValueError, match="the dialplan of the users"):
        Sim(plan, users={"dialplan": {"county": "33"}})
    with pytest.raises(ValueError, match="the media of the users have no 'prompt'; they have prompts"):
        Sim(plan, users={"media": {"prompt": "here"}})
    with pytest.raises(ValueError, match="extension 101"):
        Sim(plan, users={"extensions": {"101": {"nmae": "Alice"}}})


def test_record_of_a_phones_latest_call(sim: Sim) -> None:
    caller, callee = sim.phone("101"), sim.phone("102")
    with pytest.raises(LookupError, match="in no record"):
        _ = caller.cdr
    callee.is_busy()
    assert caller.dials("102").sees(486)
    assert (caller.cdr.cause, caller.cdr.sentence) == ("busy", "102 is busy")


def test_a_failing_test_shows_the_ladder_and_needs_no_plugin(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        textwrap.dedent("""
        from pbx.dialplan import Call, Plan, ext
        from pbx.testing import Sim

        plan = Plan()

        @plan.internal("<number:1XX>")
        async def extension(call: Call, number: str) -> None:
            await call.dial(ext(number))

        def test_it():
            sim = Sim(plan)
            sim.phone("102")
            assert sim.phone("101").dials("102").connected
        """)
    )
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert "- INVITE -" in done.stdout
    assert "- 180 INVITE -" in done.stdout


@pytest.mark.parametrize("kind", ["full cone", "restricted cone", "port restricted cone", "symmetric"])
def test_phones_behind_nats_hear_each_other(sim: Sim, kind: str) -> None:
    sim.at("2026-03-10 10:00 Europe/Paris")
    a, c = sim.phone("101", behind=kind), sim.phone("103", behind=kind, transport="TCP")
    c.dials("0")
    assert a.ringing
    a.answer()
    assert c.talks_to(a)


def test_a_phone_knows_what_it_is_told_to_know(sim: Sim) -> None:
    with pytest.raises(ValueError, match="behind is one of full cone, "):
        sim.phone("101", behind="wall")
    with pytest.raises(ValueError, match="transport is one of UDP, "):
        sim.phone("101", transport="SCTP")
    b, c = sim.phone("102", codecs=(8,)), sim.phone("103", transport="TLS")
    c.dials("102")
    b.answer()
    assert c.talks_to(b)  # in A-law


def test_times_are_in_the_zone_in_which_the_test_begins(sim: Sim) -> None:
    for when, moment in (("2026-03-10 08:59:59", 1773129599), ("2026-03-10 09:30 Europe/London", 1773135000)):
        sim.at(when)
        assert sim.clock.seconds() == moment


def test_who_is_connected_to_another_one_sees_so(sim: Sim) -> None:
    sim.at("2026-03-10 10:00")
    a, b, c = sim.phone("101"), sim.phone("102"), sim.phone("103")
    c.dials("101")
    assert a.display == "Carol"
    a.answer()
    assert a.attended_transfer(to="102") == 200
    assert b.display == "Carol" and c.display == "Bob"
    b.hang_up()
    a.dials("102")
    assert b.display == "Alice"


def test_a_phone_transfers_to_a_colleague_who_still_rings_or_declines(sim: Sim) -> None:
    a, b, c = sim.phone("101"), sim.phone("102"), sim.phone("103")
    c.dials("101")
    a.answer()
    assert a.attended_transfer(to="102", while_ringing=True) == 180
    assert b.ringing and b.display == "Carol"
    b.answer()
    assert c.talks_to(b) and sim.until(lambda: a.idle, 5)
    c.hang_up()
    c.dials("101")
    a.answer()
    assert a.attended_transfer(to="102", while_ringing=True) == 180
    b.decline()
    sim.advance(2)
    a.phone.resumes()  # she has him back as she has left him: on hold
    sim.advance(2)
    assert c.talks_to(a)


def test_a_phone_transfers_to_what_the_plan_answers(sim: Sim) -> None:
    a, c = sim.phone("101"), sim.phone("103")
    c.dials("101")
    a.answer()
    assert a.attended_transfer(to="*8") == 200
    assert a.idle and c.hears("after-the-tone", within=20)


def test_who_has_something_to_say_lets_others_finish(sim: Sim) -> None:
    sim.phone("101")
    c = sim.phone("103").dials("*8")
    sim.advance(20)
    began = sim.clock.seconds()
    c.says(seconds=3)
    assert sim.clock.seconds() - began > 5  # the greeting took its time
    c.hang_up()
    [message] = sim.mailbox("sales").messages
    assert message.seconds >= 3


def test_users_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "users.toml").write_text('[extensions]\n101 = "Alice"\n103 = "Carol"\n\n[aliases]\nalice = "101"\n')
    sim = Sim(plan, users=tmp_path / "users.toml")
    a = sim.phone("101")
    sim.phone("103").dials("alice")
    assert a.ringing
