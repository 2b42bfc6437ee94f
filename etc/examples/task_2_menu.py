"""Task 2: a menu. Who presses 1 gets sales; who presses 0, or nothing, gets the reception."""

from __future__ import annotations

from pbx.dialplan import Call, Plan, ext, mailbox, prompt, trunk

plan = Plan()


@plan.inbound(trunk("acme"), did="+14155550101")
async def main_menu(call: Call) -> None:
    """Ask three times at most."""
    await call.answer()
    for _ in range(3):
        match await call.ask(prompt("main-menu"), digits=1, timeout=5):
            case "1":
                return await sales(call)  # a subroutine is a function
            case "0" | None:  # None: nothing pressed
                break
            case _:
                await call.play(prompt("invalid-choice"))
    await call.dial(ext("100"), timeout=30)


async def sales(call: Call) -> None:
    """Ring two phones, then take a message."""
    if not await call.dial(ext("101"), ext("102"), timeout=20):
        await call.voicemail(mailbox("sales"))
