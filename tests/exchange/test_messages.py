"""One MESSAGE and the answers of several phones: the sender gets one (RFC 3428); the rest is in tests/flows."""

from __future__ import annotations

import pytest

from pbx.exchange.caller import Caller, Source
from pbx.exchange.destination import Destination
from pbx.exchange.directory import Directory
from pbx.exchange.letterbox import IN_MEMORY, Letterbox
from pbx.exchange.messages import PATIENCE, Messages
from pbx.exchange.target import ext
from tests.sip.endpoint import Endpoint, names
from tests.sip.wire import Wire, name, request, response

ALICE = Caller("1001", "Alice", Source.INTERNAL)


class Post(Endpoint):
    """An exchange with one extension that has two phones."""

    def __init__(self, reliable: bool = False) -> None:
        super().__init__()
        hosts = ("192.0.2.21", "192.0.2.22")
        self.phones = [Wire(self.clock, reliable, remote=(host, 5060)) for host in hosts]
        self.letterbox = Letterbox(Directory(), self.clock, IN_MEMORY)
        self.messages = Messages(self.agent, self.letterbox, self.locate)
        self.count = 0

    def is_sent(self, body: bytes = b"hello") -> list[str]:
        """The sender's MESSAGE; returned is what went back to it."""
        self.count += 1
        self.layer.message_received(self.wire, request("MESSAGE", branch=f"z9hG4bK{self.count}", body=body))
        return names(self.wire)

    def answers(self, phone: int, status: int) -> list[str]:
        """A phone answers; returned is what has gone to the sender so far."""
        wire = self.phones[phone]
        self.layer.message_received(wire, response(wire.last, status))
        return names(self.wire)

    def requested(self, transaction, request) -> None:
        self.messages.deliver(transaction, request, ALICE, ext(request.uri.decoded_user))

    def locate(self, target, secure):
        return [
            Destination(target, f"sip:1002@{phone.remote[0]}", "<sip:1002@192.0.2.1>", phone, neighbour=True)
            for phone in self.phones
        ]


@pytest.fixture
def post() -> Post:
    return Post()


def test_first_phone_that_takes_it_decides_and_what_comes_later_changes_nothing(post):
    assert post.is_sent() == []
    assert [name(phone.last) for phone in post.phones] == ["MESSAGE", "MESSAGE"]
    assert post.answers(0, 100) == []
    assert post.answers(0, 200) == ["200 MESSAGE"]
    assert post.answers(1, 480) == ["200 MESSAGE"]
    post.assert_idle()


def test_phone_that_keeps_it_for_later_says_202(post):
    post.is_sent()
    assert post.answers(1, 202) == ["202 MESSAGE"]


def test_all_phones_must_refuse_before_the_sender_hears_480(post):
    post.is_sent()
    assert post.answers(0, 603) == []
    assert post.answers(1, 415) == ["480 MESSAGE"]
    post.assert_idle()


def test_silent_phone_and_one_that_refuses(post):
    post.is_sent()
    post.answers(0, 486)
    post.clock.advance(PATIENCE - 0.125)
    assert names(post.wire) == []
    post.clock.advance(0.125)
    assert names(post.wire) == ["480 MESSAGE"]
    post.assert_idle()


def test_broken_ways_are_480_at_once(post):
    post.is_sent()
    for phone in post.phones:
        post.layer.flow_failed(phone)
    assert names(post.wire) == ["480 MESSAGE"]


@pytest.mark.parametrize(("reliable", "answer"), [(False, ["513 MESSAGE"]), (True, [])])
def test_long_message_goes_by_streams_only(reliable, answer):
    """RFC 3428 section 8."""
    assert Post(reliable).is_sent(b"x" * 1300) == answer


def test_caller_without_a_number_is_shown_as_such():
    assert Caller("", "", Source.ANONYMOUS).shown_at("192.0.2.1") == "<sip:192.0.2.1>"
    assert Caller("1001", 'A "B"', Source.INTERNAL).shown_at("h") == '"A \\"B\\"" <sip:1001@h>'


def test_target_is_the_extension_that_is_written_to(post):
    asked = []
    post.messages = Messages(post.agent, post.letterbox, lambda target, secure: asked.append((target, secure)) or [])
    assert post.is_sent() == ["513 MESSAGE"]
    assert asked == [(ext("1001"), False)]
