"""Task 3: business hours with a night button.

The button is a row of the table `switches`: `pbx switch add night --code '*60'` gives it a code that phones dial, and a
lamp beside the key for that code.
"""

from __future__ import annotations

from pbx.dialplan import Call, Plan, ext, mailbox, prompt, trunk
from pbx.dialplan.hours import Holidays, Hours

plan = Plan()
OPEN = Hours("Mon-Fri 09:00-17:30", tz="Europe/Paris", closed=Holidays.from_db("fr"))


@plan.inbound(trunk("acme"), did="+14155550102")
async def front_desk(call: Call) -> None:
    """By day ring the reception; by night, on holidays, and while the button is pressed, take a message."""
    if plan.switch("night") or call.now not in OPEN:
        await call.play(prompt("closed"))
        return await call.voicemail(mailbox("office"))
    await call.dial(ext("100"), timeout=30)
