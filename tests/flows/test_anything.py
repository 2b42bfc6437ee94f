"""Anything may happen in any order: phones do at random what phones can do, in a network that loses, doubles and delays
at random. Nothing raises, and when all have hung up nothing is left.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from pbx.testing.watch import Transfer
from tests.counts import count
from tests.flows.lawful import assert_lawful
from tests.flows.office import KINDS, office

NUMBERS = ("1001", "1002", "1003", "1004", "81003", "91001", "91002", "600", "601", "603", "606", "607", "777")
PAUSES = (0.0, 1 / 128, 1 / 64, 1 / 32, 0.125, 0.5, 2.0, 8.0, 20.0)
STEPS = 40


@pytest.mark.parametrize("part", range(10))
def test_anything_in_any_order_leaves_nothing_behind(part):
    for seed in range(part, count(100, 10_000), 10):
        try:
            live(random.Random(seed))
        except BaseException as failure:
            failure.add_note(f"seed {seed}")
            raise


def live(source):
    """Let five phones live for a while, then hang up all."""
    sim, phones = office("1001", "1002", "1002", "1003", "1004", pairs=source.choice((4, 5000)))
    faults = source.choice((0.0, 0.05, 0.2, 0.4))
    struck = [number for number in range(2000) if source.random() < faults]
    kinds = {number: source.choice(KINDS) for number in struck}
    sim.network.count_again(**{kind: [number for number in struck if kinds[number] == kind] for kind in KINDS})
    try:
        for _ in range(STEPS):
            phone = source.choice(phones)
            source.choice(possible(phone, source))()
            sim.advance(source.choice(PAUSES))
        for phone in phones:
            if not phone.idle:
                phone.hangs_up()
        sim.assert_idle()
        assert_lawful(sim)
    except BaseException as failure:
        failure.add_note(sim.network.ladder())
        raise


def possible(phone, source) -> list[Callable[[], object]]:
    """What the user of a phone may do now."""
    ways: list[Callable[[], object]] = [lambda: None, phone.registers]
    if phone.idle:
        ways += [lambda: phone.invites(source.choice(NUMBERS), offer=source.random() < 0.8)] * 4
        ways.append(lambda: setattr(phone, "busy", not phone.busy))
        return ways
    ways += [phone.hangs_up, lambda: setattr(phone, "refuses", source.choice((0, 0, 488, 491, 500)))]
    if phone.ringing:
        ways += [phone.answers, phone.answers, phone.declines]
        if phone.call.session.sdp:
            ways.append(phone.sends_early_media)
    elif phone.may_offer:
        ways += [phone.holds, phone.resumes, phone.asks_for_an_offer] * 2
        ways.append(lambda: Transfer(phone, f"sip:{source.choice(NUMBERS)}@10.0.0.1"))
    return ways
