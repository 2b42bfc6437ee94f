"""Recorded: what the running server knows of a call that is not in the database yet, for `pbx doctor`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from pbx.exchange.histories import Histories
from pbx.exchange.record import CallRecord
from pbx.rows import Row
from pbx.store.records import RecordTable


class Recorded:
    """The records in memory.

    :param histories: of the calls that go on; None where none are kept.
    :param table: of those that are over.
    """

    def __init__(self, histories: Histories | None, table: RecordTable) -> None:
        self._histories = histories
        self._table = table

    @property
    def commands(self) -> dict[str, Callable[..., object]]:
        """What the control socket may ask for."""
        return {"record": self.record}

    def record(self, call: str) -> list[Row]:
        """Return the record of a call, or of all whose ids begin so; none where it is in the database, or nowhere."""
        running = [] if self._histories is None else self._histories.running
        known = (*running, *self._table.waiting)
        return [_row(history.record()) for history in known if call and history.id.startswith(call)]


def _row(record: CallRecord) -> Row:
    return {**asdict(record), "post_dial_delay": record.post_dial_delay}
