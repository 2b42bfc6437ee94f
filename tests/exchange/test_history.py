"""pbx.exchange.history: a story is told when it is asked for, or when too much of it waits."""

from __future__ import annotations

from twisted.internet.task import Clock

from pbx.exchange.caller import Caller, Source
from pbx.exchange.history import MOST_UNTOLD, History
from pbx.exchange.story import Story
from pbx.testing.exchange import SimulatedExchange
from tests.flows.office import ACCOUNTS, plan


def history(clock: Clock) -> History:
    caller = Caller("1001", "Alice", Source.INTERNAL)
    return History(clock, ("7f3a", caller, "10.0.0.1", "1002", clock.seconds(), ""))  # type: ignore[arg-type]


def test_events_are_told_with_the_moments_at_which_they_happened():
    clock = Clock()
    call = history(clock)
    clock.advance(4)
    call.note(Story.is_answered)
    clock.advance(8)
    call.note(Story.enters, "voicemail 1002")
    record = call.record()
    assert (record.id, record.caller, record.began_at, record.answered_at) == ("7f3a", "1001", 0.0, 4.0)
    assert record.place == "voicemail 1002"
    call.note(Story.enters, "the echo")
    assert call.record() is record and record.place == "the echo"


def test_phone_that_holds_and_resumes_for_ever_does_not_fill_the_memory():
    clock = Clock()
    call = history(clock)
    told = 0

    def count(story: Story, now: float) -> None:
        nonlocal told
        told += 1

    for _ in range(MOST_UNTOLD):
        call.note(Story.holds, False, True)
        clock.advance(0.5)
        call.note(Story.holds, False, False)
        call.note(count)
    assert told > MOST_UNTOLD // 2
    assert call.record().callee_held == MOST_UNTOLD / 2
    assert told == MOST_UNTOLD


def test_what_waits_to_be_told_has_no_offer_where_that_does_not_matter():
    """Thousands of calls wait while the database is away, and an offer may have many kilobytes."""
    sim = SimulatedExchange(plan, ACCOUNTS)
    kept: list[History] = []
    sim.records.keep = kept.append  # type: ignore[method-assign]
    alice, bob = sim.phone("1001"), sim.phone("1002")
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    bob.declines()
    sim.advance(4)
    (call,) = kept
    facts = [fact for _, _, facts in call._untold for fact in facts]
    assert 603 in facts and not [fact for fact in facts if isinstance(fact, bytes) and fact]
