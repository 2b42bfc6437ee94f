"""Mistakes that only a call brings to light: each is told in one sentence, and ends no other call."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.logger import capturedLogs, formatEvent

from pbx.dialplan import loading
from pbx.dialplan.driver import GRACE
from pbx.testing import Sim

HEAD = """\
import asyncio
import sys

from pbx.dialplan import Answered, Call, Plan, ext, mailbox, prompt

plan = Plan(limit=600)
SEEN: list[str] = []


@plan.internal("<number:1XX>")
async def extension(call: Call, number: str) -> None:
    await call.dial(ext(number), timeout=20)


@plan.internal("600")
async def route(call: Call) -> None:
"""
NOBODY_WAITS = "ignore:coroutine .* was never awaited:RuntimeWarning"

# What the route does; the seconds after which it is over; the status that its caller gets, 200 for one that was
# answered; a part of what the log says.
MISTAKES = [
    pytest.param("call.dial(ext('102'))", 1, 480, "nobody waits for call.dial(); write `await", id="missing await"),
    pytest.param("await call.dial('102')", 1, 500, "dial() calls targets such as ext(", id="wrong type"),
    pytest.param("await call.dial()", 1, 500, "dial() needs somebody to call, for example ext(", id="nobody to call"),
    pytest.param("await call.dail(ext('102'))", 1, 500, "did you mean dial?", id="misspelt verb"),
    pytest.param("await call.sleep(-1)", 1, 500, "sleep(): seconds is in seconds and cannot be -1", id="negative time"),
    pytest.param("await call.reject(200)", 1, 500, "reject(): status is 400 to 699, not 200", id="wrong status"),
    pytest.param("await call.reject(486); await call.answer()", 1, 486, "on a call that has ended", id="after the end"),
    pytest.param("await call.play(prompt('no' + 'thing'), early=True)", 1, 500, "no prompt nothing", id="prompt"),
    pytest.param("await call.dial(ext('1' + '99'))", 1, 404, "", id="unknown extension"),
    pytest.param("await call.voicemail(mailbox('no' + 'body'))", 1, 480, "", id="unknown mailbox"),
    pytest.param("{}['key']", 1, 500, "KeyError", id="key"),
    pytest.param("int(call.number + 'x')", 1, 500, "invalid literal", id="exception"),
    pytest.param("await route(call)", 1, 500, "RecursionError", id="endless recursion"),
    pytest.param("sys.exit(1)", 1, 500, "SystemExit", id="exit"),
    pytest.param("raise KeyboardInterrupt", 1, 500, "KeyboardInterrupt", id="interrupt"),
    pytest.param("raise GeneratorExit", 1, 500, "GeneratorExit", id="generator exit"),
    pytest.param("assert call.answered", 1, 500, "AssertionError", id="assertion"),
    pytest.param("await asyncio.sleep(1)", 1, 500, "does not run in asyncio's loop", id="asyncio"),
    pytest.param("await call.asyncio(asyncio.sleep(1))", 1, 500, "twistd --reactor=asyncio", id="no asyncio here"),
    pytest.param("while True: await call.follow('none')", 1, 500, "the dialplan runs in a circle", id="circle"),
    pytest.param("[call.after_hangup(call.sleep(1)) for _ in range(21)]", 2, 500, "is it a loop?", id="left behind"),
    pytest.param("SEEN.append(call.number)", 1, 480, "SEEN is shared by all calls, and grows", id="mutable global"),
    pytest.param(
        "try: await call.dial(ext('102'), timeout=5)\n    except Exception: pass", 6, 480,
        "dial() raises nothing when somebody is busy", id="except Exception around dial",
    ),
    pytest.param("try: await call.sleep(1)\n    finally: 1 / 0", 2, 500, "ZeroDivisionError", id="finally"),
    pytest.param("try: await call.sleep(1)\n    finally: await call.dail()", 2, 500, "no attribute", id="bug"),
    pytest.param("await call.user.may", 1, 500, "TypeError", id="method that nobody calls"),
    pytest.param("await call.run(open, '/nowhere')", 1, 500, "FileNotFoundError", id="work that fails"),
    pytest.param(
        "async with call.db() as session: await session.execute('SELECT x')", 1, 500, "OperationalError", id="wrong SQL"
    ),
    pytest.param("await call.dial(ext('102'))", 61, 480, "", id="no timeout for dial"),
    pytest.param("await call.answer(); await call.sleep(10**6)", 601, 200, "longest that", id="limit"),
]  # fmt: skip


@pytest.mark.filterwarnings(NOBODY_WAITS)
@pytest.mark.parametrize(("body", "seconds", "status", "sentence"), MISTAKES)
def test_a_mistake_ends_its_own_call_and_no_other(
    tmp_path: Path, logged_errors: object, body: str, seconds: float, status: int, sentence: str
) -> None:
    file = tmp_path / "dialplan.py"
    file.write_text(f"{HEAD}    {body}\n")
    with capturedLogs() as events:
        plan = loading.load(file, lambda number: True)
        sim = Sim(plan, trace=False)
        a, b, other = sim.phone("110"), sim.phone("111"), sim.phone("101")
        sim.phone("102")
        a.dials("111")
        b.answer()
        other.dials("600")
        sim.advance(seconds)
    said = [str(formatEvent(event)) + str(event.get("log_failure", "")) for event in events]
    assert sentence in "\n".join([*said, *map(str, loading.doubtful(str(file), plan))])
    if status:
        assert other.idle and other.call.status == status
    if seconds < 600:
        assert a.talks_to(b)
    other.hang_up()
    sim.advance(GRACE + 1)
    logged_errors()  # type: ignore[operator]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (
            "while True:\n        try: await call.sleep(1)\n        except BaseException: pass",
            "swallows every exception",
        ),
        ("try: await call.sleep(60)\n    finally: await call.sleep(60)", ""),
        ("try: await call.sleep(60)\n    except BaseException: await call.run(print)\n    await call.sleep(60)", ""),
        ("try: await call.sleep(60)\n    finally: raise ValueError('cleaning up')", "cleaning up"),
    ],
)
def test_who_swallows_the_hang_up_is_ended_and_named(
    tmp_path: Path, logged_errors: object, body: str, sentence: str
) -> None:
    file = tmp_path / "dialplan.py"
    file.write_text(f"{HEAD}    {body}\n")
    with capturedLogs() as events:
        sim = Sim(loading.load(file, lambda number: True), trace=False)
        a, b, other = sim.phone("110"), sim.phone("111"), sim.phone("101")
        a.dials("111")
        b.answer()
        other.dials("600")
        other.hang_up()
        sim.advance(GRACE + 1)
    assert sentence in "\n".join(str(formatEvent(event)) + str(event.get("log_failure", "")) for event in events)
    assert len(sim.exchange.exchange.switchboard.calls) == 1
    assert a.talks_to(b)
    a.hang_up()
    sim.assert_idle()
    logged_errors()  # type: ignore[operator]
