from __future__ import annotations

from typing import TypeVar

import pytest
from hypothesis import given

from pbx.sip.errors import Malformed
from pbx.sip.headers import CONTACT, CONTENT_TYPE, EXPIRES, MAX_FORWARDS, REASON, ROUTE, SUPPORTED
from pbx.sip.message import Message, Request, Response, with_body
from pbx.sip.parser import parse
from tests.sip.messages import messages

T = TypeVar("T", bound=Message)

INVITE = (
    b"INVITE sip:1002@example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKone;rport\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKtwo, SIP/2.0/UDP 192.0.2.3;branch=z9hG4bKthree\r\n"
    b"Max-Forwards: 69\r\n"
    b"Route: <sip:p1.example.com;lr>\r\n"
    b'From: "Alice" <sip:1001@example.com>;tag=a1\r\n'
    b"To: <sip:1002@example.com>\r\n"
    b"Call-ID: one@192.0.2.1\r\n"
    b"CSeq: 7 INVITE\r\n"
    b"Contact: <sip:1001@192.0.2.1:5070>\r\n"
    b"Timestamp: 54\r\n"
    b"Supported: replaces, timer\r\n"
    b"k: 100rel\r\n"
    b"X-Unknown: kept\r\n"
    b"Content-Type: application/sdp\r\n"
    b"Content-Length: 5\r\n"
    b"\r\n"
    b"v=0\r\n"
)


def invite() -> Request:
    message = parse(INVITE)
    assert isinstance(message, Request)
    return message


def identified(message: T) -> T:
    """One that we built, with what matching needs."""
    message.identify()
    return message


def names(message: Message) -> list[str]:
    return [name for _, name, _ in message.fields]


def test_what_matching_needs_is_there():
    request = invite()
    assert (request.method, request.target, str(request.uri)) == ("INVITE", "sip:1002@example.com", request.target)
    assert request.uri is request.uri
    assert (request.call_id, request.cseq, request.cseq_method) == ("one@192.0.2.1", 7, "INVITE")
    assert (request.from_tag, request.to_tag, request.via.branch) == ("a1", "", "z9hG4bKone")


def test_views_are_parsed_once_and_several_fields_are_one_list():
    request = invite()
    assert request.many(SUPPORTED) == ["replaces", "timer", "100rel"]
    assert request.many(SUPPORTED) is request.many(SUPPORTED)
    contact = request.one(CONTACT)
    assert contact is not None and contact is request.one(CONTACT)
    assert request.one(EXPIRES) is None and request.many(REASON) == []
    assert request.first("x-unknown") == "kept" and request.first("x-none") is None
    assert (str(request.sender()), request.receiver().tag) == ('"Alice" <sip:1001@example.com>;tag=a1', "")
    assert request.one(CONTENT_TYPE) == ("application/sdp", {})


def test_view_that_fails_fails_the_same_way_every_time():
    message = parse(INVITE.replace(b"replaces, timer", b"repl aces"))
    for _ in range(2):
        with pytest.raises(Malformed, match="400 token"):
            message.many(SUPPORTED)
    message = parse(INVITE.replace(b"Max-Forwards: 69", b"Max-Forwards: many"))
    assert isinstance(message, Request)
    for _ in range(2):
        with pytest.raises(Malformed, match="400 number"):
            message.max_forwards
    assert message.first("max-forwards") == "many"


def test_request_uri_that_is_none_is_malformed_when_it_is_read():
    message = parse(INVITE.replace(b"INVITE sip:1002@example.com", b"INVITE sip:1002@"))
    assert isinstance(message, Request)
    for _ in range(2):
        with pytest.raises(Malformed, match="400"):
            message.uri


def test_max_forwards_is_70_when_it_is_missing():
    assert invite().max_forwards == 69
    message = parse(INVITE.replace(b"Max-Forwards: 69\r\n", b""))
    assert isinstance(message, Request) and message.max_forwards == 70


def test_response_copies_what_rfc_3261_8_2_6_names_in_order():
    response = identified(invite().response(486, to_tag="b1", more=(REASON.field("Q.850;cause=17"),)))
    assert response.start_line() == "SIP/2.0 486 Busy Here"
    assert names(response) == ["Via", "Via", "From", "To", "Call-ID", "CSeq", "Reason", "Content-Length"]
    assert response.first("to") == "<sip:1002@example.com>;tag=b1"
    assert (response.to_tag, response.from_tag, response.cseq_method) == ("b1", "a1", "INVITE")
    assert [field for field in response.fields if field[0] == "via"] == [f for f in invite().fields if f[0] == "via"]


def test_trying_has_no_tag_and_echoes_the_timestamp():
    response = identified(invite().response(100, to_tag="b1"))
    assert response.to_tag == ""
    assert response.first("timestamp") == "54"
    assert invite().response(180).first("timestamp") is None


