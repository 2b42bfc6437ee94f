"""Which route takes a call, and the mistakes that are found when routes are declared."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.dialplan.call import Call
from pbx.dialplan.plan import Plan
from pbx.exchange.caller import Source
from pbx.exchange.numbering import Numbering
from pbx.faults import Fault
from tests.dialplan.scripted import ScriptedBridge


def here() -> int:
    """The line that calls."""
    frame = inspect.currentframe()
    assert frame is not None and frame.f_back is not None
    return frame.f_back.f_lineno


def noting(name: str, taken: list[Any]) -> Any:
    async def route(call: Call, **values: object) -> None:
        taken.append((name, values))

    return route


def taken_by(plan: Plan[Any], number: str, source: Source = Source.INTERNAL) -> list[tuple[Any, ...]]:
    """Run a call and return what the bridge was told."""
    bridge = ScriptedBridge(number, source)
    plan.run(bridge)
    return bridge.done


def test_the_route_gets_the_call_and_the_converted_values() -> None:
    plan = Plan()
    seen: list[object] = []

    @plan.internal("*<room:int>*<digits:1X>")
    async def conference(call: Call, room: int, digits: str) -> None:
        seen.extend([call.number, call.id, call.caller.name, room, digits])

    bridge = ScriptedBridge("*07*12", id="7f3a")
    plan.run(bridge)
    assert seen == ["*07*12", "7f3a", "Alice", 7, "12"]
    assert bridge.over == "plan_ended"


def test_a_route_can_be_declared_without_the_at_sign_and_the_function_stays_a_function() -> None:
    plan = Plan()

    async def desk(call: Call) -> None:
        await call.answer()

    assert plan.internal("900")(desk) is desk
    plan.internal("901")(desk)
    for number in ("900", "901"):
        assert taken_by(plan, number) == [("answer",), ("plan_ended",)]


def test_an_unknown_number_is_404_and_for_a_stranger_403() -> None:
    plan = Plan()
    plan.internal("600")(noting("echo", []))
    assert taken_by(plan, "601") == [("reject", 404, None)]
    assert taken_by(plan, "601", Source.INBOUND) == [("reject", 404, None)]
    assert taken_by(plan, "601", Source.ANONYMOUS) == [("reject", 403, None)]
    assert taken_by(plan, "") == [("reject", 404, None)]


def test_nothing_is_reachable_from_a_source_it_was_not_declared_for() -> None:
    plan = Plan()
    plan.internal("600")(noting("inside", []))
    plan.anonymous("700")(noting("outside", []))
    assert taken_by(plan, "600", Source.ANONYMOUS) == [("reject", 403, None)]
    assert taken_by(plan, "700", Source.ANONYMOUS) == [("plan_ended",)]
    assert taken_by(plan, "700") == [("reject", 404, None)]
    assert taken_by(plan, "600", Source.INBOUND) == [("reject", 404, None)]


def test_the_most_specific_route_wins_whatever_the_order() -> None:
    patterns = ["<n:any>", "<n:int>", "<n:1XX>", "<n:10X>", "<n:[12]05>", "100", "0<n:any>", "00<n:any>"]
    for order in (patterns, patterns[::-1]):
        plan = Plan()
        taken: list[Any] = []
        for pattern in order:
            plan.internal(pattern)(noting(pattern, taken))
        for number in ("100", "105", "102", "112", "2", "bob", "0012", "012", "0a", "00a"):
            taken_by(plan, number)
        winners = ["100", "<n:[12]05>", "<n:10X>", "<n:1XX>", "<n:int>", "<n:any>"]
        winners += ["00<n:any>", "0<n:any>", "0<n:any>", "00<n:any>"]
        assert [name for name, _ in taken] == winners


def test_a_hundred_routes_each_take_their_own_calls() -> None:
    plan = Plan()
    taken: list[Any] = []
    for number in range(100):
        plan.internal(f"<n:{number:02}XX>")(noting(str(number), taken))
    for number in range(100):
        taken_by(plan, f"{number:02}{number:02}")
    assert taken == [(str(number), {"n": f"{number:02}{number:02}"}) for number in range(100)]


@given(
    st.sets(st.sampled_from(["1", "2", "X", "Z", "[12]", "int", "any"]).map("<n:{}>".format)),
    st.text("012a", max_size=2),
)
def test_the_route_is_the_first_in_rank_that_matches(patterns: set[str], number: str) -> None:
    plan = Plan()
    taken: list[Any] = []
    declared = []
    for text in sorted(patterns):
        try:
            plan.internal(text)(noting(text, taken))
        except Fault:
            assert {text} < {"<n:1>", "<n:2>"}
        declared.append(text)
    taken_by(plan, number)
    order = ["<n:1>", "<n:2>", "<n:[12]>", "<n:Z>", "<n:X>", "<n:int>", "<n:any>"]
    sets = ["1", "2", "12", "123456789", "0123456789"]
    fits = [set(number) <= set(some) and len(number) == 1 for some in sets]
    fits += [number.isdigit(), bool(number)]
    expected = [text for text, fit in zip(order, fits, strict=True) if fit and text in declared][:1]
    assert [name for name, _ in taken] == expected


@pytest.mark.parametrize("number", ["1001\r\nforged", "\x1b[2J", "\udcff"])
def test_a_number_that_cannot_be_printed_has_no_route(number: str) -> None:
    plan = Plan()
    plan.internal("<number:any>")(noting("any", []))
    assert taken_by(plan, number) == [("reject", 404, None)]


def test_an_endless_number_has_no_route() -> None:
    plan = Plan()
    plan.internal("<a:any>*<b:any>*<c:any>*<d:any>#")(noting("stars", []))
    plan.internal("<n:any>")(noting("any", []))
    assert taken_by(plan, "*" * 60_000) == [("reject", 404, None)]
    assert taken_by(plan, "1" * 255) == [("plan_ended",)]


@pytest.mark.parametrize(
    ("first", "second", "number"),
    [("600", "600", "600"), ("<a:1XX>", "<b:1XX>", "100"), ("<a:1XX>", "<a:XX1>", "101"), ("100", "<a:100>", "100")],
)
def test_two_routes_that_tie_are_refused_with_the_places_of_both(first: str, second: str, number: str) -> None:
    plan = Plan()
    plan.internal(first)(noting("first", []))
    there = here() - 1
    with pytest.raises(Fault) as refused:
        plan.internal(second)(noting("second", []))
    assert refused.value.path == __file__
    assert refused.value.line == there + 3
    assert f"{__file__}:{there} both match {number}" in refused.value.what


def test_routes_that_tie_on_no_number_or_in_another_source_are_fine() -> None:
    plan = Plan()
    plan.internal("<a:1XX>")(noting("first", []))
    plan.internal("<a:2XX>")(noting("second", []))
    plan.anonymous("<a:1XX>")(noting("third", []))
    assert taken_by(plan, "200") == [("plan_ended",)]


async def no_parameters() -> None: ...
async def only_call(call: Call) -> None: ...
async def other_name(call: Call, nummer: str) -> None: ...
async def one_more(call: Call, number: str, more: str) -> None: ...
async def with_default(call: Call, number: str, more: str = "") -> None: ...
def no_coroutine(call: Call, number: str) -> None: ...


@pytest.mark.parametrize(
    ("function", "what"),
    [
        (no_parameters, "does not fit its pattern '<number:1XX>': too many positional arguments"),
        (only_call, "does not fit its pattern '<number:1XX>': got an unexpected keyword argument 'number'"),
        (other_name, "missing a required argument: 'nummer'"),
        (one_more, "missing a required argument: 'more'"),
        (no_coroutine, "no_coroutine is not a coroutine function"),
        (print, "print is not a coroutine function"),
        (None, "None is not a coroutine function"),
    ],
)
def test_a_function_that_does_not_fit_is_refused_when_it_is_declared(function: Any, what: str) -> None:
    with pytest.raises(Fault) as refused:
        Plan().internal("<number:1XX>")(function)
    assert (refused.value.path, refused.value.line) == (__file__, here() - 1)
    assert what in refused.value.what
    assert "(call, number)" in refused.value.remedy


def test_a_function_may_take_more_than_the_pattern_gives_if_it_can_do_without() -> None:
    plan = Plan()
    plan.internal("<number:1XX>")(with_default)
    assert taken_by(plan, "100") == [("plan_ended",)]


@pytest.mark.parametrize("text", ["<number>", "", 600, None])
def test_a_wrong_pattern_is_refused_with_its_place(text: Any) -> None:
    with pytest.raises(Fault) as refused:
        Plan().internal(text)
    assert (refused.value.path, refused.value.line) == (__file__, here() - 1)
    assert refused.value.what.startswith(f"pattern {text!r}: ")


def test_each_call_has_its_own_state() -> None:
    class Steps:
        def __init__(self) -> None:
            self.count = 0

    plan = Plan(state=Steps)
    counts = []

    @plan.internal("600")
    async def count(call: Call[Steps]) -> None:
        call.state.count += 1
        call.state.count += 1
        counts.append(call.state.count)

    taken_by(plan, "600")
    taken_by(plan, "600")
    assert counts == [2, 2]


def test_a_call_without_state_has_none() -> None:
    plan = Plan()
    states: list[object] = []

    @plan.internal("600")
    async def look(call: Call) -> None:
        states.append(call.state)

    taken_by(plan, "600")
    assert states == [None]


def test_outbound_route_is_for_those_whose_class_of_service_has_its_word():
    plan = Plan()

    @plan.outbound("00<number:int>", allow="international")
    async def abroad(call: Call, number: int) -> None:
        await call.answer()

    for may, done in (("international transfer-out", ("answer",)), ("national", ("forbid", "class-of-service"))):
        bridge = ScriptedBridge("0044", may=may)
        plan.run(bridge)
        assert bridge.done[0] == done
    stranger = ScriptedBridge("0044", Source.ANONYMOUS, may="international")
    plan.run(stranger)
    assert stranger.done == [("reject", 403, None)]


def test_outbound_and_internal_routes_stand_side_by_side_and_the_narrower_one_counts():
    plan = Plan()

    @plan.outbound("0<number:any>", allow="national")
    async def outside(call: Call, number: str) -> None:
        await call.answer()

    @plan.internal("0")
    async def reception(call: Call) -> None:
        await call.echo()

    bridge = ScriptedBridge("0")
    plan.run(bridge)
    assert bridge.done == [("echo",)]
    with pytest.raises(Fault, match="both match"):

        @plan.internal("0<number:any>")
        async def same(call: Call, number: str) -> None:
            pass


@pytest.mark.parametrize("allow", ["", "two words", " ", "line\n", None, 7])
def test_outbound_route_without_a_word_is_a_fault_at_load(allow):
    plan = Plan()
    with pytest.raises(Fault, match="allow"):
        plan.outbound("0<number:any>", allow=allow)


@pytest.mark.parametrize(
    ("dialled", "number"),
    [
        ("00142255501", "+33142255501"),
        ("0004930123456", "+4930123456"),
        ("0+4930123456", "+4930123456"),
        ("00033142255501", "+33142255501"),
        ("0000", None),
        ("0+49", None),
        ("0+0142255501", None),
        ("0" + "1" * 20, None),
        ("0014225550a", None),
    ],
)
def test_a_telephone_number_is_made_international(dialled: str, number: str | None) -> None:
    plan = Plan()
    taken: list[Any] = []
    plan.numbering = Numbering("33")
    plan.internal("0<number:e164>")(noting("outbound", taken))
    done = taken_by(plan, dialled)
    if number is None:
        assert done == [("reject", 404, None)]
    else:
        assert taken == [("outbound", {"number": number})]
    assert plan.serves(Source.INTERNAL, dialled) is (number is not None)


def test_an_e164_route_stands_behind_a_fixed_one_and_before_any() -> None:
    plan = Plan()
    taken: list[Any] = []
    for pattern in ("<n:any>", "<n:e164>", "<n:int>", "<n:1XX>"):
        plan.internal(pattern)(noting(pattern, taken))
    for number in ("112", "33", "+33142255501", "bob"):
        taken_by(plan, number)
    assert [name for name, _ in taken] == ["<n:1XX>", "<n:int>", "<n:e164>", "<n:any>"]


def test_unknown_numbers_and_exceptions_have_one_default_each_that_can_be_overridden(logged_errors: Any) -> None:
    plan = Plan()
    seen: list[object] = []

    @plan.on_unknown
    async def unknown(call: Call) -> None:
        seen.append(call.number)
        await call.reject(410)

    @plan.on_exception
    async def failed(call: Call, error: Exception) -> None:
        seen.append(type(error))
        if call.number == "666":
            raise error
        await call.reject(480)

    @plan.internal("<number:6XX>")
    async def buggy(call: Call, number: str) -> None:
        raise LookupError(number)

    assert taken_by(plan, "700") == [("reject", 410, None), ("plan_ended",)]
    assert taken_by(plan, "700", Source.ANONYMOUS) == [("reject", 403, None)]
    assert taken_by(plan, "600") == [("reject", 480, None), ("plan_failed",)]
    assert taken_by(plan, "666") == [("plan_failed",)]
    assert seen == ["700", LookupError, LookupError]
    assert len(logged_errors()) == 3


@pytest.mark.parametrize("decorator", ["on_unknown", "on_exception", "on_limit"])
def test_a_default_that_cannot_be_called_is_found_at_load(decorator: str) -> None:
    def plain(call: Call) -> None: ...

    async def wrong() -> None: ...

    for function in (plain, wrong):
        with pytest.raises(Fault) as caught:
            getattr(Plan(), decorator)(function)
        assert f"async def {function.__name__}(call" in caught.value.remedy
        assert caught.value.path == __file__
