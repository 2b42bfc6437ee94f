"""A call that is over is gone: it leaves no cycle of references that would have to wait for the garbage collector."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pbx.media.library import Library
from pbx.testing.exchange import SimulatedExchange
from pbx.testing.phone import Phone
from tests.flows import detours, test_sound
from tests.flows.office import ACCOUNTS, plan

LONGEST_TIMER = 64.0  # seconds


@contextmanager
def garbage() -> Iterator[list[str]]:
    """What only the collector could free, of all that was made inside."""
    found: list[str] = []
    gc.collect()
    gc.disable()
    try:
        yield found
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found.extend(sorted({type(thing).__qualname__ for thing in gc.garbage}))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def answered(alice: Phone, bob: Phone) -> None:
    bob.answers()


def refused(alice: Phone, bob: Phone) -> None:
    bob.declines()


def given_up(alice: Phone, bob: Phone) -> None:
    alice.hangs_up()


@pytest.mark.parametrize("ended", [answered, refused, given_up])
@pytest.mark.parametrize("hangs_up_first", ["caller", "callee"])
def test_finished_call_leaves_no_garbage(ended: Callable[[Phone, Phone], None], hangs_up_first: str) -> None:
    sim = SimulatedExchange(plan, ACCOUNTS)
    alice, bob = sim.phone("1001"), sim.phone("1002")

    def one_call() -> None:
        alice.invites("1002")
        sim.until(lambda: bob.ringing)
        ended(alice, bob)
        sim.advance(4)
        if alice.talking:
            (alice if hangs_up_first == "caller" else bob).hangs_up()
        sim.advance(LONGEST_TIMER)
        alice.call = bob.call = None

    one_call()  # what is made once, at the first call, is none
    with garbage() as left:
        one_call()
    # The phones' own calls and sounds are scripts of this test, not parts of the exchange.
    assert not set(left) & {"Bridge", "Fork", "Branch", "Driver", "Call", "Side", "Port", "Answer", "Dialog"}, left


@pytest.mark.parametrize("number", ["700", "702", "704", "705", "706", "707"])
@pytest.mark.parametrize("seconds", [1.0, 30.0])
def test_finished_call_with_sound_of_ours_leaves_no_garbage(number: str, seconds: float, tmp_path: Path) -> None:
    sim = SimulatedExchange(test_sound.plan, ACCOUNTS, library=Library(recordings=tmp_path))
    alice = sim.phone("1001")

    def one_call() -> None:
        alice.invites(number)
        sim.advance(seconds)
        if not alice.idle:
            alice.hangs_up()
        sim.advance(LONGEST_TIMER)
        alice.call = None
        test_sound.seen.clear()

    one_call()
    with garbage() as left:
        one_call()
    assert not set(left) & {"Bridge", "Driver", "Call", "Side", "Port", "Speaking", "Voice", "Player", "Recorder"}, left


@pytest.mark.parametrize("who_ends_it", ["hang-up", "key"])
def test_finished_conference_leaves_no_garbage(who_ends_it: str) -> None:
    sim = SimulatedExchange(plan, ACCOUNTS)
    phones = [sim.phone("1001"), sim.phone("1002")]

    def one_conference() -> None:
        for phone in phones:
            phone.invites("690")
        sim.advance(2)
        for phone in phones:
            if who_ends_it == "key":
                phone.presses("*0")
            else:
                phone.hangs_up()
        sim.advance(LONGEST_TIMER)
        for phone in phones:
            phone.call = None

    one_conference()
    with garbage() as left:
        one_conference()
    assert not set(left) & {"Bridge", "Driver", "Call", "Side", "Port", "Voice", "Player", "Conference", "Party"}, left


@pytest.mark.parametrize("number", ["700", "702", "704"])
@pytest.mark.parametrize("end", ["answered there", "answered elsewhere", "given up", "in vain"])
def test_finished_call_that_was_sent_on_leaves_no_garbage(number: str, end: str) -> None:
    sim = SimulatedExchange(detours.plan, ACCOUNTS)
    alice, carol, dave = sim.phone("1001"), sim.phone("1003"), sim.phone("1004")
    sim.exchange.directory.change("1002", "forward_always", "1003")

    def one_call() -> None:
        alice.invites(number)
        sim.until(lambda: carol.ringing)
        if end == "answered there":
            carol.answers()
        elif end == "answered elsewhere" and dave.ringing:
            dave.answers()
        elif end == "given up":
            alice.hangs_up()
        sim.advance(LONGEST_TIMER)
        for phone in (alice, carol, dave):
            if phone.talking:
                phone.hangs_up()
        sim.advance(LONGEST_TIMER)
        alice.call = carol.call = dave.call = None
        detours.outcomes.clear()
        detours.seen.clear()

    one_call()
    with garbage() as left:
        one_call()
    exchange_parts = {"Bridge", "Fork", "Branch", "Driver", "Call", "Side", "Port", "Answer", "Dialog", "Ringing"}
    assert not set(left) & {*exchange_parts, "Detour", "Detours", "Beside", "Invitation", "Diverting"}, left
