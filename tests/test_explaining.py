"""What `pbx explain` says: the real plan, in a simulation, for each way in which phones may react."""

from __future__ import annotations

import pytest

from pbx.dialplan import Busy, Call, Plan, ext, group, trunk, uri
from pbx.dialplan.groups import in_turn
from pbx.dialplan.hours import Hours
from pbx.exchange.extension import Extension
from pbx.exchange.numbering import Numbering
from pbx.explaining import explain

plan = Plan()
OPEN = Hours("Mon-Fri 09:00-17:30", tz="Europe/Paris")
EXTENSIONS = {
    "101": Extension("101", "Alice", "", "", class_of_service=frozenset({"international"})),
    "102": Extension("102", "Bob", "", ""),
    "103": Extension("103", "Carol", "", ""),
}


@plan.internal("<number:1XX>")
async def extension(call: Call, number: str) -> None:
    match await call.dial(ext(number), timeout=20):
        case Busy():
            await call.dial(ext("103"), timeout=10)


@plan.internal("<number:int>")
async def others(call: Call, number: int) -> None:
    await call.reject(410)


@plan.internal("0")
async def desk(call: Call) -> None:
    if call.now in OPEN:
        await call.dial(ext("101"), timeout=15)
    else:
        await call.redirect(uri("sip:night@example.org"))


@plan.internal("700")
async def team(call: Call) -> None:
    await call.dial(group("102", "103", strategy=in_turn, ring_for=10))


@plan.internal("701")
async def screened(call: Call) -> None:
    await call.ring(ext("102"), timeout=15)


@plan.outbound("9<number:any>", allow="international")
async def outbound(call: Call, number: str) -> None:
    await call.reject(503)


@plan.inbound(trunk("acme"), did="+14155550100")
async def sales(call: Call) -> None:
    await call.dial(ext("101" if call.caller.number == "+15551234567" else "102"), timeout=25)


@plan.inbound(trunk("backup"))
async def anything(call: Call) -> None:
    await call.dial(ext("team"), timeout=10)


def said(caller: str, number: str, at: str = "2026-03-10 10:00 Europe/Paris") -> list[str]:
    return list(explain(plan, EXTENSIONS, caller, number, at))


def test_a_group_is_told_with_its_strategy_and_its_members_react() -> None:
    lines = said("101", "700")
    assert "if answered: rings 102, 103 (in turn) for 60 s; the caller is answered" in lines
    assert "if busy: rings 102, 103 (in turn) for 60 s; the caller gets 486" in lines


def test_who_is_rung_apart_is_told_too() -> None:
    assert "if busy: rings 102 for 15 s; the caller gets 486" in said("101", "701")


def test_the_route_the_others_and_each_outcome() -> None:
    lines = said("101", "102")
    assert lines[0] == "101 (extension) calls 102 at 2026-03-10 10:00 Europe/Paris"
    assert lines[1].startswith("route   '<number:1XX>' at ")
    assert lines[1].endswith(": extension, number='102'")
    assert any(line.startswith("not     '<number:int>'") and "less specific" in line for line in lines)
    assert any(line.startswith("not     '0'") and line.endswith("it does not match") for line in lines)
    assert "if unreachable: rings 102 for 20 s; the caller gets 480" in lines
    assert "if not answered: rings 102 for 20 s; the caller gets 480" in lines
    assert "if declined: rings 102 for 20 s; the caller gets 603" in lines
    assert "if busy: rings 102 for 20 s; rings 103 for 10 s; the caller gets 480" in lines
    assert "if answered: rings 102 for 20 s; the caller is answered" in lines


@pytest.mark.parametrize(
    ("at", "what"),
    [
        ("2026-03-10 10:00 Europe/Paris", "rings 101 for 15 s; the caller is answered"),
        ("2026-03-14 10:00 Europe/Paris", "then    sends the caller to sip:night@example.org; the caller gets 302"),
    ],
)
def test_the_time_counts(at: str, what: str) -> None:
    assert any(what in line for line in said("102", "0", at))


def test_the_class_of_service_and_strangers() -> None:
    assert "needs   'international' in the class of service, which the caller has" in said("101", "94")
    lines = said("102", "94")
    assert "needs   'international' in the class of service, which the caller has not" in lines
    assert lines[-1] == "then    the caller gets 403"
    assert "no route of anonymous callers takes it" in said("bob", "101")


def test_a_call_to_the_outside_by_two_trunks() -> None:
    from etc.examples.office import plan as office

    extensions = {
        "101": Extension(
            "101", "Alice", "", "", class_of_service=frozenset({"international"}), caller_id="+33142000101"
        )
    }
    at, trunks = "2026-03-10 10:00 Europe/Paris", ("acme", "backup")
    lines = list(explain(office, extensions, "101", "00142255501", at, trunks, Numbering("33")))
    by_acme = "rings +33142255501 by acme as +33142000101 for 60 s"
    by_backup = by_acme.replace("acme", "backup")
    assert f"if answered: {by_acme}; the caller is answered" in lines
    assert f"if busy: {by_acme}; the caller gets 486" in lines
    assert any(line.startswith(f"if unreachable: {by_acme}; {by_backup}; the caller gets") for line in lines)


def test_what_is_no_time() -> None:
    with pytest.raises(ValueError, match="tomorrow"):
        said("101", "102", "tomorrow")


def inbound(caller: str, number: str) -> list[str]:
    aliases = {"team": "103", "sales": "101"}
    return list(explain(plan, EXTENSIONS, caller, number, AT, ("acme", "backup"), aliases=aliases))


AT = "2026-03-10 10:00 Europe/Paris"


def test_a_call_over_a_trunk() -> None:
    lines = inbound("acme", "14155550100")
    assert lines[0] == f"acme (over a trunk) calls 14155550100, which is +14155550100 at {AT}"
    assert "sales" in lines[1]
    assert any(line.endswith("it is for calls over the trunk backup") for line in lines)
    assert "if answered: rings 102 for 25 s; the caller is answered" in lines
    assert "if answered: rings 101 for 25 s; the caller is answered" in inbound("+15551234567@acme", "+14155550100")
    assert inbound("acme", "+14155550199")[1] == "no route of inbound callers takes it"
    assert any("of acme" in line and "another number" in line for line in inbound("acme", "+14155550199"))


def test_aliases_are_what_they_are_for_the_exchange() -> None:
    assert inbound("102", "sales")[0] == f"102 (extension) calls sales, which is 101 at {AT}"
    assert "if busy: rings team for 10 s; the caller gets 486" in inbound("backup", "+14155550199")
