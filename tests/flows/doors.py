"""An office with doors: routes that not everybody may take, and callers who try."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pbx.dialplan import Call, Plan, ext
from pbx.exchange.accounts import Accounts
from pbx.testing.exchange import SimulatedExchange
from pbx.testing.phone import Phone
from tests.flows.office import ACCOUNTS

plan = Plan()


@plan.internal("<number:1XXX>")
async def extension(call: Call, number: str) -> None:
    await call.dial(ext(number), timeout=20)


@plan.outbound("00<number:any>", allow="international")
async def abroad(call: Call, number: str) -> None:
    await call.dial(ext("1002"), timeout=20)


@plan.outbound("0<number:int>", allow="national")
async def national(call: Call, number: str) -> None:
    await call.dial(ext("1002"), timeout=20)


@plan.anonymous("welcome")
async def welcome(call: Call) -> None:
    await call.dial(ext("1002"), timeout=20)


@plan.anonymous("desk")
async def desk(call: Call) -> None:
    await call.dial(ext("1003"), timeout=20)


def permit(sim: SimulatedExchange, number: str, **columns: Any) -> None:
    """Change columns of an extension."""
    directory = sim.exchange.directory
    found = [directory.find(one) for one in ACCOUNTS]
    sim.exchange.replace_accounts(
        Accounts([replace(one, **columns) if one.number == number else one for one in found if one is not None])
    )


def final(sim: SimulatedExchange, phone: Phone, number: str, **features: Any) -> tuple[int, str]:
    """Call; return the final status, or 200 as soon as the other phone rings, and the reason phrase."""
    call = phone.invites(number, **features)
    sim.until(lambda: 180 in call.progress or call.state == "over")
    if call.state == "over":
        return call.status, call.why
    phone.hangs_up()
    sim.advance(1)
    return 200, ""


def guesses(sim: SimulatedExchange, times: int, host: str = "10.0.6.6") -> Phone:
    """Somebody tries so many wrong passwords for 1001."""
    mallory = sim.phone("1001", password="guess", host=host, register=False)
    for n in range(times):
        mallory.password = f"guess {n}"
        mallory.registers()
        sim.advance(0.25)
    return mallory
