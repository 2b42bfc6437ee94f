"""An office: two phones and then a mailbox, a menu, hours and a night switch, transfers by phones and by keys, calls to
the outside by two trunks.

Its tests are in tests/testing/test_dialplan_tasks.py.
"""

from __future__ import annotations

from pbx.dialplan import (
    Answered,
    Busy,
    Call,
    Declined,
    Failed,
    NoAnswer,
    Plan,
    Transfer,
    Unreachable,
    ext,
    group,
    mailbox,
    prompt,
    trunk,
)  # fmt: skip
from pbx.dialplan.hours import Holidays, Hours

plan = Plan()
SALES = group("101", "102")
OPEN = Hours("Mon-Fri 09:00-17:30", tz="Europe/Paris", closed=Holidays.from_db("fr"))


@plan.inbound(trunk("acme"), did="+14155550100")
async def sales(call: Call) -> None:
    match await call.dial(SALES, timeout=20):
        case Answered():
            return
        case Declined(by=who):
            call.log("declined", by=who)
    await call.voicemail(mailbox("sales"), greeting="unavailable")


@plan.inbound(trunk("acme"), did="+14155550101")
async def main_menu(call: Call) -> None:
    await call.answer()
    for _ in range(3):
        match await call.ask(prompt("main-menu"), digits=1, timeout=5):
            case "1":
                return await sales(call)
            case "0" | None:
                break
            case _:
                await call.play(prompt("invalid-choice"))
    await call.dial(ext("100"), timeout=30)


@plan.inbound(trunk("acme"), did="+14155550102")
async def front_desk(call: Call) -> None:
    if plan.switch("night") or call.now not in OPEN:
        await call.play(prompt("closed"))
        return await call.voicemail(mailbox("office"))
    await main_menu(call)


@plan.on_transfer
async def allow_transfer(transfer: Transfer) -> bool:
    return transfer.target.is_internal or transfer.by.may("transfer-out")


@plan.in_call("*2<number:1XX>")
async def consult(call: Call, number: str) -> None:
    async with call.peer.on_hold(music="hold"):
        match await call.ring(ext(number), timeout=25):
            case Answered(leg=colleague):
                if await call.talk(colleague, until=("*1", "*3")) == "*1":
                    await call.peer.join(colleague)
            case Busy() | NoAnswer() | Unreachable():
                await call.play(prompt("not-available"))


@plan.outbound("0<number:e164>", allow="international")
async def outbound(call: Call, number: str) -> None:
    result = await call.dial_first(
        trunk("acme").to(number),
        trunk("backup").to(number),
        caller_id=call.user.did,
        progress_within=6,
        ring_for=60,
        retry_on=Failed.network,
    )
    match result:
        case Answered():
            return
        case Busy():
            await call.reject(486)
        case Failed(code=code, text=text):
            await call.play(prompt("cannot-complete"), early=True)
            await call.reject(code, text)


@plan.internal("112")
async def emergency(call: Call) -> None:
    await call.dial_first(trunk("acme").to("112"), trunk("backup").to("112"), progress_within=3)


@plan.internal("<number:1XX>")
async def extension(call: Call, number: str) -> None:
    if not await call.dial(ext(number), timeout=25):
        await call.voicemail(mailbox(number))
