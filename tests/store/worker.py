"""A worker of the store's that needs no thread, and fails when a test says so."""

from __future__ import annotations

import sqlalchemy as sa
from twisted.internet.defer import Deferred


class Here:
    """Does the work at once (`pbx.store.store.Worker`)."""

    def __init__(self) -> None:
        self.fails = 0  # so many times more

    def run(self, work, *args, **kwargs):
        done: Deferred[object] = Deferred()
        if self.fails:
            self.fails -= 1
            done.errback(sa.exc.OperationalError("", {}, Exception("the database is gone")))
        else:
            done.callback(work(*args, **kwargs))
        return done
