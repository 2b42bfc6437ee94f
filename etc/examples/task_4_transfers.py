"""Task 4: attended transfer, by the phone's own button and by keys."""

from __future__ import annotations

from pbx.dialplan import Answered, Busy, Call, NoAnswer, Plan, Transfer, Unreachable, ext, prompt

plan = Plan()


@plan.internal("<number:1XX>")
async def extension(call: Call, number: str) -> None:
    """Ring all phones of an extension."""
    await call.dial(ext(number), timeout=25)


# Task 4a: done by the phone (REFER, with Replaces) ---------------------------
@plan.on_transfer
async def allow_transfer(t: Transfer) -> bool:
    """Within the house everybody may; to the outside whose class of service says so. Much the same as by default."""
    return t.target.is_internal or t.by.may("transfer-out")


# Task 4b: by keys, for phones without a transfer button ----------------------
@plan.in_call("*2<number:1XX>")
async def consult(call: Call, number: str) -> None:
    """*2102 during a call asks 102, while the other one waits; then *1 connects the two, and *3 comes back."""
    async with call.peer.on_hold(music="hold"):  # always resumed, even on errors
        match await call.ring(ext(number), timeout=25):
            case Answered(leg=colleague):
                key = await call.talk(colleague, until=("*1", "*3"))
                if key == "*1":  # complete (hanging up also completes)
                    await call.peer.join(colleague)
            case Busy() | NoAnswer() | Unreachable():
                await call.play(prompt("not-available"))
