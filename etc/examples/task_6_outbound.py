"""Task 6: calls to the outside by two trunks, for those who may. When the first trunk fails, the second one takes over.

(Task 5 is a queue, which comes in a later release.)
"""

from __future__ import annotations

from pbx.dialplan import Answered, Busy, Call, Failed, Plan, prompt, trunk

plan = Plan()


@plan.outbound("0<number:e164>", allow="international")  # class of service enforced before entry
async def outbound(call: Call, number: str) -> None:
    """Go on to the next trunk when one fails, and only then: a callee who is busy is so by any trunk."""
    result = await call.dial_first(
        trunk("acme").to(number),
        trunk("backup").to(number),
        caller_id=call.user.did,
        progress_within=6,
        ring_for=60,
        retry_on=Failed.network,  # 5xx, 408, no answer from host; never 486/603
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
    """For everybody, whatever the class of service, and sooner by the second trunk."""
    await call.dial_first(trunk("acme").to("112"), trunk("backup").to("112"), progress_within=3)
