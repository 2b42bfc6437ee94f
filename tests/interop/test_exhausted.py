"""The real exchange runs out of file descriptors: new calls get 503, those that are up go on, and it says so once."""

from __future__ import annotations

import pytest

from tests.eventually import eventually
from tests.interop.exchange import TRUSTING, Exchange
from tests.interop.office import FIRST_TONE, SAMPLE, SECOND_TONE, talk, two_phones
from tests.phones.process import free_port
from tests.phones.sipp import Sipp

PLAN = """
from pbx.dialplan import Call, Plan, uri

@plan.anonymous("<number:any>")
async def stranger(call: Call, number: str) -> None:
    await call.dial(uri(f"sip:{number}@127.0.0.3:%d"))
"""
DESCRIPTORS = 150  # for a good dozen calls, beside what else it needs
CALLS = 40


@pytest.mark.timeout(120)
def test_without_descriptors_new_calls_are_refused_and_others_go_on() -> None:
    port = free_port("127.0.0.3")
    with (
        Exchange(SAMPLE + PLAN % port, ["1001", "1002"], security=TRUSTING, descriptors=DESCRIPTORS) as exchange,
        two_phones(exchange) as phones,
    ):
        talk(phones)
        caller, callee = phones
        with (
            Sipp("callee", exchange.folder / "callee", ip="127.0.0.3", port=port, calls=CALLS, talk=8),
            Sipp("caller", exchange.folder / "caller", server=exchange.address, service="1000", calls=CALLS,
                 rate=50, talk=8) as flood,
        ):  # fmt: skip
            eventually(lambda: flood.tally().failed + flood.tally().current == CALLS, within=20)
            held = flood.tally().current
            assert 0 < held < CALLS
            assert "503" in flood.complaints()
            assert exchange.status()["calls"] == held + 1

            heard = callee.heard(FIRST_TONE)[-1], caller.heard(SECOND_TONE)[-1]
            eventually(lambda: callee.heard(FIRST_TONE)[-1] >= heard[0] + 1, within=5)
            eventually(lambda: caller.heard(SECOND_TONE)[-1] >= heard[1] + 1, within=5)
            refusals = [line for line in exchange.log().splitlines() if "refused with 503" in line]
            assert len(refusals) == 1
            assert "Too many open files" in refusals[0]
            eventually(lambda: flood.tally().current == 0, within=20)
        caller.hang_up()
        callee.sees("CALL_CLOSED")
        talk(phones)
