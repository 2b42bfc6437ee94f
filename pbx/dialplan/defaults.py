"""What a plan does where its file says nothing: an apology for a bug, and the codes of switches."""

from __future__ import annotations

from typing import Any

from pbx.dialplan.call import Call
from pbx.dialplan.switches import Switches
from pbx.exchange.switch import Switch
from pbx.media.sounds import prompt, tone


async def apologise(call: Call[Any], error: Exception) -> None:
    """Tell a caller that was answered that something went wrong; the exchange then hangs up."""
    if call.answered:
        await call.play(prompt("sorry"))


async def turn_over(call: Call[Any], switches: Switches, switch: Switch) -> None:
    """Turn a switch over: one beep says that it is on now, two that it is off."""
    switches.turn(switch.name, not switch.is_on)
    call.log(f"switch {switch.name} is {'off' if switch.is_on else 'on'}", by=call.caller.number)
    await call.play(*[tone("beep")] * (2 if switch.is_on else 1))
