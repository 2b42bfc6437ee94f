"""A real phone connects the two with each other whom it talks to; tones prove who hears whom at each step."""

from __future__ import annotations

import pytest

from tests.counts import FULL
from tests.eventually import eventually
from tests.interop.exchange import REALM, Exchange, password
from tests.interop.office import FIRST_TONE, SECOND_TONE
from tests.phones.baresip import Baresip
from tests.phones.linphone import Linphone

THIRD_TONE = 910


def linphone(exchange: Exchange, number: str, name: str, tone: int) -> Linphone:
    folder = exchange.folder / name / number
    return Linphone(number, password(number), exchange.address, REALM, folder, tone=tone, plain=True)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("has_called", [True, False] if FULL else [True])
def test_linphone_holds_one_asks_another_and_connects_the_two(exchange: Exchange, has_called: bool) -> None:
    """Who is on hold is a Linphone, since the recording of a baresip does not outlive that. Nor does a Linphone record
    its second call, but it says which keys it hears.
    """
    name = f"transfer-{has_called}"
    with (
        linphone(exchange, "1001", name, FIRST_TONE) as transferor,
        linphone(exchange, "1002", name, SECOND_TONE) as held,
        Baresip("1003", password("1003"), exchange.address, exchange.folder / name / "1003", tone=THIRD_TONE) as asked,
    ):
        eventually(lambda: transferor.registered and held.registered and asked.registered, within=10)
        caller, callee = (transferor, held) if has_called else (held, transferor)
        caller.dial(callee.number)
        callee.sees("Receiving new incoming call")
        callee.accept()
        caller.sees("Media streams established")
        callee.sees("Media streams established")
        eventually(lambda: held.heard(FIRST_TONE) >= 1 and transferor.heard(SECOND_TONE) >= 1, within=10)

        transferor.pause()
        transferor.sees("is now paused")
        held.sees("has been paused")
        transferor.dial("1003")
        asked.sees("CALL_INCOMING")
        asked.accept()
        transferor.sees("Media streams established")
        eventually(lambda: sum(asked.heard(FIRST_TONE)) >= 1, within=10)
        asked.press("5")
        transferor.sees("Receiving tone 5")
        assert sum(asked.heard(SECOND_TONE)) == held.heard(THIRD_TONE) == 0

        transferor.connect(1, 2)
        transferor.sees("ended")
        transferor.sees("ended")
        said = held.heard(FIRST_TONE), sum(asked.heard(FIRST_TONE))
        eventually(lambda: sum(asked.heard(SECOND_TONE)) >= 1 and held.heard(THIRD_TONE) >= 1, within=10)
        assert (held.heard(FIRST_TONE), sum(asked.heard(FIRST_TONE))) == pytest.approx(said, abs=0.3)
        asked.hang_up()
        held.sees("ended")
        eventually(lambda: exchange.figures()["media_ports"] == 0, within=10)
