"""An office with two trunks, and its dialplan."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from pbx.dialplan import Call, Failed, Plan, ext, trunk
from pbx.exchange.numbering import Numbering
from pbx.exchange.outcome import Outcome
from pbx.exchange.trunk import Trunk
from pbx.testing.exchange import SimulatedExchange
from pbx.testing.trunk import Gateway

NUMBER = "014155551234"  # +14155551234, as it is dialled
ACCOUNTS = {"1001": "alice's", "1002": "bob's"}
FRANCE = Numbering("33")
ACME = Trunk("acme", "10.9.1.1", addresses=(ip_network("10.9.1.0/24"),), dids=("+14155550100",), qualify=0)
BACKUP = Trunk("backup", "10.9.2.1", addresses=(ip_network("10.9.2.0/24"),), qualify=0)

plan = Plan()
outcomes: list[Outcome] = []


@plan.inbound(trunk("acme"), did="+14155550100")
async def sales(call: Call) -> None:
    await call.dial(ext("1001"), timeout=20)


@plan.inbound(trunk("acme"), did=["0142255501", "+1415556<last:XXXX>"])
async def others(call: Call, last: str = "") -> None:
    await call.dial(ext("1002"), timeout=20)


@plan.inbound(trunk("backup"))
async def anything(call: Call) -> None:
    await call.dial(ext("1002"), timeout=20)


@plan.internal("<number:1XXX>")
async def extension(call: Call, number: str) -> None:
    await call.dial(ext(number), timeout=20)


@plan.internal("0<number:int>")
async def outside(call: Call, number: int) -> None:
    outcome = await call.dial_first(
        trunk("acme").to(f"+{number}"), trunk("backup").to(f"+{number}"), caller_id=call.user.did, ring_for=30
    )
    outcomes.append(outcome)
    if isinstance(outcome, Failed):
        await call.reject(outcome.status)


@plan.outbound("9<number:int>", allow="international")
async def dear(call: Call, number: int) -> None:
    await call.dial(trunk("acme").to(f"+{number}"))


@plan.internal("81")
async def twice(call: Call) -> None:
    outcomes.append(await call.dial(trunk("acme").to("+14155551234"), trunk("acme").to("+14155555678"), timeout=20))


@plan.outbound("112", allow="emergencies")
async def emergency(call: Call) -> None:
    await call.dial_first(trunk("acme").to("112"), trunk("backup").to("112"))


def office(*trunks: Trunk, **given: Any) -> SimulatedExchange:
    """The office, with both trunks unless others are named."""
    outcomes.clear()
    plan.settle(FRANCE)
    return SimulatedExchange(plan, ACCOUNTS, trunks=trunks or (ACME, BACKUP), numbering=FRANCE, **given)


def callee_hangs_up(sim: SimulatedExchange) -> None:
    """Whoever has answered at a provider hangs up: the dialplan goes on."""
    next(phone for phone in sim.phones if isinstance(phone, Gateway) and phone.talking).hangs_up()


def sent_to(sim: SimulatedExchange, host: str) -> list[bytes]:
    """What a host was sent."""
    return [datagram.packet for datagram in sim.network.sent if datagram.target[0] == host]
