"""What holds for every test: nothing is logged as an error, and no Deferred ends in a failure nobody took.

A test that provokes errors takes them: `assert [e] = logged_errors()`.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from twisted.logger import ILogObserver, LogEvent, LogLevel, eventAsText, globalLogPublisher
from zope.interface import implementer

from pbx.store import migration
from tests.counts import FULL
from tests.postgresql import Cluster

SEVERE = (LogLevel.error, LogLevel.critical)

settings.register_profile("quick", deadline=None, print_blob=True)
settings.register_profile("full", deadline=None, print_blob=True, max_examples=2_000)
settings.load_profile("full" if FULL else "quick")


def pytest_report_header() -> str:
    """Say at the top of a run how much of it there will be."""
    return f"counts: {'full' if FULL else 'small'}; CI: {os.environ.get('CI', 'no')}"


def pytest_collection_finish() -> None:
    """Set aside all that importing made: the collection after each test costs 1 ms, not 50."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Give a PostgreSQL that is started for the first test that wants it; nobody may stop it."""
    with Cluster() as cluster:
        yield cluster


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of a database that is to be made: the test is run once for each kind of database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/pbx.db"
    url: str = request.getfixturevalue("cluster").database()
    return url


@pytest.fixture
def url(empty_url: str) -> str:
    """Give the URL of a database with this version's schema, and nothing in it."""
    migration.upgrade(empty_url)
    return empty_url


@pytest.fixture(autouse=True)
def logged_errors() -> Iterator[Callable[[], list[LogEvent]]]:
    """Give a function that returns the errors logged so far and forgets them; what is left fails the test."""
    errors: list[LogEvent] = []

    @implementer(ILogObserver)
    def observe(event: LogEvent) -> None:
        failure = "log_failure" in event
        # A Deferred announces each failure with an event of its own: one error shall count once.
        announcement = event.get("log_namespace") == "twisted.internet.defer" and not failure
        if failure or (event.get("log_level") in SEVERE and not announcement):
            errors.append(event)

    def take() -> list[LogEvent]:
        # A Deferred reports its unhandled failure when it is collected.
        gc.collect()
        taken = errors[:]
        errors.clear()
        return taken

    globalLogPublisher.addObserver(observe)
    try:
        yield take
        left = take()
    finally:
        globalLogPublisher.removeObserver(observe)
    if left:
        texts = "\n".join(eventAsText(event) for event in left)
        pytest.fail(f"{len(left)} error(s) logged and not expected by the test:\n{texts}", pytrace=False)
