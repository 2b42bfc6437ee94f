from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.sip.bodies import PARTS, Part, content_of, parts_of
from pbx.sip.errors import Malformed
from pbx.sip.message import Message
from tests.sip.wire import SDP, received, request

MIXED = "multipart/mixed;boundary=cut"


def message(body: bytes, kind: str = MIXED) -> Message:
    made = request(sdp=body)
    made.fields = [("content-type", "c", kind) if field[0] == "content-type" else field for field in made.fields]
    return received(made)


def several(*parts: bytes, before: bytes = b"", after: bytes = b"") -> bytes:
    return before + b"".join([b"--cut\r\n" + part + b"\r\n" for part in parts]) + b"--cut--" + after


PLAIN = b"Content-Type: Text/Plain;charset=utf-8\r\n\r\nhello"
SESSION = b"content-type : application/sdp\r\n\r\n" + SDP


def test_body_of_one_part_is_the_only_one():
    assert parts_of(message(SDP, "application/sdp")) == [Part("application/sdp", False, SDP)]
    assert parts_of(request()) == []


def test_parts_come_in_their_order_and_byte_by_byte_as_they_were():
    binary = b"Content-Type: application/x\r\n\r\n\0\xff\r\n\r\n--cu\r\n"
    parts = parts_of(message(several(PLAIN, binary, SESSION, before=b"ignored\r\n", after=b"\r\nignored")))
    assert [(part.kind, part.content) for part in parts] == [
        ("text/plain", b"hello"),
        ("application/x", b"\0\xff\r\n\r\n--cu\r\n"),
        ("application/sdp", SDP),
    ]
    assert not any(part.optional for part in parts)


def test_part_without_fields_is_plain_text():
    assert parts_of(message(several(b"\r\nhello"))) == [Part("text/plain", False, b"hello")]


def test_part_says_when_it_may_be_ignored():
    part = b"Content-Type: application/isup;\r\n version=x\r\nContent-Disposition: signal; Handling=OPTIONAL\r\n\r\n1"
    assert parts_of(message(several(part))) == [Part("application/isup", True, b"1")]


@pytest.mark.parametrize("field", [b"Content-Transfer-Encoding: base64", b"Content-Encoding: gzip"])
def test_part_that_is_encoded_is_of_no_type_that_we_know(field):
    parts = parts_of(message(several(field + b"\r\n" + SESSION)))
    assert [part.kind for part in parts] == [""]
    assert content_of(message(several(b"Content-Transfer-Encoding: BINARY\r\n" + SESSION)), "application/sdp") == SDP


def test_first_part_of_a_type_counts_and_of_alternatives_the_last():
    """RFC 2046 5.1.4."""
    other = b"Content-Type: application/sdp\r\n\r\nother"
    body = several(PLAIN, SESSION, other)
    assert content_of(message(body), "application/sdp") == SDP
    assert content_of(message(body, 'multipart/alternative; boundary="cut"'), "application/sdp") == b"other"
    assert content_of(message(body), "image/png") == b""


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"hello", MIXED),
        (b"--cut\r\n" + SESSION, MIXED),
        (several(SESSION), "multipart/mixed"),
        (several(SESSION), "multipart/mixed;boundary"),
        (several(SESSION), f"multipart/mixed;boundary={'x' * 71}"),
        (several(*[PLAIN] * (PARTS + 1)), MIXED),
        (several(b"Content-Type: x\r\n\r\n1"), MIXED),
        (several(b"Content-Disposition: ,\r\n\r\n1"), MIXED),
    ],
)
def test_what_cannot_be_taken_apart_is_400(body, kind):
    with pytest.raises(Malformed, match="400"):
        parts_of(message(body, kind))


@given(st.lists(st.sampled_from([b"--cut", b"--", b"\r\n", b"cut", b" ", PLAIN, SESSION, b"\xff", b":"])))
def test_whatever_comes_it_is_parts_or_400(pieces):
    try:
        parts = parts_of(message(b"".join(pieces) or b"x"))
    except Malformed as fault:
        assert fault.status == 400
    else:
        assert len(parts) <= PARTS


@given(st.lists(st.binary(max_size=50).filter(lambda content: b"--cut" not in content), min_size=1, max_size=5))
def test_any_content_is_what_it_was(contents):
    body = several(*[b"Content-Type: a/b\r\n\r\n" + content for content in contents])
    assert [part.content for part in parts_of(message(body))] == contents