def test_tag_that_is_there_stays():
    request = parse(INVITE.replace(b"To: <sip:1002@example.com>", b"To: <sip:1002@example.com>;tag=old"))
    assert isinstance(request, Request)
    assert identified(request.response(200, to_tag="new")).to_tag == "old"


def test_tag_is_added_to_an_address_without_brackets_too():
    request = parse(INVITE.replace(b"To: <sip:1002@example.com>", b"To: sip:1002@example.com"))
    assert isinstance(request, Request)
    assert identified(request.response(200, "Fine", "b1")).to_tag == "b1"
    assert request.response(200, "Fine", "b1").reason == "Fine"


def test_ack_of_a_refusal_is_for_the_invite_and_carries_the_response_s_tag():
    request = invite()
    ack = identified(request.ack_for(request.response(486, to_tag="b1")))
    assert ack.start_line() == "ACK sip:1002@example.com SIP/2.0"
    assert names(ack) == ["Via", "Max-Forwards", "Route", "From", "Call-ID", "To", "CSeq", "Content-Length"]
    assert (ack.via.branch, ack.to_tag, ack.cseq, ack.cseq_method) == ("z9hG4bKone", "b1", 7, "ACK")


def test_cancel_has_the_invite_s_branch_and_tags():
    cancel = identified(invite().cancel((REASON.field("SIP;cause=200"),)))
    assert cancel.start_line() == "CANCEL sip:1002@example.com SIP/2.0"
    assert names(cancel) == [
        "Via",
        "Max-Forwards",
        "Route",
        "From",
        "To",
        "Call-ID",
        "CSeq",
        "Reason",
        "Content-Length",
    ]
    assert (cancel.via.branch, cancel.to_tag, cancel.cseq, cancel.cseq_method) == ("z9hG4bKone", "", 7, "CANCEL")


def test_message_that_we_built_takes_further_fields_and_is_identified_when_it_is_asked_to_be():
    bodiless = [field for field in invite().fields if field[0] not in ("content-length", "content-type")]
    request = Request("INVITE", "sip:a@h", bodiless)
    with pytest.raises(AttributeError):
        request.call_id
    with_body(request.fields, "application/sdp", b"v=0\r\n")
    request.body = b"v=0\r\n"
    assert bytes(request).endswith(b"Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n")
    assert identified(request).call_id == "one@192.0.2.1" and request.via.port == 5070


@pytest.mark.parametrize("key", ["via", "from", "to", "call-id", "cseq"])
def test_message_without_a_mandatory_field_is_malformed(key):
    request = Request("INVITE", "sip:a@h", [field for field in invite().fields if field[0] != key])
    with pytest.raises(Malformed, match=f"400 missing {key}"):
        request.identify()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("via", ""),
        ("via", ","),
        ("via", ", SIP/2.0/UDP h;branch=x x"),
        ("via", '"'),
        ("from", ""),
        ("to", "<sip:a@h"),
        ("from", "<sip:a@h>;tag=1;tag=2"),
        ("to", "<sip:a@h>;tag"),
        ("to", "<sip:a@h>;tag="),
        ("from", '<sip:a@h>;tag="a b"'),
        ("call-id", ""),
        ("cseq", "7"),
    ],
)
def test_message_with_a_malformed_mandatory_field_is_malformed(key, value):
    fields = [(field[0], field[1], value) if field[0] == key else field for field in invite().fields]
    with pytest.raises(Malformed, match="400"):
        Request("INVITE", "sip:a@h", fields).identify()


@pytest.mark.parametrize(
    ("value", "tag"),
    [
        ("<sip:a@h>", ""),
        ("<sip:a@h>;tag=x.1", "x.1"),
        ("<sip:a@h>  ; TAG = x", "x"),
        ("sip:a@h;tag=x", "x"),
        ("<sip:a@h;tag=no>", ""),
        ('";tag=no" <sip:a@h>;tag=yes', "yes"),
        ('"a\\"b" <sip:a@h>;tag=yes', "yes"),
        ("Alice Smith <sip:a@h>;x=1;tag=yes;y", "yes"),
    ],
)
def test_tag_is_found_wherever_it_stands(value, tag):
    fields = [(field[0], field[1], value) if field[0] == "from" else field for field in invite().fields]
    assert identified(Request("INVITE", "sip:a@h", fields)).from_tag == tag


@given(messages())
def test_messages_are_equal_when_their_bytes_are(message):
    again = parse(bytes(message))
    assert message == again and hash(message) == hash(again)
    assert message != bytes(message)
    assert message.start_line() in repr(message)


def test_abstract_message_has_no_start_line():
    with pytest.raises(NotImplementedError):
        Message([]).start_line()


def test_route_is_a_list():
    assert [str(address.uri) for address in invite().many(ROUTE)] == ["sip:p1.example.com;lr"]
    assert invite().many(MAX_FORWARDS) == [69]


def test_unknown_status_has_the_reason_of_its_class():
    assert invite().response(499).reason == "Bad Request"
    assert isinstance(invite().response(499), Response)
