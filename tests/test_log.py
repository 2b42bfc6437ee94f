"""pbx.log: lines for people or objects for programs, exceptions with their text, and never an exception of its own."""

from __future__ import annotations

import errno
import io
import json
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import LogEvent, Logger, LogPublisher
from twisted.python.failure import Failure

from pbx.log import Output, json_line


def written(form: str, level: str, *events: Any) -> str:
    """Return what an output writes; an event is a function that is given a logger."""
    stream = io.StringIO()
    log = Logger("pbx.test", observer=LogPublisher(Output(stream, form, level)))
    for event in events:
        event(log)
    return stream.getvalue()


def failed(log: Logger) -> None:
    try:
        raise ValueError("the text of the exception")
    except ValueError:
        log.failure("call {call} failed", call="a1")


def test_json_event_is_one_line_with_its_scalar_fields() -> None:
    line = written("json", "info", lambda log: log.warn("{n} calls\nended", n=3, call="a1", obj=object(), ok=True))
    assert line.count("\n") == 1
    event = json.loads(line)
    assert event.pop("time").endswith("+00:00")
    assert event == {
        "level": "warn",
        "namespace": "pbx.test",
        "message": "3 calls\nended",
        "n": 3,
        "call": "a1",
        "ok": True,
    }


def test_json_keeps_the_text_of_an_exception() -> None:
    event = json.loads(written("json", "info", failed))
    assert (event["level"], event["message"]) == ("critical", "call a1 failed")
    assert "ValueError: the text of the exception" in event["traceback"]


def test_own_fields_do_not_replace_those_of_every_event() -> None:
    event = json.loads(written("json", "info", lambda log: log.info("hello", message="x", namespace="y", time="z")))
    assert (event["message"], event["namespace"]) == ("hello", "pbx.test")


def test_text_shows_level_and_message_and_traceback() -> None:
    text = written("text", "info", lambda log: log.info("pbx ready"), failed)
    first, _, rest = text.partition("\n")
    assert first.endswith("[pbx.test#info] pbx ready")
    assert "ValueError: the text of the exception" in rest


@pytest.mark.parametrize("form", ["text", "json"])
def test_lower_levels_are_left_out_except_what_is_always_written(form: str) -> None:
    text = written(
        form,
        "warn",
        lambda log: log.debug("quiet"),
        lambda log: log.info("also quiet"),
        lambda log: log.info("pbx ready", always=True),
        lambda log: log.warn("heard"),
    )
    assert ["ready" in line or "heard" in line for line in text.splitlines()] == [True, True]


def test_level_can_be_changed_at_any_time() -> None:
    stream = io.StringIO()
    output = Output(stream, "text", "error")
    log = Logger("pbx.test", observer=LogPublisher(output))
    log.info("before")
    output.level = "debug"
    log.debug("after")
    assert output.level == "debug"
    assert "after" in stream.getvalue()
    assert "before" not in stream.getvalue()


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"log_format": "{missing} {bad[0]}", "log_time": 0.0},
        {"log_failure": Failure(ValueError("x")), "log_format": "f"},
        {"log_format": "\udcff {x}", "x": b"\xff", "y": float("nan"), "z": "\udcff"},
    ],
)
def test_any_event_becomes_one_line_of_json(event: LogEvent) -> None:
    line = json_line(event)
    assert line.count("\n") == 1
    assert isinstance(json.loads(line), dict)


def test_stream_that_cannot_be_written_harms_nobody(tmp_path: Path) -> None:
    with open(tmp_path / "log", "w") as closed:
        output = Output(closed, "text", "info")
    output({"log_format": "hello", "log_time": 0.0})
    Output(Full(), "text", "info")({"log_format": "hello", "log_time": 0.0})


class Full(io.StringIO):
    """A file on a disk without room."""

    def flush(self) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")
