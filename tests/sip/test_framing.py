"""pbx.sip.framing: the same messages come out however the stream is cut, and nothing else is kept than it must."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.sip.framing import PING, Framer
from pbx.sip.message import Request, Response
from pbx.sip.parser import MAX_BODY, MAX_FIELDS, MAX_HEAD, BadRequest, Limits, Unanswerable

NEEDED = (
    "Via: SIP/2.0/TCP 192.0.2.9;branch=z9hG4bK1",
    "From: <sip:a@192.0.2.9>;tag=1",
    "To: <sip:b@192.0.2.1>",
    "Call-ID: 1",
)


def message(
    *more: str, start: str = "MESSAGE sip:b@192.0.2.1 SIP/2.0", method: str = "MESSAGE", body: str = ""
) -> bytes:
    """A message with the fields that it must have, and these; Content-Length is not among them."""
    return "\r\n".join([start, *NEEDED, f"CSeq: 1 {method}", *more, "", body]).encode()


def whole(body: str = "", **parts: str) -> bytes:
    """A good message."""
    return message(f"Content-Length: {len(body)}", body=body, **parts)


HELLO = whole("Hello\r\n\r\nWorld")
OPTIONS = whole(start="OPTIONS sip:b@192.0.2.1 SIP/2.0", method="OPTIONS")
RINGING = whole(start="SIP/2.0 180 Ringing", method="INVITE")
BAD = message("From: twice", "Content-Length: 4", body="body")
BAD_RESPONSE = message("From: twice", "l : 4", start="SIP/2.0 200 OK", body="body")
TOO_MANY = message(*["X: y"] * MAX_FIELDS, "Content-Length: 3", body="abc")
PINGS = b"\r\n" * 4
GOOD = (HELLO, OPTIONS, RINGING, BAD, BAD_RESPONSE, PINGS)


def shown(items: Iterable[object]) -> list[object]:
    """Items in a form that can be compared."""
    return [
        (type(item).__name__, item.status, item.why, bytes(item.request) if isinstance(item, BadRequest) else b"")
        if isinstance(item, BadRequest | Unanswerable)
        else bytes(item)
        if isinstance(item, Request | Response)
        else item
        for item in items
    ]


def fed(*pieces: bytes) -> tuple[list[object], bool]:
    """What comes out of a stream in these pieces, and whether it is over."""
    framer = Framer()
    items = [item for piece in pieces for item in framer.feed(piece)]
    return shown(items), framer.over


def one_by_one(stream: bytes) -> list[bytes]:
    return [stream[place : place + 1] for place in range(len(stream))]


# However it is cut ------------------------------------------------------------

BROKEN = (
    message(),  # without Content-Length
    message("Content-Length: x"),
    message("Content-Length: 1", "Content-Length: 2", body="ab"),
    message(f"Content-Length: {MAX_BODY + 1}"),
    message(start="garbage"),
    message("Content-Length: 2", "Content-Length: 1", start="garbage", body="ab"),
    b"x" * (MAX_HEAD + 5),
)

streams = st.tuples(st.lists(st.sampled_from(GOOD), max_size=6), st.sampled_from((b"", *BROKEN))).map(
    lambda parts: b"".join([*parts[0], parts[1]])
)


@given(streams, st.lists(st.integers(0, 3000), max_size=12))
def test_any_cut_gives_the_same_messages(stream: bytes, cuts: list[int]) -> None:
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    pieces = [stream[begin:end] for begin, end in pairwise(places)]
    assert fed(*pieces) == fed(stream)


@given(st.lists(st.sampled_from(GOOD), max_size=6))
def test_byte_by_byte_gives_the_same_messages(parts: list[bytes]) -> None:
    stream = b"".join(parts)
    assert fed(*one_by_one(stream)) == fed(stream)
    assert len(fed(stream)[0]) == sum(2 if part is PINGS else 1 for part in parts)


@pytest.mark.parametrize("broken", BROKEN[:-1])
def test_byte_by_byte_breaks_at_the_same_place(broken: bytes) -> None:
    stream = HELLO + broken + OPTIONS
    items, over = fed(*one_by_one(stream))
    assert over
    assert (items, over) == fed(stream)


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=4))
def test_garbage_never_raises_and_its_cuts_make_no_difference(garbage: bytes, cuts: list[int]) -> None:
    stream = garbage + HELLO + garbage + b"\r\n\r\n" + HELLO
    places = sorted({0, len(stream), *cuts})
    assert fed(*[stream[a:b] for a, b in pairwise(places)]) == fed(stream)


def test_every_cut_in_two_of_several_messages_at_once() -> None:
    stream = b"".join(GOOD)
    expected = fed(stream)
    assert len(expected[0]) == 7
    for place in range(len(stream)):
        assert fed(stream[:place], stream[place:]) == expected


# What comes out ----------------------------------------------------------------


def test_body_is_that_of_content_length() -> None:
    framer = Framer()
    first, second = framer.feed(HELLO + OPTIONS)
    assert isinstance(first, Request)
    assert isinstance(second, Request)
    assert (first.body, second.method, second.body) == (b"Hello\r\n\r\nWorld", "OPTIONS", b"")
    assert not framer.waits


def test_double_crlf_is_a_keep_alive_and_single_ones_are_skipped() -> None:
    assert fed(b"\r\n") == ([], False)
    assert fed(b"\r\n\r\n") == ([PING], False)
    assert fed(b"\r\n", OPTIONS, b"\r\n", OPTIONS) == fed(OPTIONS, OPTIONS)
    assert fed(OPTIONS, b"\r", b"\n\r", b"\n")[0][1:] == [PING]
    assert repr(PING) == "<keep-alive>"


def test_malformed_request_is_refused_and_the_stream_goes_on() -> None:
    (refused, good), over = fed(BAD + OPTIONS)
    assert refused[:3] == ("BadRequest", 400, "from comes twice")
    assert (good, over) == (OPTIONS, False)


def test_malformed_response_is_dropped_and_the_stream_goes_on() -> None:
    (dropped, good), over = fed(BAD_RESPONSE + OPTIONS)
    assert dropped[:2] == ("Unanswerable", 400)
    assert (good, over) == (OPTIONS, False)


def test_too_many_fields_are_answered_513_and_the_stream_goes_on() -> None:
    (refused, good), over = fed(TOO_MANY + OPTIONS)
    assert refused[:3] == ("BadRequest", 513, "too many header fields")
    assert (good, over) == (OPTIONS, False)


@pytest.mark.parametrize(
    ("broken", "kind", "status", "why"),
    [
        (message(), "BadRequest", 400, "missing Content-Length"),
        (message("Content-Length: x"), "BadRequest", 400, "number expected"),
        (message("Content-Length: 99999999999"), "BadRequest", 400, "number expected"),
        (message("Content-Length: 1", "l: 2"), "BadRequest", 400, "content-length comes twice"),
        (message("From: twice"), "BadRequest", 400, "from comes twice"),
        (message("From: twice", "Content-Length: 1, 2"), "BadRequest", 400, "from comes twice"),
        (message(f"Content-Length: {MAX_BODY + 1}"), "BadRequest", 513, "body too long"),
        (message(f"From: twice\r\nContent-Length: {MAX_BODY + 1}"), "BadRequest", 400, "from comes twice"),
        (message(f"Long: {'x' * MAX_HEAD}"), "BadRequest", 513, "head too long"),
        (message("From: twice", f"Long: {'x' * MAX_HEAD}"), "BadRequest", 513, "head too long"),
        (message(*["X: y"] * MAX_FIELDS), "BadRequest", 513, "too many header fields"),
        (message(start="SIP/2.0 200 OK"), "Unanswerable", 400, "missing Content-Length"),
        (message(start="ACK sip:b@192.0.2.1 SIP/2.0", method="ACK"), "Unanswerable", 400, "missing Content-Length"),
        (message(start="garbage"), "Unanswerable", 400, "malformed start line"),
        (b"x" * (MAX_HEAD + 5), "Unanswerable", 400, "malformed start line"),
    ],
)
def test_stream_that_cannot_be_framed_again_is_over(broken: bytes, kind: str, status: int, why: str) -> None:
    (good, refused), over = fed(OPTIONS + broken + OPTIONS)
    assert (good, over) == (OPTIONS, True)
    assert refused[:3] == (kind, status, why)


def test_nothing_comes_out_of_a_stream_that_is_over() -> None:
    framer = Framer()
    framer.feed(message())
    assert framer.over
    assert framer.feed(OPTIONS) == []
    assert not framer.waits


# What is kept ------------------------------------------------------------------


def test_longest_head_and_longest_body_are_taken() -> None:
    short = len(message("Content-Length: 0", "L: "))
    head = message("Content-Length: 0", f"Long: {'x' * (MAX_HEAD + 4 - short - 3)}")
    assert len(head) == MAX_HEAD + 4
    assert fed(head) == ([head], False) == fed(head[:-2], head[-2:])
    assert fed(head.replace(b"Long", b"Longer"))[1]
    body = whole("x" * MAX_BODY)
    assert fed(body[:-1], body[-1:]) == ([body], False)


def test_peer_that_never_ends_its_head_is_bounded() -> None:
    framer = Framer()
    for _ in range(MAX_HEAD):
        framer.feed(b"x")
        assert framer.waits
    for _ in range(4):
        items = framer.feed(b"x")
    assert framer.over
    assert isinstance(items[0], Unanswerable)


def test_limits_are_those_that_were_given() -> None:
    framer = Framer(Limits(head=len(OPTIONS) - 4, body=4))
    assert len(framer.feed(OPTIONS)) == 1
    (refused,) = framer.feed(HELLO)
    assert framer.over
    assert isinstance(refused, BadRequest)
    assert refused.status == 513


def test_waits_while_a_message_is_not_complete() -> None:
    framer = Framer()
    assert not framer.waits
    for piece, waits in ((HELLO[:9], True), (HELLO[9:-1], True), (HELLO[-1:], False), (b"\r", True), (b"\n", False)):
        framer.feed(piece)
        assert framer.waits is waits
