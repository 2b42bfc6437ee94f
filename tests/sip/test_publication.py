"""The event state compositor, step by step (RFC 3903 section 6), by exact times and by any input."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.sip.errors import Malformed
from pbx.sip.headers import SIP_ETAG
from pbx.sip.interval import Interval
from pbx.sip.publication import Compositor
from tests.sip.endpoint import Endpoint
from tests.sip.wire import request

KIND = "application/pidf+xml"
OPEN, CLOSED = b"<open/>", b"<closed/>"


class Presence(Endpoint):
    """An endpoint that keeps what is published.

    :ivar told: the states of a resource after each change.
    """

    name = "presence"
    kinds = (KIND,)

    def __init__(self) -> None:
        super().__init__()
        self.compositor = Compositor(
            self.clock, self.agent.identifiers, self, Interval(60, 7200, 3600), most=3, longest=100
        )
        self.count = 0

    def is_told(
        self, body: bytes = b"", tag: str | None = "", expires: str | None = None, kind: str = KIND, who: str = "1001"
    ) -> str:
        """A PUBLISH comes; returned is its answer, in short."""
        self.count += 1
        fields = [] if expires is None else [("expires", "Expires", expires)]
        if tag:
            fields.append(("sip-if-match", "SIP-If-Match", tag))
        self.who = who
        branch = f"z9hG4bK{self.count}"
        return self.receive(request("PUBLISH", cseq=self.count, branch=branch, more=fields, body=body, kind=kind))[0]

    def tag(self) -> str:
        """The entity-tag of the last answer."""
        return self.answer.one(SIP_ETAG)

    def receive(self, *messages, flow=None):
        for message in messages:
            self.layer.message_received(self.wire, message)
        self.answer = self.wire.last
        return super().receive()

    def requested(self, transaction, request) -> None:
        self.compositor.publish(transaction, request, self, self.who)

    def understands(self, body: bytes) -> None:
        if body == b"<nonsense":
            raise Malformed(400, "")

    def published(self, package, resource, publications) -> None:
        self.told.append((package, resource, [(one.kind, one.body) for one in publications]))


@pytest.fixture
def us() -> Presence:
    return Presence()


def test_initial_publication_gets_a_tag_and_a_time(us):
    assert us.is_told(OPEN, expires="600") == "200 PUBLISH"
    assert us.answer.first("expires") == "600"
    assert len(us.tag()) == 16
    assert us.told == [("presence", "1001", [(KIND, OPEN)])]
    assert len(us.compositor) == 1


@pytest.mark.parametrize(("asked", "granted"), [(None, "3600"), ("60", "60"), ("9000", "7200")])
def test_time_is_chosen_by_us_and_never_longer_than_asked_for(us, asked, granted):
    us.is_told(OPEN, expires=asked)
    assert us.answer.first("expires") == granted


def test_refresh_changes_nothing_but_tag_and_time(us):
    """RFC 3903 4.3."""
    us.is_told(OPEN, expires="100")
    first = us.tag()
    us.clock.advance(90)
    assert us.is_told(tag=first, expires="100") == "200 PUBLISH"
    second = us.tag()
    assert second != first
    assert len(us.told) == 1
    us.clock.advance(99.875)
    assert len(us.compositor) == 1
    us.clock.advance(0.125)
    assert us.told[1:] == [("presence", "1001", [])]
    assert us.is_told(tag=second) == "412 PUBLISH"


def test_modification_replaces_the_state(us):
    """RFC 3903 4.4."""
    us.is_told(OPEN)
    us.is_told(CLOSED, tag=us.tag())
    assert us.told[-1] == ("presence", "1001", [(KIND, CLOSED)])
    assert len(us.compositor) == 1


def test_removal_takes_the_state_away(us):
    """RFC 3903 4.5."""
    us.is_told(OPEN)
    us.is_told(tag=us.tag(), expires="0")
    assert us.answer.first("expires") == "0"
    assert us.told[-1] == ("presence", "1001", [])
    assert us.is_told(tag=us.tag()) == "412 PUBLISH"
    us.clock.advance(64)
    assert us.clock.pending == []


def test_publications_of_several_phones_stand_side_by_side(us):
    us.is_told(OPEN)
    first = us.tag()
    us.is_told(CLOSED)
    us.is_told(OPEN, who="1002")
    assert us.told[1:] == [("presence", "1001", [(KIND, OPEN), (KIND, CLOSED)]), ("presence", "1002", [(KIND, OPEN)])]
    assert us.is_told(tag=first, who="1002") == "412 PUBLISH"
    us.is_told(tag=first, expires="0")
    assert us.told[-1] == ("presence", "1001", [(KIND, CLOSED)])


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ({"tag": "nobodys"}, 412),
        ({"tag": "nobodys", "body": OPEN, "expires": "1"}, 412),  # step 3 comes before step 4
        ({"tag": "a, b"}, 400),
        ({"body": b"<nonsense"}, 400),
        ({"body": OPEN, "expires": "59"}, 423),
        ({"body": OPEN, "expires": "59", "kind": "text/plain"}, 423),  # step 4 before step 5
        ({"body": OPEN, "expires": "soon"}, 400),
        ({"body": OPEN, "kind": "text/plain"}, 415),
        ({"body": b"x" * 101}, 413),
        ({}, 400),
        ({"expires": "0"}, 400),
    ],
)
def test_what_is_refused_changes_nothing(us, parts, status):
    us.is_told(OPEN)
    us.told.clear()
    assert us.is_told(**parts) == f"{status} PUBLISH"
    assert us.told == []
    assert len(us.compositor) == 1


def test_refusals_say_what_would_do(us):
    us.is_told(OPEN, expires="1")
    assert us.answer.first("min-expires") == "60"
    us.is_told(OPEN, kind="text/plain")
    assert us.answer.first("accept") == KIND


def test_two_conditions_are_400(us):
    us.is_told(OPEN)
    fields = [("sip-if-match", "SIP-If-Match", us.tag())] * 2
    assert us.receive(request("PUBLISH", branch="z9hG4bKtwo", cseq=9, more=fields)) == ["400 PUBLISH"]


def test_refused_change_leaves_the_publication_with_its_tag(us):
    us.is_told(OPEN)
    tag = us.tag()
    assert us.is_told(CLOSED, tag=tag, kind="text/plain") == "415 PUBLISH"
    assert us.is_told(tag=tag) == "200 PUBLISH"


def test_there_is_a_limit_to_what_is_kept_of_one_resource(us):
    for _ in range(3):
        us.is_told(OPEN)
    tag = us.tag()
    assert us.is_told(OPEN) == "403 PUBLISH"
    assert us.is_told(CLOSED, tag=tag) == "200 PUBLISH"
    assert us.is_told(OPEN, who="1002") == "200 PUBLISH"
    assert len(us.compositor) == 4


def test_publication_that_is_over_at_once_is_never_kept(us):
    assert us.is_told(OPEN, expires="0") == "200 PUBLISH"
    assert len(us.compositor) == 0


def test_resource_that_is_gone_loses_all_its_publications(us):
    us.is_told(OPEN)
    us.is_told(OPEN)
    us.is_told(OPEN, who="1002")
    us.compositor.remove("1001")
    assert us.told[-1] == ("presence", "1001", [])
    assert len(us.compositor) == 1


def test_publication_shows_itself(us):
    shown = []
    us.published = lambda package, resource, publications: shown.extend(map(repr, publications))
    us.is_told(OPEN)
    assert shown == [f"<publication {us.tag()}, 3600.0 s left>"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"", OPEN, CLOSED]),
            st.sampled_from(["", "last", "other"]),
            st.sampled_from([None, "0", "60", "59"]),
            st.sampled_from([0.0, 0.125, 61.0]),
        ),
        max_size=30,
    )
)
def test_whatever_is_published_the_user_knows_what_is_kept(inputs):
    us = Presence()
    tag = ""
    for body, match, expires, seconds in inputs:
        status = us.is_told(body, {"last": tag, "other": "other"}.get(match, ""), expires)
        if status == "200 PUBLISH":
            tag = us.tag()
        us.clock.advance(seconds)
        assert len(us.compositor) <= 3
        assert len(us.compositor) == (len(us.told[-1][2]) if us.told else 0)
    us.clock.advance(3600)
    assert len(us.compositor) == 0
    assert us.clock.pending == []
