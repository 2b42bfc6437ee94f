"""The table `texts`: what phones have sent to extensions that are away, written behind, so that a restart loses none
that is older than a second.
"""

from __future__ import annotations

import json

import sqlalchemy as sa
from twisted.internet.interfaces import IReactorTime

from pbx.exchange.caller import Caller, Source
from pbx.exchange.text import KeptText, Text
from pbx.store.latest import Latest
from pbx.store.schema import texts
from pbx.store.store import Worker

_REMOVE = texts.delete().where(texts.c.n == sa.bindparam("_n"))

Batch = dict[int, KeptText | None]


class TextTable:
    """Keeps texts (`pbx.exchange.letterbox.TextStore`).

    :param database: the store's, which disposes of it.
    :param worker: the store's.
    """

    def __init__(self, database: sa.Engine, clock: IReactorTime, worker: Worker) -> None:
        self._latest = Latest(database, clock, worker, write_texts, "texts", "a restart would lose them")

    def keep_text(self, kept: KeptText) -> None:
        """Write a text within half a second."""
        self._latest.put(kept.n, kept)

    def forget_text(self, kept: KeptText) -> None:
        """Remove one within half a second."""
        self._latest.put(kept.n, None)

    async def close(self) -> None:
        """Write what waits, once."""
        await self._latest.close()


def write_texts(database: sa.Engine, batch: Batch) -> None:
    """Write new texts and remove old ones; to be called where blocking is allowed."""
    rows = [_row(kept) for kept in batch.values() if kept is not None]
    with database.begin() as connection:
        connection.execute(_REMOVE, [{"_n": n} for n in batch])
        if rows:
            connection.execute(texts.insert(), rows)


def read_texts(database: sa.Engine, now: float) -> list[KeptText]:
    """Read the texts that are of use at `now`, seconds since 1970, in their order, and remove the others."""
    with database.begin() as connection:
        connection.execute(texts.delete().where(texts.c.expires_at <= now))
        return [_kept(row) for row in connection.execute(sa.select(texts).order_by(texts.c.n))]


def _row(kept: KeptText) -> dict[str, object]:
    text, sender = kept.text, kept.text.sender
    return {
        "n": kept.n,
        "number": kept.number,
        # Who is named to nobody is not named here either (RFC 3323).
        "sender": "" if sender.is_private else sender.number,
        "sender_name": "" if sender.is_private else sender.name,
        "is_private": sender.is_private,
        "fields": json.dumps(text.fields),
        "kind": json.dumps(text.kind),
        "body": text.body,
        "kept_at": kept.kept_at,
        "expires_at": kept.expires_at,
    }


def _kept(row: sa.Row[tuple[object, ...]]) -> KeptText:
    sender = Caller(row.sender, row.sender_name, Source.INTERNAL, is_private=row.is_private)
    fields = tuple([(key, name, value) for key, name, value in json.loads(row.fields)])
    return KeptText(
        row.n, row.number, Text(sender, fields, json.loads(row.kind), row.body), row.kept_at, row.expires_at
    )
