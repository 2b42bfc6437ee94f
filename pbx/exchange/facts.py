"""Facts: what the templates of sentences name (`pbx.exchange.causes`), in words, each made when it is named."""

from __future__ import annotations

from collections.abc import Sequence

from pbx.exchange.story import Story


class Facts:
    """Those of one story, by name."""

    __slots__ = ("_record", "_story")

    def __init__(self, story: Story) -> None:
        self._story = story
        self._record = story.record

    def __getitem__(self, name: str) -> str | int:
        fact: str | int = getattr(self, name)
        return fact

    @property
    def caller(self) -> str:
        """Who was at the caller's end last."""
        record = self._record
        known = record.transferred or record.caller
        return known or ("a withheld number" if record.source != "anonymous" else "a stranger")

    @property
    def callee(self) -> str:
        """Who has answered, or whom the dialplan has called."""
        return self._record.reached or self.all

    @property
    def called(self) -> str:
        """Who has decided that nobody answered, or whom the dialplan has called."""
        failure = self._story.failure
        return self.all if failure is None or failure.by is None else str(failure.by)

    @property
    def all(self) -> str:
        """Whom the dialplan has called."""
        return listed([str(target) for target in self._story.targets]) or "nobody"

    @property
    def dialled(self) -> str:
        """What the caller has dialled."""
        return self._record.dialled or "no number"

    @property
    def _is_caller_lost(self) -> bool:
        return (self._story.silent or ("callee" if self._story.left else "caller")) == "caller"

    @property
    def lost(self) -> str:
        """Who was heard no more, or not at all."""
        return self.caller if self._is_caller_lost else self._record.reached

    @property
    def address(self) -> str:
        """Where that phone's messages came from."""
        callee = self._story.callee
        return self._record.address if self._is_caller_lost or callee is None else callee.address

    @property
    def signalled(self) -> str:
        """Where it said that it receives RTP."""
        sound = self._record.from_caller if self._is_caller_lost else self._record.from_callee
        return sound.signalled or "nowhere"

    @property
    def talked(self) -> str:
        """How long the call was answered."""
        return self._lasted_from(self._record.answered_at)

    @property
    def waited(self) -> str:
        """How long it lasted."""
        return self._lasted_from(self._record.began_at)

    @property
    def rang(self) -> str:
        """How long something has rung."""
        return self._lasted_from(self._record.rang_at)

    def _lasted_from(self, moment: float | None) -> str:
        ended_at = self._record.ended_at or self._record.began_at
        return lasted(0.0 if moment is None else ended_at - moment)

    @property
    def timeout(self) -> str:
        """How long the dialplan lets those ring whom it has called."""
        return lasted(self._story.timeout)

    @property
    def code(self) -> int:
        """The status that decided."""
        return self._story.code or self._record.code

    @property
    def text(self) -> str:
        """The same in words."""
        return self._story.text or "no reason given"

    @property
    def words(self) -> str:
        """Why the call ended, as it has it."""
        return self._story.words

    @property
    def trunk(self) -> str:
        """The trunk that decided, or by which somebody was reached."""
        return self._story.trunk

    @property
    def place(self) -> str:
        """Where in the exchange the caller was."""
        return self._record.place

    @property
    def offered(self) -> str:
        """The codecs that the caller offers."""
        return ", ".join(self._story.offered) or "no audio"


def lasted(seconds: float) -> str:
    """A duration as people say it: "20 s", "3 min 20 s", "1 h 2 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def listed(names: Sequence[str]) -> str:
    """Names as people enumerate them: "1002, 1003 and 1004"."""
    *first, last = names or [""]
    return f"{', '.join(first)} and {last}" if first else last
