"""Task 1: a call from outside rings two phones for twenty seconds; then its caller leaves a message."""

from __future__ import annotations

from pbx.dialplan import Answered, Call, Declined, Plan, group, mailbox, trunk

plan = Plan()
SALES = group("101", "102")


@plan.inbound(trunk("acme"), did="+14155550100")
async def sales(call: Call) -> None:
    """Ring both at once: the first one that answers has the call. A mailbox takes all others."""
    match await call.dial(SALES, timeout=20):
        case Answered():
            return  # they talked, one side hung up
        case Declined(by=who):
            call.log("declined", by=who)
    await call.voicemail(mailbox("sales"), greeting="unavailable")
