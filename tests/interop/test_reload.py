"""The dialplan is reloaded, and one that is wrong is refused; the watchdog names what holds up all calls."""

from __future__ import annotations

import subprocess

from tests.eventually import eventually
from tests.interop.exchange import Exchange
from tests.interop.stranger import status_of

PLAN = """
import time

from pbx.dialplan import Call, Plan

plan = Plan()


@plan.anonymous("<number:1XX>")
async def script(call: Call, number: str) -> None:
    await call.reject({status})


@plan.anonymous("200")
async def blocks(call: Call) -> None:
    time.sleep(0.4)
"""
TRUSTED = 'allow = ["127.0.0.0/8"]'


def test_a_plan_is_reloaded_and_a_wrong_one_is_refused() -> None:
    with Exchange(PLAN.format(status=486), security=TRUSTED) as exchange:
        file = exchange.folder / "dialplan.py"
        assert status_of(exchange, "101") == 486
        file.write_text(PLAN.format(status=488))
        assert exchange.ask("reload") == [{"old_plans": 0, "needs_restart": []}]
        assert status_of(exchange, "102") == 488
        file.write_text("plan = 3")
        argv = [*exchange.argv[:1], "--config", str(exchange.config), "reload"]
        argv[0] = argv[0].replace("twistd", "pbx")
        refused = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
        assert refused.returncode == 1
        assert (
            refused.stderr == f"{file}:1: its global named plan is not a Plan but of type int; write `plan = Plan()`\n"
        )
        assert status_of(exchange, "103") == 488


def test_what_holds_up_the_reactor_is_named() -> None:
    with Exchange(PLAN.format(status=486), security=TRUSTED) as exchange:
        assert exchange.process is not None
        line = PLAN.splitlines().index("    time.sleep(0.4)") + 1
        assert status_of(exchange, "200") == 480
        eventually(lambda: f"dialplan.py:{line} holds up all calls" in exchange.process.output(), within=10)
