"""Explanations: the first cause that holds of a story, and its sentence, for the call's record."""

from __future__ import annotations

from pbx.exchange.causes import CAUSES, FAILED, TALKED, UNKNOWN_CAUSE, Cause, Ended
from pbx.exchange.facts import Facts
from pbx.exchange.story import Story


def _rows(words: str) -> tuple[Cause, ...]:
    return tuple(cause for cause in CAUSES if not isinstance(cause.holds, Ended) or cause.holds.words == words)


# A third of the rows are known by such words alone: these are all others, and those of the words.
_ROWS = _rows("")
_ROWS_BY_WORDS = {cause.holds.words: _rows(cause.holds.words) for cause in CAUSES if isinstance(cause.holds, Ended)}


def explain(story: Story) -> None:
    """Write into a story's record why its call ended, as a name and as a sentence."""
    rows = _ROWS_BY_WORDS.get(story.words, _ROWS)
    for cause in rows:
        if cause.holds(story):
            break
    else:
        cause = UNKNOWN_CAUSE
    record, facts = story.record, Facts(story)
    record.cause = cause.name
    sentence = cause.sentence.format_map(facts)
    if story.failure is not None and record.place and cause in FAILED:
        sentence += f"; went to {record.place}"
    if story.holder and cause in TALKED:
        sentence += f"; {facts[story.holder]} had the other one on hold"
    if record.transferred and record.caller:
        sentence += f"; transferred by {record.caller}"
    record.sentence = sentence
