"""Thirty mistakes that people make in dialplans: each is told in one sentence with its remedy, before anybody calls."""

from __future__ import annotations

import ast
import textwrap
from pathlib import Path

import pytest

from pbx.dialplan import loading
from pbx.dialplan.mistakes import Reading
from pbx.dialplan.ways import circles, without_emergency
from pbx.exchange.numbering import Numbering
from pbx.faults import Fault

ROOT = Path(__file__).parent.parent.parent
HEAD = """\
import asyncio
import datetime
import random
import socket
import subprocess
import time
from time import sleep
from urllib.request import urlopen

from pbx.dialplan import Answered, Call, HungUp, Plan, ext, prompt, uri

plan = Plan()
SEEN = []
COUNTS = {}
"""
ROUTE = '@plan.internal("600")\nasync def route(call: Call) -> None:\n'


def found_in(tmp_path: Path, body: str) -> list[Fault]:
    """What is said of a dialplan: that it cannot be loaded, or what is doubtful in it."""
    file = tmp_path / "dialplan.py"
    file.write_text(HEAD + body)
    try:
        plan = loading.load(file, {"101", "102"}.__contains__)
    except Fault as fault:
        return [fault]
    return loading.doubtful(str(file), plan)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (ROUTE + "    await call.dail(ext('101'))", "a call has no dail; did you mean dial?"),
        (ROUTE + "    call.dial(ext('101'))", "nobody waits for call.dial(); write `await call.dial(...)`"),
        (ROUTE + "    if call.dial(ext('101')):\n        pass", "nobody waits for call.dial()"),
        (ROUTE + "    other(call)\nasync def other(call: Call) -> None: ...", "nobody waits for other(); write `await"),
        (ROUTE + "    time.sleep(1)", "time.sleep() holds up all calls while it waits; use await call.sleep(...)"),
        (ROUTE + "    sleep(1)", "time.sleep() holds up all calls"),
        (ROUTE + "    import requests\n    requests.get('http://a')", "requests.get() holds up all calls"),
        (ROUTE + "    socket.create_connection(('a', 1))", "socket.create_connection() holds up all calls"),
        (ROUTE + "    urlopen('http://a')", "use await call.run(urllib.request.urlopen, ...)"),
        (ROUTE + "    subprocess.run(['ls'])", "subprocess.run() holds up all calls"),
        (ROUTE + "    input()", "input() holds up all calls while it waits; use await call.ask(...)"),
        (
            ROUTE + "    call.log('x', at=datetime.datetime.now())",
            "is not the exchange's time, nor a test's; use call.now",
        ),
        (ROUTE + "    call.log('x', at=time.time())", "time.time() is not the exchange's time"),
        (ROUTE + "    random.choice([1])", "random.choice() is another one in each run of a test; use call.random"),
        (ROUTE + "    await asyncio.sleep(1)", "a dialplan does not run in asyncio's loop: asyncio.sleep()"),
        (
            ROUTE + "    try:\n        await call.dial(ext('101'))\n    except Exception:\n        pass",
            "dial() raises nothing",
        ),
        (ROUTE + "    try:\n        await call.answer()\n    except:\n        pass", "this swallows the hang-up"),
        (
            ROUTE + "    try:\n        await call.answer()\n    except HungUp:\n        pass",
            "this swallows the hang-up",
        ),
        (
            ROUTE + "    try:\n        await call.answer()\n    finally:\n        return",
            "a return in `finally` swallows",
        ),
        (ROUTE + "    while True:\n        pass", "this loop never ends and never waits"),
        (ROUTE + "    SEEN.append(call.number)", "SEEN is shared by all calls, and grows; keep it in call.state"),
        (ROUTE + "    COUNTS[call.number] = 1", "COUNTS is shared by all calls, and grows"),
        (ROUTE + "    global SEEN\n    SEEN = []", "SEEN is shared by all calls"),
        (ROUTE + "    await call.dial(ext('199'))", "unknown extension 199; add it with `pbx extension add 199`"),
        (ROUTE + "    await call.play(prompt('wellcome'))", "there is no prompt wellcome"),
        ("X = ext(101)", 'ext() takes the number as text: ext("101")'),
        ("X = uri('example.org')", "uri() takes a URI"),
        ("@plan.internal('<n:1XX')\nasync def a(call: Call, n: str) -> None: ...", "a converter is written"),
        ("@plan.internal('<n:1XX>')\nasync def a(call: Call) -> None: ...", "does not fit its pattern"),
        (
            "@plan.internal('600')\ndef a(call: Call) -> None: ...",
            "is not a coroutine function; write `async def a(call)`",
        ),
        (
            "@plan.internal('<n:1X[12]>')\nasync def a(call: Call, n: str) -> None: ...\n"
            "@plan.internal('<n:1[12]X>')\nasync def b(call: Call, n: str) -> None: ...",
            "neither being more specific; make one of the two patterns narrower",
        ),
        (
            "@plan.internal('<n:6[01]>')\nasync def a(call: Call, n: str) -> None: ...\n"
            "@plan.internal('60')\nasync def b(call: Call) -> None: ...\n"
            "@plan.internal('61')\nasync def c(call: Call) -> None: ...",
            "no call ever reaches the route '<n:6[01]>': others take all its numbers; remove it",
        ),
        (ROUTE + "    await call.dial(ext('101')\n", "SyntaxError"),
        ("del plan", "no global named plan; write `plan = Plan()`"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_remedy(tmp_path: Path, body: str, sentence: str) -> None:
    [fault] = found_in(tmp_path, body)
    assert sentence in str(fault)
    assert fault.path == str(tmp_path / "dialplan.py")
    assert "\n" not in str(fault)


def test_what_is_well_is_left_alone(tmp_path: Path) -> None:
    body = """\
    @plan.internal("<number:1XX>")
    async def extension(call: Call, number: str) -> None:
        notes: list[str] = []
        notes.append(number)
        call.after_hangup(later(call))
        try:
            while True:
                if await call.dial(ext(number)):
                    break
                await call.sleep(1)
        except HungUp:
            call.log("gone", id=call.random.random())
            raise
        finally:
            await call.run(time.sleep, 1)
        await (later(call) if number == "101" else call.reject(404))


    async def later(call: Call) -> None:
        async with call.db() as session:
            await session.execute("SELECT 1")
        await call.asyncio(asyncio.sleep(0))
    """
    assert found_in(tmp_path, textwrap.dedent(body)) == []


@pytest.mark.parametrize("file", ["etc/dialplan.py", "tests/flows/office.py"])
def test_our_own_plans_are_well(file: str) -> None:
    tree = ast.parse((ROOT / file).read_bytes())
    assert list(Reading(tree, file).faults()) == []


def test_a_way_from_strangers_to_a_trunk_is_printed_as_a_path(tmp_path: Path) -> None:
    from pbx.dialplan.ways import paid_ways

    text = """
    ACME = trunk("acme")

    @plan.anonymous("<number:any>")
    async def stranger(call, number):
        await menu(call)

    @plan.inbound(trunk("acme"))
    async def caller(call):
        await call.answer()

    @plan.outbound("0<number:e164>", allow="international")
    async def outbound(call, number):
        await call.dial_first(ACME.to(number))

    async def menu(call):
        await menu(call)
        await outbound(call, "+1")
    """
    [fault] = paid_ways({"plan.py": ast.parse(textwrap.dedent(text))})
    assert fault.line == 5
    assert "anonymous -> stranger -> menu -> outbound -> ACME" in fault.what


def test_emergency_numbers_need_a_route_and_forwarding_must_end() -> None:
    from pbx.dialplan import Call, Plan

    plan = Plan()

    @plan.internal("112")
    async def emergency(call: Call) -> None: ...

    plan.settle(Numbering(emergency=("112", "911")))
    [fault] = without_emergency(plan, "plan.py")
    assert "nobody can dial the emergency number 911" in str(fault)
    forwards = {"101": "102", "102": "103", "103": "102", "104": "105", "106": "106", "107": "101"}
    always = {number: {"forward_always": to} for number, to in forwards.items()}
    assert [fault.what.partition(": ")[2] for fault in circles(always)] == ["102 -> 103 -> 102", "106 -> 106"]
    always["105"] = {"forward_busy": "103", "forward_no_answer": "104"}
    assert [fault.what for fault in circles(always)][1] == "calls may be forwarded in a circle: 104 -> 105 -> 104"
    long = {str(number): {"forward_always": str(number + 1)} for number in range(5000)}
    assert not list(circles(long))


def test_modules_beside_the_plan_are_read_for_mistakes_too(tmp_path: Path) -> None:
    beside = tmp_path / "ways_out.py"
    beside.write_text("""\
import time

from pbx.dialplan import Call, ext, trunk

ACME = trunk("acme")


async def out(call: Call) -> None:
    time.sleep(1)
    await call.dial_first(ACME.to("+14155550100"), ext("101"))
""")
    body = "import ways_out\n"
    body += "async def stranger(call: Call) -> None:\n    await ways_out.out(call)\nplan.anonymous('9')(stranger)\n"
    blocking, paid = found_in(tmp_path, body)[::-1]
    assert (blocking.path, blocking.line) == (str(beside), 9)
    assert "anonymous -> stranger -> out -> ACME" in paid.what
    beside.write_text(beside.read_text().replace('"101"', '"199"'))
    [unknown] = found_in(tmp_path, body)
    assert str(unknown).startswith(f"{beside}:10: unknown extension 199")
