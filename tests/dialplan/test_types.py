"""The public API is typed: mypy --strict accepts our examples, and complains at each mistyped line and nowhere else."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ["etc/dialplan.py", *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("etc/examples/*.py"))]

# What a line is marked with is the code of mypy's error; lines without a mark are right.
MISTYPED = """
from __future__ import annotations

from datetime import datetime

from pbx.dialplan import Answered, Call, Failed, Outcome, Plan, ext, group, mailbox, prompt, room, trunk, uri
from pbx.dialplan.hours import Holidays, Hours
from pbx.testing import Sim


class Visit:
    count: int = 0


plan = Plan()
stateful = Plan(state=Visit)
OPEN = Hours("Mon-Fri 09:00-17:30", tz="Europe/Paris")


@plan.internal("<number:1XX>")
async def extension(call: Call, number: str) -> None:
    outcome: Outcome = await call.dial(ext(number), timeout=20)
    await call.dail(ext(number))  # attr-defined
    await call.dial("101")  # arg-type
    await call.dial(trunk("acme"))  # arg-type
    await call.dial(ext(101))  # arg-type
    await call.dial(ext(number), timeout="20")  # arg-type
    await call.dial(ext(number), ring_for=20)  # call-arg
    await call.dial(ext(number), caller_id=33142)  # arg-type
    call.dial(ext(number))  # unused-coroutine
    answered: bool = await call.dial(ext(number))  # assignment
    await call.dial_first(ext(number), timeout=20)  # call-arg
    await call.dial_first(ext(number), retry_on=Failed)  # arg-type
    await call.dial_first(ext(number), retry_on=Failed.network)
    await call.dial(group("101", "102"), uri("sip:desk@example.org"), trunk("acme").to(number))
    group(ext("101"))  # arg-type
    group(101)  # arg-type
    trunk("acme").to(33142)  # arg-type
    await call.play("welcome")  # arg-type
    await call.play(prompt("welcome"), early="yes")  # arg-type
    await call.play(prompt("welcome"))
    await call.say(7)  # arg-type
    keys: str = await call.ask(prompt("main-menu"))  # assignment
    await call.ask(prompt("main-menu"), digits="1")  # arg-type
    key = await call.ask(prompt("main-menu"))
    key.upper()  # union-attr
    await call.voicemail("101")  # arg-type
    await call.voicemail(mailbox("101"), greeting=1)  # arg-type
    await call.conference("sales")  # arg-type
    await call.conference(room("sales"), leader="1001")  # arg-type
    await call.reject("486")  # arg-type
    await call.reject(486, 486)  # arg-type
    await call.reject(486, "Busy Here")
    await call.redirect(7)  # arg-type
    await call.sleep("1")  # arg-type
    await call.log("event")  # misc
    call.log(7)  # arg-type
    call.after_hangup(extension)  # arg-type
    call.after_hangup(later(call))
    call.number = "102"  # misc
    call.caller.number.foo  # attr-defined
    call.user.may(7)  # arg-type
    total: str = call.now  # assignment
    if "10:00" in OPEN:  # operator
        pass
    if call.now in OPEN:
        pass
    outcome.attempts[0].colour  # attr-defined
    outcome.atempts  # union-attr
    async with call.db() as session:
        await session.fetch("SELECT 1")  # attr-defined
    async with call.recorded() as recording:
        recording.length  # attr-defined
    with call.on_hold():  # attr-defined
        pass
    async for frame in call.audio():
        frame.upper(7)  # call-arg
    await call.send("pcm")  # arg-type
    match await call.ring(ext(number), timeout=25):
        case Answered(leg=colleague):
            await call.bridge(colleague)
            await call.bridge("102")  # arg-type
            await call.talk(ext(number))  # arg-type
            await call.talk(colleague, until=1)  # arg-type
            await colleague.join(number)  # arg-type
    await call.ring("102")  # arg-type
    await call.transfer(102)  # arg-type
    await call.peer.hold()  # attr-defined
    price: str = await call.run(cost, number)  # arg-type
    await call.run(cost, 7)  # arg-type


def cost(number: str) -> float:
    return 0.5


