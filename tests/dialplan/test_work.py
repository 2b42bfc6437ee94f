"""The verbs that work beside a call, and what is left for after it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed

from pbx.dialplan.call import Call
from pbx.dialplan.driver import HungUp
from pbx.dialplan.plan import Plan
from pbx.dialplan.surroundings import Surroundings
from pbx.exchange.caller import Source
from pbx.outside import MOST_WAITING, Outside
from pbx.sip.headers import PRIORITY, SUBJECT
from pbx.store import migration
from pbx.store.database import open_database
from tests.dialplan.scripted import Script, ScriptedBridge


class ScriptedOutside:
    """An outside whose work a test finishes.

    :ivar done: what the sessions were asked, in order.
    """

    def __init__(self) -> None:
        self.pending: list[Deferred[Any]] = []
        self.done: list[Any] = []
        self.cancelled = 0

    def run(self, work: Callable[[], Any]) -> Deferred[Any]:
        self.pending.append(Deferred())
        return self.pending[-1].addCallback(lambda _: work())

    async def database(self, writing: bool) -> ScriptedOutside:
        self.done.append(("begin", writing))
        self.pending.append(Deferred())
        await self.pending[-1]
        return self

    def execute(self, statement: Any, **values: object) -> Deferred[Sequence[Any]]:
        self.done.append((statement, values))
        self.pending.append(Deferred())
        return self.pending[-1]

    def finish(self, commit: bool) -> Deferred[None]:
        self.done.append("commit" if commit else "rollback")
        return succeed(None)

    def task(self, coroutine: Coroutine[Any, Any, Any]) -> Deferred[Any]:
        coroutine.close()

        def cancelled(deferred: Deferred[Any]) -> None:
            self.cancelled += 1

        self.pending.append(Deferred(cancelled))
        return self.pending[-1]


def calls(script: Script, outside: Any = None, **features: Any) -> ScriptedBridge:
    plan = Plan(limit=features.pop("limit", 14400))
    if "overstayed" in features:
        plan.on_limit(features.pop("overstayed"))
    if outside is not None:
        plan.surroundings = Surroundings(outside=outside)
    plan.internal("600")(script)
    bridge = ScriptedBridge(**features)
    plan.run(bridge)
    return bridge


def test_run_gives_what_the_function_gives_and_a_hang_up_reaches_it() -> None:
    outside, seen = ScriptedOutside(), []

    async def script(call: Call) -> None:
        seen.append(await call.run(divmod, 7, 2))
        with pytest.raises(ZeroDivisionError):
            await call.run(divmod, 7, 0)
        try:
            await call.run(divmod, 7, 3)
        except HungUp:
            seen.append((0, 0))
            raise

    bridge = calls(script, outside)
    outside.pending[0].callback(None)
    outside.pending[1].callback(None)
    assert seen == [(3, 1)]
    bridge.leaves()
    assert seen == [(3, 1), (0, 0)]
    outside.pending[2].callback(None)
    assert bridge.over == "plan_ended"


def test_a_transaction_is_committed_or_undone_and_one_that_comes_too_late_is_undone() -> None:
    outside = ScriptedOutside()

    async def good(call: Call) -> None:
        async with call.db(writing=True) as session:
            await session.execute("INSERT", number="1")

    calls(good, outside)
    outside.pending[0].callback(None)
    outside.pending[1].callback([])
    assert outside.done == [("begin", True), ("INSERT", {"number": "1"}), "commit"]

    for at in (0, 1):
        outside = ScriptedOutside()
        bridge = calls(good, outside)
        for pending in range(at):
            outside.pending[pending].callback(None)
        bridge.leaves()
        assert bridge.over == "plan_ended"
        if at == 0:
            outside.pending[0].callback(None)
        assert outside.done[-1] == "rollback"


def test_a_hang_up_cancels_a_task_of_asyncio() -> None:
    outside = ScriptedOutside()

    async def fetch() -> str:
        return "page"

    async def script(call: Call) -> None:
        assert await call.asyncio(fetch()) == "page"
        await call.asyncio(fetch())

    bridge = calls(script, outside)
    outside.pending[0].callback("page")
    bridge.leaves()
    assert outside.cancelled == 1
    assert bridge.over == "plan_ended"


def test_elsewhere_each_says_what_it_needs() -> None:
    said = []

    async def script(call: Call) -> None:
        for wrong in (call.run(len, ""), call.asyncio(asyncio.sleep(0))):
            with pytest.raises(RuntimeError) as caught:
                await wrong
            said.append(str(caught.value))
        with pytest.raises(RuntimeError, match=r"call\.db\(\) needs an exchange that runs"):
            async with call.db():
                pass
        with pytest.raises(TypeError, match="takes a function"):
            await call.run(3)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="takes a coroutine"):
            await call.asyncio(len)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="takes a coroutine"):
            call.after_hangup(len)  # type: ignore[arg-type]

    assert calls(script).over == "plan_ended"
    assert "there are no threads here" in said[0]
    assert "twistd --reactor=asyncio pbx" in said[1]


def test_work_is_done_after_the_call_whoever_ended_it_one_after_the_other(logged_errors: Any) -> None:
    done = []

    async def later(call: Call, name: str) -> None:
        await call.run(done.append, name)
        if name == "b":
            raise LookupError("b")

    async def script(call: Call) -> None:
        for name in "abc":
            call.after_hangup(later(call, name))
        await call.sleep(5)

    outside = ScriptedOutside()
    bridge = calls(script, outside)
    bridge.leaves()
    assert bridge.done == [("plan_ended",)]
    for number in range(3):
        outside.pending[number].callback(None)
    assert done == ["a", "b", "c"]
    assert not bridge.clock.getDelayedCalls()
    assert len(logged_errors()) == 1


def test_work_after_the_call_has_a_minute_and_cannot_sound() -> None:
    seen = []

    async def later(call: Call) -> None:
        with pytest.raises(RuntimeError, match="has ended"):
            await call.answer()
        seen.append("tried")
        await Deferred()

    async def script(call: Call) -> None:
        call.after_hangup(later(call))

    bridge = calls(script)
    assert seen == ["tried"]
    bridge.clock.advance(59)
    assert bridge.clock.getDelayedCalls()
    bridge.clock.advance(1)
    assert not bridge.clock.getDelayedCalls()


def test_a_call_cannot_leave_a_thousand_things_behind(logged_errors: Any) -> None:
    async def later() -> None:
        pass

    async def script(call: Call) -> None:
        while True:
            call.after_hangup(later())

    assert calls(script).over == "plan_failed"
    assert "is it a loop" in str(logged_errors()[0]["log_failure"].value)


def test_the_plan_says_how_long_a_call_may_last_and_what_then() -> None:
    seen = []

    async def overstayed(call: Call) -> None:
        seen.append(call.caller.number)

    async def script(call: Call) -> None:
        while True:
            await call.sleep(10)

    bridge = calls(script, limit=60, overstayed=overstayed)
    bridge.clock.advance(60)
    assert bridge.done == [("hang_up",), ("plan_ended",)]
    assert seen == ["1001"]


def test_the_call_tells_its_user_its_fields_and_its_chance() -> None:
    seen: list[Any] = []

    async def script(call: Call) -> None:
        seen.extend([call.user.number, call.user.may("fax"), call.subject, call.priority, call.field("SUBJECT")])
        seen.extend([call.field("x-none"), call.random.random()])

    fields = [SUBJECT.field("Lunch"), PRIORITY.field("Urgent"), SUBJECT.field("Tea")]
    calls(script, fields=fields)
    calls(script)
    assert seen[:6] == ["1001", False, "Lunch", "urgent", "Lunch", None]
    assert seen[7:13] == ["1001", False, "", "normal", None, None]
    assert seen[6] == seen[13]


def test_only_an_extension_is_a_user(logged_errors: Any) -> None:
    async def script(call: Call) -> None:
        call.user.may("international")

    plan = Plan()
    plan.anonymous("600")(script)
    bridge = ScriptedBridge(source=Source.ANONYMOUS)
    plan.run(bridge)
    assert bridge.over == "plan_failed"
    assert "anonymous call" in str(logged_errors()[0]["log_failure"].value)


class ThreadReactor:
    """As much of a reactor as threads need: a test does what they leave for it."""

    def __init__(self) -> None:
        self.left: SimpleQueue[tuple[Any, ...]] = SimpleQueue()

    def callFromThread(self, function: Any, *args: Any, **kwargs: Any) -> None:
        self.left.put((function, args, kwargs))

    def until(self, waiting: Deferred[Any]) -> Any:
        results: list[Any] = []
        waiting.addBoth(results.append)
        while not results:
            function, args, kwargs = self.left.get(timeout=10)
            function(*args, **kwargs)
        if hasattr(results[0], "raiseException"):
            results[0].raiseException()
        return results[0]


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[tuple[Outside, ThreadReactor]]:
    url = f"sqlite:///{tmp_path}/pbx.db"
    migration.upgrade(url)
    reactor = ThreadReactor()
    outside = Outside(reactor, lambda: open_database(url))
    outside.start()
    yield outside, reactor
    outside.stop()


def test_real_threads_and_a_real_database(outside: tuple[Outside, ThreadReactor]) -> None:
    place, reactor = outside

    async def script() -> Sequence[Any]:
        assert await place.run(lambda: 6 * 7) == 42
        session = await place.database(True)
        await session.execute("INSERT INTO holidays (calendar, day) VALUES (:c, '2026-12-25')", c="fr")
        await session.finish(True)
        session = await place.database(True)
        await session.execute("DELETE FROM holidays")
        await session.finish(False)
        session = await place.database(False)
        rows = await session.execute("SELECT calendar FROM holidays")
        await session.finish(True)
        with pytest.raises(RuntimeError, match="reactor=asyncio"):
            await place.task(asyncio.sleep(0))
        return rows

    assert [row.calendar for row in reactor.until(Deferred.fromCoroutine(script()))] == ["fr"]


def test_an_error_in_sql_is_the_plans_and_its_connection_goes_back(outside: tuple[Outside, ThreadReactor]) -> None:
    place, reactor = outside

    async def script() -> None:
        for _ in range(30):
            session = await place.database(False)
            with pytest.raises(Exception, match="no such table"):
                await session.execute("SELECT * FROM nobody")
            await session.finish(False)

    reactor.until(Deferred.fromCoroutine(script()))


def test_too_much_work_is_refused(outside: tuple[Outside, ThreadReactor]) -> None:
    place, reactor = outside
    waiting = [place.run(lambda: None) for _ in range(MOST_WAITING)]
    with pytest.raises(RuntimeError, match="wait already"):
        reactor.until(place.run(lambda: None))
    for one in waiting:
        reactor.until(one)
