"""Calls through every path, several at a time, at random in a network that loses datagrams at random. The record of
each tells what its script knows to be true: why it ended, who ended it, who talked, and when; nothing is left behind.
"""

from __future__ import annotations

import random

import pytest

from pbx.exchange.causes import CAUSES
from tests.counts import count
from tests.flows.conversations import CONVERSATIONS
from tests.flows.estate import OFFICES, Estate, Script
from tests.flows.failures import FAILURES, dialplan_failed

CALLS = count(300, 10_000)
PARTS = 10
LOSS = 0.03

SCRIPTS = {name: (*CONVERSATIONS.get(name, ()), *FAILURES.get(name, ())) for name in OFFICES}


def deal(part: int) -> dict[str, list[Script]]:
    """The scripts of one part, by office: of all parts together `CALLS`, and each script at least once."""
    chance = random.Random("deal")
    every = [(name, script) for name, scripts in SCRIPTS.items() for script in scripts]
    deck = [*every, *chance.choices(every, k=CALLS - len(every))]
    chance.shuffle(deck)
    dealt: dict[str, list[Script]] = {name: [] for name in OFFICES}
    for name, script in deck[part::PARTS]:
        dealt[name].append(script)
    return dealt


@pytest.mark.parametrize("part", range(PARTS))
def test_record_of_each_call_tells_what_its_script_knows(part, logged_errors) -> None:
    decks = deal(part)
    failing = decks["main"].count(dialplan_failed)
    Estate(part, LOSS).play(decks)
    assert len(logged_errors()) == failing


def test_scripts_know_every_cause_and_each_is_played(logged_errors) -> None:
    dealt = [deal(part) for part in range(PARTS)]
    assert sum(len(deck) for decks in dealt for deck in decks.values()) == CALLS
    for name, scripts in SCRIPTS.items():
        assert set(scripts) == {script for decks in dealt for script in decks[name]}
    estate = Estate(0, 0.0)
    estate.play({name: list(dict.fromkeys(scripts)) for name, scripts in SCRIPTS.items()})
    assert {row.cause for sim in estate.sim.exchanges for row in sim.records.rows} == {cause.name for cause in CAUSES}
    logged_errors()