async def later(call: Call) -> None: ...


@plan.internal(600)  # arg-type
async def six(call: Call) -> None: ...


@plan.internal("601")  # arg-type
def plain(call: Call) -> None: ...


@plan.internal("602")  # arg-type
async def wrong(number: str) -> None: ...


@plan.outbound("0<number:e164>")  # call-arg
async def outside(call: Call, number: str) -> None: ...


@plan.inbound("acme")  # arg-type
async def inside(call: Call) -> None: ...


@plan.inbound(trunk("acme"), did=14155550100)  # arg-type
async def ours(call: Call) -> None: ...


@plan.on_exception  # arg-type
async def failed(call: Call) -> None: ...


@plan.in_call(2)  # arg-type
async def pressed(call: Call) -> None: ...


@plan.on_transfer  # arg-type
async def may_transfer(transfer: Call) -> bool:
    return True


@stateful.internal("603")
async def visit(call: Call[Visit]) -> None:
    call.state.count += 1
    call.state.cuont += 1  # attr-defined
    call.state.count = "one"  # assignment


@stateful.internal("604")  # arg-type
async def stranger(call: Call[str]) -> None: ...


Plan(limit="4 h")  # call-overload
Hours("Mon-Fri 09:00-17:30")  # call-arg
Hours(9, tz="Europe/Paris")  # arg-type
Holidays(25)  # arg-type
plan.switch(7)  # arg-type
plan.switch("night").turn("on")  # arg-type


def test_it() -> None:
    sim = Sim(plan, at="2026-03-10 10:00 Europe/Paris")
    Sim(plan, at=datetime.now())  # arg-type
    Sim("plan")  # arg-type
    a = sim.phone("101")
    sim.phone(101)  # arg-type
    a.dials(102)  # arg-type
    a.rings  # attr-defined
    a.hears(prompt("welcome"))  # arg-type
    assert a.hears("welcome")
    a.says("hello")  # arg-type
    assert a.talks_to(sim.phone("102"))
    a.talks_to("102")  # arg-type
    sim.network(loss="10%")  # arg-type
    sim.network(0.1)  # call-arg
    sim.trunk("acme").fails("503")  # arg-type
    sim.trunk("acme").call("+15551234567")  # call-arg
    sim.advance("20")  # arg-type
"""
_ERROR = re.compile(r"^(?P<path>[^:]+):(?P<line>\d+): error: .*\[(?P<code>[\w-]+)\]$")


@pytest.fixture(scope="module")
def errors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[int, set[str]]]:
    """The codes of mypy's errors by file and line; it is run once, with what it remembers of the last time."""
    file = tmp_path_factory.mktemp("types") / "mistyped.py"
    file.write_text(MISTYPED)
    argv = [sys.executable, "-m", "mypy", "--no-error-summary", "--no-pretty", str(file), *EXAMPLES]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    found: dict[str, dict[int, set[str]]] = {}
    for line in done.stdout.splitlines():
        error = _ERROR.match(line)
        if error is not None:
            lines = found.setdefault(Path(error["path"]).name, {})
            lines.setdefault(int(error["line"]), set()).add(error["code"])
    return found


def test_each_mistyped_line_is_an_error_and_no_other(errors: dict[str, dict[int, set[str]]]) -> None:
    lines = enumerate(MISTYPED.splitlines(), 1)
    wanted = {number: line.rpartition("# ")[2] for number, line in lines if re.search(r"  # [\w-]+$", line)}
    found = errors["mistyped.py"]
    text = MISTYPED.splitlines()
    missed = {f"{number}: {text[number - 1]}" for number in wanted.keys() - found.keys()}
    assert missed == set()
    assert {f"{number}: {text[number - 1]} {found[number]}" for number in found.keys() - wanted.keys()} == set()
    assert [
        f"{number}: {found[number]}, not {code}" for number, code in wanted.items() if code not in found[number]
    ] == []


@pytest.mark.parametrize("example", EXAMPLES)
def test_our_examples_have_no_errors(errors: dict[str, dict[int, set[str]]], example: str) -> None:
    assert Path(example).name not in errors
