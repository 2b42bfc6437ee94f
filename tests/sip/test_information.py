"""INFO and MESSAGE within a call: passed on and answered, or refused (RFC 6086, RFC 3428)."""

from __future__ import annotations

import pytest

from pbx.sip.information import Information
from tests.sip.endpoint import Endpoint, names
from tests.sip.wire import response

DTMF = b"Signal=5\r\nDuration=160\r\n"
RELAY = "application/dtmf-relay"
STATUSES = (401, 404, 405, 407, 408, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 502, 503, 604)


class Pair(Endpoint):
    """An endpoint with two calls: what comes in the first goes on in the second."""

    def __init__(self) -> None:
        super().__init__()
        self.other = self.in_our_call()
        self.wire.take()
        self.in_a_call()

    def is_told(self, body: bytes = DTMF, method: str = "INFO", kind: str = RELAY, cseq: int = 2, more=()) -> list[str]:
        return self.receive(self.within(method, cseq, body=body, kind=kind, more=more))

    def session_informed(self, session, information: Information) -> None:
        super().session_informed(session, information)
        disposition = tuple(field for field in information.fields if field[0] == "content-disposition")
        information.pass_on(self.layer, self.other.dialog, disposition)


@pytest.fixture
def us() -> Pair:
    return Pair()


@pytest.mark.parametrize(
    ("method", "body", "kind"), [("INFO", DTMF, RELAY), ("MESSAGE", b"hello", "text/plain"), ("INFO", b"", "")]
)
def test_method_and_body_are_told_and_go_on(us, method, body, kind):
    assert us.is_told(body, method, kind) == [method]
    assert us.told == [(method, body)]


def passed(us: Pair, **parts):
    us.layer.message_received(us.wire, us.within("INFO", 2, body=DTMF, kind=RELAY, **parts))
    request = us.wire.last
    us.wire.take()
    return request


def test_it_is_a_request_of_the_other_dialog(us):
    request = passed(us, more=[("content-disposition", "Content-Disposition", "render"), ("x-one", "X-One", "1")])
    assert (request.call_id, request.to_tag) == (us.other.dialog.call_id, us.other.dialog.remote_tag)
    assert (request.body, request.first("content-type"), request.first("content-disposition")) == (
        DTMF,
        RELAY,
        "render",
    )
    assert request.first("x-one") is None
    assert request.first("contact") is None


@pytest.mark.parametrize("status", [200, 202, 400, 403, 413, 488, 500, 603])
def test_answer_of_the_other_end_is_the_answer(us, status):
    request = passed(us)
    assert us.receive(response(request, 100), response(request, status)) == [f"{status} INFO"]
    assert us.receive(us.within("BYE", 3)) == ["200 BYE"]


def test_other_end_says_what_it_would_accept(us):
    request = passed(us)
    us.layer.message_received(us.wire, response(request, 415, more=[("accept", "Accept", "text/plain")]))
    assert (us.wire.last.status, us.wire.last.first("accept")) == (415, "text/plain")


@pytest.mark.parametrize("status", STATUSES)
def test_answer_that_would_end_the_call_is_kept_from_the_sender(us, status):
    """RFC 5057 5.1: a phone that does not know INFO must not cost the other one its call."""
    request = passed(us)
    us.layer.message_received(us.wire, response(request, status))
    answer = us.wire.last
    assert (answer.status, answer.reason.startswith(f"the other side says {status} ")) == (500, True)
    assert us.session.state.value == us.other.state.value == "confirmed"


def test_other_end_that_does_not_answer(us):
    passed(us)
    us.clock.advance(32)
    assert us.wire.last.status == 500


def test_info_of_a_package_is_469_and_told_that_there_are_none(us):
    """RFC 6086 4.2.2."""
    us.layer.message_received(us.wire, us.within("INFO", 2, more=[("info-package", "Info-Package", "foo")]))
    assert (us.wire.last.status, us.wire.last.first("recv-info")) == (469, "")
    assert us.told == []


@pytest.mark.parametrize("method", ["INFO", "MESSAGE"])
def test_outside_a_call_that_goes_on_it_is_481(us, method):
    us.session.hang_up()
    us.wire.take()
    assert us.is_told(method=method) == [f"481 {method}"]
    assert us.told == []


def test_before_the_answer_it_is_told_too():
    us = Endpoint()
    us.is_called()
    us.receive(us.within("INFO", 2, body=DTMF, kind=RELAY))
    assert us.told == [("INFO", DTMF)]
    us.information.answer(200)
    assert names(us.wire) == ["200 INFO"]
