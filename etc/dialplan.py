"""What the exchange does with a call: one coroutine per call, read from top to bottom. docs/dialplan has the words."""

from __future__ import annotations

from pbx.dialplan import Call, Plan, ext

plan = Plan()


@plan.internal("<number:1XXX>")
async def extension(call: Call, number: str) -> None:
    """Ring all phones of an extension for twenty seconds; without an answer the caller is told why: busy, say."""
    await call.dial(ext(number), timeout=20)


@plan.internal("600")
async def echo(call: Call) -> None:
    """Send the callers their own voice, until they hang up."""
    await call.echo()
