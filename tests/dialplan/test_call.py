"""The verbs: what the bridge is asked, and what a wrong use of a verb says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from twisted.logger import LogEvent, eventAsText, globalLogPublisher

from pbx.dialplan.call import Call
from pbx.exchange.outcome import Answered, Busy, Declined, Failed, Outcome
from pbx.exchange.target import ext, uri
from tests.dialplan.scripted import Script, ScriptedBridge, calls


def error_of(script: Script, bridge: ScriptedBridge | None = None) -> Exception:
    """Run a script that has to raise an exception, and return that."""
    raised: list[Exception] = []

    async def careful(call: Call) -> None:
        try:
            await script(call)
        except Exception as error:
            raised.append(error)

    calls(careful, bridge)
    [error] = raised
    return error


def test_a_call_tells_who_calls_whom_and_when() -> None:
    bridge = ScriptedBridge(id="7f3a")
    bridge.clock.advance(1_773_136_800)  # 2026-03-10 10:00 UTC
    seen: list[object] = []

    async def script(call: Call) -> None:
        seen.extend(
            [call.id, call.caller.number, call.caller.name, call.number, call.now, call.now.utcoffset() is None]
        )
        assert repr(call) == "<Call 7f3a 1001 to 600>"

    calls(script, bridge)
    assert seen == ["7f3a", "1001", "Alice", "600", datetime(2026, 3, 10, 10, tzinfo=UTC), False]


@pytest.mark.parametrize("outcome", [Busy(by=ext("101")), Declined(), Failed(503, "no"), Answered()])
def test_dial_rings_all_targets_and_returns_the_outcome(outcome: Outcome) -> None:
    outcomes: list[Outcome] = []

    async def script(call: Call) -> None:
        outcomes.append(await call.dial(ext("101"), uri("sip:x@127.0.0.3:5070"), timeout=20))

    bridge = calls(script)
    assert bridge.done == [("dial", "101", "sip:x@127.0.0.3:5070", 20)]
    bridge.ends(outcome)
    assert outcomes == [outcome]
    assert bridge.over == "plan_ended"


def test_after_the_callee_hung_up_the_plan_goes_on() -> None:
    async def script(call: Call) -> None:
        if await call.dial(ext("101")):
            await call.dial(ext("102"))

    bridge = calls(script)
    bridge.answered = True
    bridge.ends(Answered())
    assert bridge.done[-1] == ("dial", "102", 60)
    bridge.leaves()


def test_answer_is_done_once() -> None:
    async def script(call: Call) -> None:
        await call.answer()
        await call.answer()

    assert calls(script).done == [("answer",), ("plan_ended",)]


def test_echo_lasts_until_the_bridge_says_so() -> None:
    async def script(call: Call) -> None:
        await call.echo()
        await call.hang_up()

    bridge = calls(script)
    assert bridge.done == [("echo",)]
    bridge.pending.callback(None)
    assert bridge.done == [("echo",), ("hang_up",), ("plan_ended",)]


def test_sleep_lasts_as_long_as_it_says() -> None:
    async def script(call: Call) -> None:
        await call.sleep(0)
        await call.sleep(2.5)

    bridge = calls(script)
    bridge.clock.advance(0)
    bridge.clock.advance(2.375)
    assert bridge.done == []
    bridge.clock.advance(0.125)
    assert bridge.over == "plan_ended"


def test_reject_ends_the_call_with_a_status_and_one_of_603_by_default() -> None:
    async def declining(call: Call) -> None:
        await call.reject()

    async def explaining(call: Call) -> None:
        await call.reject(486, "In a meeting")

    assert calls(declining).done == [("reject", 603, None), ("plan_ended",)]
    assert calls(explaining).done == [("reject", 486, "In a meeting"), ("plan_ended",)]


def test_reject_after_an_answer_hangs_up() -> None:
    async def script(call: Call) -> None:
        await call.answer()
        await call.reject(486)

    assert calls(script).done == [("answer",), ("hang_up",), ("plan_ended",)]


def test_redirect_names_other_addresses() -> None:
    async def script(call: Call) -> None:
        await call.redirect(uri("sip:desk@example.org"), "sip:night@example.org", status=301)

    assert calls(script).done == [("redirect", "sip:desk@example.org", "sip:night@example.org", 301), ("plan_ended",)]


def test_redirect_after_an_answer_is_a_mistake() -> None:
    async def script(call: Call) -> None:
        await call.answer()
        await call.redirect("sip:desk@example.org")

    assert str(error_of(script)) == "redirect() is for calls that are not answered"


def test_hang_up_may_come_after_everything() -> None:
    async def script(call: Call) -> None:
        await call.reject(404)
        await call.hang_up()

    assert calls(script).done == [("reject", 404, None), ("plan_ended",)]


@pytest.mark.parametrize("verb", ["dial", "answer", "echo", "reject", "redirect", "sleep"])
def test_a_verb_on_a_call_that_we_ended_is_a_mistake(verb: str) -> None:
    arguments: dict[str, tuple[Any, ...]] = {"dial": (ext("101"),), "redirect": ("sip:a@b",), "sleep": (1,)}

    async def script(call: Call) -> None:
        await call.reject(486)
        await getattr(call, verb)(*arguments.get(verb, ()))

    expected = f"{verb}() on a call that has ended; return after reject(), redirect() and hang_up()"
    bridge = ScriptedBridge()
    assert str(error_of(script, bridge)) == expected
    assert bridge.done == [("reject", 486, None), ("plan_ended",)]


WRONG: list[tuple[Callable[[Any], Any], type[Exception], str]] = [
    (lambda call: call.dial(), ValueError, 'dial() needs somebody to call, for example ext("101")'),
    (
        lambda call: call.dial("101"),
        TypeError,
        """dial() calls targets such as ext("101") or uri("sip:..."), not '101'""",
    ),
    (lambda call: call.dial([ext("101")]), TypeError, "dial() calls targets such as"),
    (lambda call: call.dial(ext("101"), timeout=0), ValueError, "dial(): timeout is in seconds and must be > 0"),
    (lambda call: call.dial(ext("101"), timeout=-1), ValueError, "dial(): timeout is in seconds and cannot be -1"),
    (lambda call: call.dial(ext("101"), timeout="20"), TypeError, "dial(): timeout is a number of seconds, not '20'"),
    (lambda call: call.dial(ext("101"), timeout=None), TypeError, "dial(): timeout is a number of seconds, not None"),
    (lambda call: call.dial(ext("101"), timeout=True), TypeError, "dial(): timeout is a number of seconds, not True"),
    (lambda call: call.dial(ext("101"), timeout=float("inf")), ValueError, "in seconds and cannot be inf"),
    (lambda call: call.sleep(float("nan")), ValueError, "sleep(): seconds is in seconds and cannot be nan"),
    (lambda call: call.sleep(-0.1), ValueError, "cannot be -0.1"),
    (lambda call: call.reject(200), ValueError, "reject(): status is 400 to 699, not 200"),
    (lambda call: call.reject("486"), TypeError, "reject(): status is a number, not '486'"),
    (lambda call: call.reject(486, "Busy\r\nVia: x"), ValueError, "reject(): reason is one line of text"),
    (lambda call: call.reject(486, 486), ValueError, "reject(): reason is one line of text"),
    (lambda call: call.redirect(), ValueError, "redirect() needs an address"),
    (lambda call: call.redirect(ext("101")), TypeError, 'redirect() takes addresses such as "sip:desk@example.org"'),
    (lambda call: call.redirect("desk"), ValueError, "a URI such as sip:desk@example.org"),
    (lambda call: call.redirect("sip:a@b", status=603), ValueError, "redirect(): status is 300 to 399, not 603"),
]


@pytest.mark.parametrize(("verb", "kind", "words"), WRONG, ids=range(len(WRONG)))
def test_a_wrong_argument_is_one_clear_error_and_nothing_happens(
    verb: Callable[[Any], Any], kind: type[Exception], words: str
) -> None:
    bridge = ScriptedBridge()
    error = error_of(verb, bridge)
    assert type(error) is kind
    assert words in str(error)
    assert bridge.done == [("plan_ended",)]


def test_log_writes_one_line_with_the_facts() -> None:
    events: list[LogEvent] = []

    async def script(call: Call) -> None:
        call.log("declined", by=ext("101"), format="{braces}", call="mine")

    globalLogPublisher.addObserver(events.append)
    try:
        calls(script)
    finally:
        globalLogPublisher.removeObserver(events.append)
    [event] = events
    assert eventAsText(event, includeTimestamp=False, includeSystem=False) == (
        "call c1: declined by=101 format={braces} call=mine"
    )
    assert event["facts"] == {"by": ext("101"), "format": "{braces}", "call": "mine"}
