"""Three real phones in one room: each hears the tones of both others, and not its own."""

from __future__ import annotations

import json

import pytest

from tests.eventually import eventually
from tests.interop.exchange import Exchange, password
from tests.interop.office import FIRST_TONE, SECOND_TONE, Phones
from tests.phones.baresip import Baresip

THIRD_TONE = 910
TONES = (FIRST_TONE, SECOND_TONE, THIRD_TONE)


@pytest.mark.timeout(180)
def test_three_phones_hear_each_other_and_not_themselves(exchange: Exchange, phones: Phones) -> None:
    before = exchange.at_rest()
    third = Baresip("1003", password("1003"), exchange.address, exchange.folder / "third", tone=THIRD_TONE)
    with third:
        eventually(lambda: third.registered, within=5)
        all_three = (*phones, third)
        for phone in all_three:
            phone.dial("603")
            phone.sees("CALL_ESTABLISHED")
        for phone, own in zip(all_three, TONES, strict=True):
            others = [tone for tone in TONES if tone != own]
            eventually(lambda: all(phone.heard_among(tone, 1) >= 1 for tone in others), within=15)  # noqa: B023
            assert phone.heard_among(own, 5) == 0
        rows = json.loads(exchange.command("conferences", "meeting", "--json"))
        assert [(row["number"], row["talks"]) for row in rows] == [(f"100{n}", True) for n in (1, 2, 3)]

        exchange.command("conference", "mute", "meeting", "1003")
        eventually(lambda: phones[0].heard(SECOND_TONE)[-1] >= 1, within=15)
        exchange.command("conference", "kick", "meeting", "1003")
        third.sees("CALL_CLOSED", within=10)
        exchange.command("conference", "end", "meeting")
        for phone in phones:
            phone.sees("CALL_CLOSED", within=10)
        eventually(lambda: third.idle, within=5)
    exchange.comes_back(before)
