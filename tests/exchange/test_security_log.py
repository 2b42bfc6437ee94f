from __future__ import annotations

from collections.abc import Iterator

import pytest
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from pbx.exchange.security_log import LINES, SecurityLog, escaped
from pbx.testing.clock import VirtualClock


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What is written of the namespace."""
    written: list[str] = []

    def observe(event: LogEvent) -> None:
        if event.get("log_namespace") == "pbx.security":
            written.append(formatEvent(event))

    globalLogPublisher.addObserver(observe)
    yield written
    globalLogPublisher.removeObserver(observe)


def test_event_is_one_line_with_its_name_and_facts(lines):
    log = SecurityLog(VirtualClock())
    log.tell("authentication-failed", "192.0.2.9", transport="UDP", account="1001")
    assert lines == ['security: authentication-failed address="192.0.2.9" transport="UDP" account="1001"']
    assert log.counts == {"authentication-failed": 1}


@pytest.mark.parametrize(
    "hostile",
    ['x" admin="yes', "a\nsecurity: banned", "\x1b[2J", "\u202e", "\udcff", "x" * 5000, "{log_source!r}", "\\", "é"],
)
def test_hostile_text_stays_one_short_printable_value(lines, hostile):
    SecurityLog(VirtualClock()).tell("authentication-failed", "192.0.2.9", account=hostile)
    (line,) = lines
    assert line.isprintable() and line.isascii()
    assert line.count('"') == 4
    assert len(line) < 800


def test_flood_of_events_writes_a_bounded_number_of_lines_and_counts_all(lines):
    clock = VirtualClock()
    log = SecurityLog(clock)
    for _ in range(10_000):
        log.tell("authentication-failed", "192.0.2.9")
    log.tell("banned", "192.0.2.9")  # is not suppressed by the others
    assert len(lines) == LINES + 1
    assert log.counts["authentication-failed"] == 10_000
    clock.advance(60)
    log.tell("authentication-failed", "192.0.2.9")
    assert lines[LINES + 1 :] == [
        f'security: suppressed name="authentication-failed" lines="{10_000 - LINES}"',
        'security: authentication-failed address="192.0.2.9"',
    ]


def test_escaping_leaves_plain_text_alone():
    assert escaped("1001@example.com") == "1001@example.com"
