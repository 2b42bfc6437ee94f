"""What `pbx explain` says: the real plan, in a simulation, for each way in which phones may react."""

from __future__ import annotations

from typing import Any

import pytest

from pbx.dialplan import Busy, Call, Plan, ext, group, mailbox, prompt, trunk, uri
from pbx.dialplan.groups import in_turn
from pbx.dialplan.hours import Hours
from pbx.dialplan.surroundings import Surroundings
from pbx.dialplan.switches import Switches
from pbx.exchange.accounts import Accounts
from pbx.exchange.extension import Extension
from pbx.exchange.numbering import Numbering
from pbx.exchange.switch import Switch
from pbx.exchange.trunk import ACCOUNT, ASSERTED, Trunk
from pbx.explaining import Office, explain
from pbx.features.voicemail.mailbox import Mailbox

plan = Plan()
OPEN = Hours("Mon-Fri 09:00-17:30", tz="Europe/Paris")
AT = "2026-03-10 10:00 Europe/Paris"
ALIASES = {"team": "103", "sales": "101"}
EXTENSIONS = [
    Extension("101", "Alice", "", "", class_of_service=frozenset({"international"}), caller_id="+33142000101"),
    Extension("102", "Bob", "", ""),
    Extension("103", "Carol", "", ""),
    Extension("104", "Dave", "", "", enabled=False),
]
TRUNKS = [
    Trunk("acme", "acme.example", caller_id=ACCOUNT, username="us", number="+33100"),
    Trunk("backup", "backup.example", caller_id=ASSERTED),
    Trunk("third", "third.example", number="+33100"),
]
OFFICE = Office(Accounts(EXTENSIONS, ALIASES, trunks=TRUNKS), [Mailbox("sales")], Numbering("33"))


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


@plan.outbound("112", allow="emergencies")
async def emergency(call: Call) -> None:
    await call.dial_first(trunk("acme").to("112"), trunk("backup").to("112"), trunk("third").to("112"))


@plan.internal("702")
async def menu(call: Call) -> None:
    await call.ask(prompt("main-menu"), timeout=1)
    await call.play(prompt("goodbye"))
    await call.voicemail(mailbox("sales"))


@plan.internal("703")
async def wrong(call: Call) -> None:
    await call.dial(ext("102"), timeout=-1)


@plan.inbound(trunk("acme"), did="+14155550100")
async def sales(call: Call) -> None:
    await call.dial(ext("101" if call.caller.number == "+15551234567" else "102"), timeout=25)


@plan.inbound(trunk("backup"))
async def anything(call: Call) -> None:
    await call.dial(ext("team"), timeout=10)


def said(caller: str, number: str, at: str = AT) -> list[str]:
    return list(explain(plan, OFFICE, caller, number, at))


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
    for stranger in ("bob", "anonymous", "bob@elsewhere.example"):
        lines = said(stranger, "101")
        assert "no route of anonymous callers takes it" in lines and lines[-1] == "then    the caller gets 403"


def test_through_which_trunk_as_whom_and_for_how_long() -> None:
    lines = said("101", "112")
    patience = "for 60 s, 6 s without progress"
    by_acme = f"rings 112 by acme as us of +33142000101 {patience}"
    by_backup = f"rings 112 by backup as +33142000101 {patience}"
    by_third = f"rings 112 by third as +33142000101 {patience}"
    assert f"if answered: {by_acme}; the caller is answered" in lines
    assert f"if busy: {by_acme}; the caller gets 486" in lines
    assert f"if unreachable: {by_acme}; {by_backup}; {by_third}; the caller gets 408" in lines
    assert any("by acme as us of +33100 for" in line for line in said("102", "112"))
    assert any("by backup as anonymous for" in line for line in said("102", "112"))
    needed = "needs   'emergencies' in the class of service, which the caller has not"
    assert f"{needed}, and need not have for an emergency" in lines


def test_what_is_heard_and_where_callers_get() -> None:
    [line] = [line for line in said("101", "702") if line.startswith("then ")]
    assert line == "then    plays main-menu; the caller is answered; plays goodbye; goes to voicemail sales"


def test_a_plan_that_fails_is_told_and_ends_nothing(logged_errors: Any) -> None:
    assert any("the dialplan fails: ValueError: dial(): timeout is in seconds" in line for line in said("101", "703"))
    logged_errors()


def test_a_code_turns_a_switch_over() -> None:
    plan.surroundings = Surroundings(Switches([Switch("night", code="*60", allow="international")]))
    lines = said("102", "*60")
    assert lines[1] == "switch  'night', which is off, is turned over by this code"
    assert lines[2].endswith("which the caller has not") and lines[-1] == "then    the caller gets 403"
    assert said("101", "*60")[-1] == "then    the caller is answered"
    plan.surroundings = Surroundings()


def test_who_calls_by_another_name_or_is_disabled() -> None:
    assert said("sales", "102")[0] == f"sales (extension) calls 102 at {AT}"
    assert said("104", "102")[-1] == "then    the extension 104 is disabled, and calls nobody"
    assert "if answered: rings 104 for 20 s; the caller gets 480" in said("101", "104")


def test_what_is_no_time() -> None:
    with pytest.raises(ValueError, match="tomorrow"):
        said("101", "102", "tomorrow")


def test_a_call_over_a_trunk() -> None:
    lines = said("acme", "14155550100")
    assert lines[0] == f"acme (over a trunk) calls 14155550100, which is +14155550100 at {AT}"
    assert "sales" in lines[1]
    assert any(line.endswith("it is for calls over the trunk backup") for line in lines)
    assert "if answered: rings 102 for 25 s; the caller is answered" in lines
    assert "if answered: rings 101 for 25 s; the caller is answered" in said("+15551234567@acme", "+14155550100")
    assert said("acme", "+14155550199")[1] == "no route of inbound callers takes it"
    assert any("of acme" in line and "another number" in line for line in said("acme", "+14155550199"))


def test_aliases_are_what_they_are_for_the_exchange() -> None:
    assert said("102", "sales")[0] == f"102 (extension) calls sales, which is 101 at {AT}"
    assert "if busy: rings team for 10 s; the caller gets 486" in said("backup", "+14155550199")
