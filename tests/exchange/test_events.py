"""Limits and bookkeeping of subscriptions to the exchange; who may and what is refused is in tests/flows."""

from __future__ import annotations

import pytest

from pbx.exchange.caller import Caller, Source
from pbx.exchange.events import Events
from pbx.sip.errors import Malformed
from pbx.sip.interval import Interval
from tests.sip.endpoint import Endpoint
from tests.sip.wire import SDP, name, request, response


class Board(Endpoint):
    """An exchange in which everybody may watch everything.

    :ivar versions: what the package was asked for: resource and version.
    """

    name = "lamp"
    kinds = ("text/plain", "text/html")
    interval = Interval()
    throttle = 0.0

    def __init__(self, **limits: int) -> None:
        super().__init__()
        self.events = Events(self.agent, **limits)
        self.events.offer(self)
        self.events.accept(self)
        self.versions: list[tuple[str, int]] = []
        self.count = 0

    def is_asked(self, method: str = "SUBSCRIBE", who: str = "1001", resource: str = "1002", **parts) -> str:
        """A request comes; returned is its answer, in short."""
        self.count += 1
        self.who = who
        more = [("event", "Event", parts.pop("event", "lamp")), *parts.pop("more", [])]
        message = request(
            method,
            target=f"sip:{resource}@192.0.2.1",
            branch=f"z9hG4bK{self.count}",
            call_id=f"call{self.count}",
            more=more,
            **parts,
        )
        self.wire.take()
        self.layer.message_received(self.wire, message)
        return name(self.wire.messages[0])

    def is_answered(self, status: int = 200) -> None:
        """All NOTIFYs are answered."""
        notifies = [message for message in self.wire.messages if name(message) == "NOTIFY"]
        self.wire.take()
        for notify in notifies:
            self.layer.message_received(self.wire, response(notify, status))

    def requested(self, transaction, request) -> None:
        sender = Caller(self.who, "", Source.INTERNAL)
        asked = self.events.subscribing if request.method == "SUBSCRIBE" else self.events.publishing
        asked(transaction, request, sender, request.uri.decoded_user)

    def admit(self, sender: Caller, resource: str) -> None:
        if resource == "secret":
            raise Malformed(403, "")

    def state(self, resource: str, version: int, watcher: str) -> tuple[str, bytes]:
        self.versions.append((resource, version))
        return "text/plain", b"dark"

    def understands(self, body: bytes) -> None:
        """All that comes."""

    def published(self, resource: str, publications) -> None:
        self.told.append((resource, len(publications)))


@pytest.fixture
def board() -> Board:
    return Board(most=5, most_of_one=3)


def test_those_who_watch_a_resource_are_told_of_its_changes_with_rising_versions(board):
    for who, resource in (("1001", "1002"), ("1003", "1002"), ("1001", "1003")):
        assert board.is_asked(who=who, resource=resource) == "200 SUBSCRIBE"
        board.is_answered()
    board.versions.clear()
    board.events.changed("lamp", "1002")
    assert board.versions == [("1002", 1), ("1002", 1)]
    board.is_answered()
    board.events.changed("lamp", "1002")
    board.events.changed("lamp", "nobody")
    board.events.changed("other", "1002")
    assert board.versions[2:] == [("1002", 2), ("1002", 2)]


def test_one_sender_has_so_many_subscriptions_and_no_more(board):
    for _ in range(3):
        board.is_asked()
        board.is_answered()
    assert board.is_asked() == "403 SUBSCRIBE"
    assert board.is_asked(who="1003") == "200 SUBSCRIBE"
    assert len(board.agent.usages) == 4


def test_there_is_a_limit_to_all_subscriptions_together(board):
    for number in range(5):
        board.is_asked(who=str(number))
        board.is_answered()
    assert board.is_asked(who="9") == "503 SUBSCRIBE"
    assert board.wire.last.first("retry-after") == "60"


@pytest.mark.parametrize("end", ["refused", "expired", "expelled"])
def test_subscription_that_is_over_makes_room(board, end):
    for _ in range(3):
        board.is_asked(more=[("expires", "Expires", "60")])
        board.is_answered(481 if end == "refused" else 200)
    if end == "expired":
        board.clock.advance(60)
    elif end == "expelled":
        board.events.expel("1001")
        assert board.wire.last.first("subscription-state") == "terminated;reason=rejected"
    assert len(board.agent.usages) == 0
    assert board.is_asked() == "200 SUBSCRIBE"


def test_who_only_asks_takes_no_room(board):
    for _ in range(9):
        assert board.is_asked(more=[("expires", "Expires", "0")]) == "200 SUBSCRIBE"
        assert board.wire.last.first("subscription-state") == "terminated;reason=timeout"
    assert len(board.agent.usages) == 0


def test_those_who_were_expelled_are_the_only_ones(board):
    board.is_asked(who="1001")
    board.is_answered()
    board.is_asked(who="1003")
    board.is_answered()
    board.is_asked("PUBLISH", "1001", "1001", body=b"x")
    board.events.expel("1001")
    assert len(board.agent.usages) == 1
    assert board.told == [("1001", 1), ("1001", 0)]


def test_package_says_who_may(board):
    assert board.is_asked(resource="secret") == "403 SUBSCRIBE"
    assert len(board.agent.usages) == 0


@pytest.mark.parametrize(
    ("accept", "status"),
    [("text/html", 200), ("text/*", 200), ("*/*;q=0.1", 200), ("application/pidf+xml", 406), ("text", 400)],
)
def test_subscriber_must_understand_one_of_our_types(board, accept, status):
    assert board.is_asked(more=[("accept", "Accept", accept)]) == f"{status} SUBSCRIBE"


def test_subscriber_behind_proxies_is_notified_through_them(board):
    route = ("record-route", "Record-Route", "<sip:192.0.2.50:5070;lr>")
    via = ("via", "Via", "SIP/2.0/UDP 192.0.2.60;branch=z9hG4bKphone")
    board.is_asked(more=[route, via])
    proxy = board.ways["sip:192.0.2.50:5070;lr"]
    assert name(proxy.last) == "NOTIFY"


def test_refused_publication_and_subscription_name_the_packages(board):
    for method in ("SUBSCRIBE", "PUBLISH"):
        assert board.is_asked(method, "1001", "1001", event="presence") == f"489 {method}"
        assert board.wire.last.first("allow-events") == "lamp, refer"


def test_everybody_publishes_his_own_state_only(board):
    assert board.is_asked("PUBLISH", "1001", "1002", body=b"x") == "403 PUBLISH"
    assert board.is_asked("PUBLISH", "1001", "1001", body=b"x") == "200 PUBLISH"
    assert board.told == [("1001", 1)]


def test_call_and_subscription_of_one_peer_do_not_meet(board):
    board.is_asked()
    board.is_answered()
    board.receive(request(call_id="a call", branch="z9hG4bKcall", sdp=SDP))
    board.session.answer(SDP)
    assert board.agent.dialogs == 2
