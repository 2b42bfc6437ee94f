from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.sip.errors import Malformed
from pbx.sip.message import Request, Response
from pbx.sip.parser import MAX_BODY, MAX_FIELDS, MAX_HEAD, BadRequest, Limits, Unanswerable, parse, parse_head
from tests.sip.messages import damaged, messages

HEAD = (
    "OPTIONS sip:example.com SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1;rport\r\n"
    "From: <sip:1001@example.com>;tag=a1\r\n"
    "To: <sip:1001@example.com>\r\n"
    "Call-ID: c1\r\n"
    "CSeq: 1 OPTIONS\r\n"
)
OK = HEAD.replace("OPTIONS sip:example.com SIP/2.0", "SIP/2.0 200 OK")


def packet(*changes: tuple[str, str], head: str = HEAD, more: str = "", body: str = "") -> bytes:
    """The OPTIONS request or its response with something replaced and fields and a body added."""
    for old, new in changes:
        assert old in head
        head = head.replace(old, new)
    return f"{head}{more}\r\n{body}".encode("utf-8", "surrogateescape")


def request(*changes: tuple[str, str], more: str = "", body: str = "") -> Request:
    message = parse(packet(*changes, more=more, body=body))
    assert isinstance(message, Request)
    return message


@given(messages())
def test_message_comes_back(message):
    read = parse(bytes(message))
    assert read == message
    assert type(read) is type(message)
    assert (read.fields, read.body) == (message.fields, message.body)
    message.identify()
    assert (read.call_id, read.cseq, read.cseq_method) == (message.call_id, message.cseq, message.cseq_method)
    assert (read.from_tag, read.to_tag, str(read.via)) == (message.from_tag, message.to_tag, str(message.via))


def answer(fault: BadRequest) -> bytes:
    """What the transaction layer makes of a request that can be answered."""
    return bytes(fault.request.response(fault.status, fault.why, "tag"))


@given(
    damaged()
    | st.binary(max_size=300)
    | st.binary(max_size=80).map(lambda noise: packet(more="X: ")[:-2] + noise + b"\r\n\r\n")
)
def test_any_bytes_are_a_message_or_malformed_and_what_can_be_answered_is_answered(noise):
    try:
        message = parse(noise)
    except BadRequest as fault:
        assert fault.request.method != "ACK"
        assert fault.request.via.host
        assert answer(fault).startswith(f"SIP/2.0 {fault.status} ".encode())
    except Unanswerable as fault:
        assert 400 <= fault.status < 700
    else:
        assert parse(bytes(message)) == message or message.first("content-length") is None


def test_request_and_response_are_told_apart():
    message = parse(packet())
    assert isinstance(message, Request)
    assert (message.method, message.target) == ("OPTIONS", "sip:example.com")
    message = parse(packet(head=OK))
    assert isinstance(message, Response)
    assert (message.status, message.reason) == (200, "OK")
    message = parse(packet(("200 OK", "699 "), head=OK))
    assert isinstance(message, Response)
    assert (message.status, message.reason) == (699, "")


def test_version_is_read_in_any_case_and_methods_keep_theirs():
    assert request(("SIP/2.0\r\nVia", "sip/2.0\r\nVia")).method == "OPTIONS"
    assert request(("OPTIONS", "options")).method == "options"
    with pytest.raises(BadRequest, match="400 the method of CSeq"):
        parse(packet(("1 OPTIONS", "1 options")))


def test_fields_stay_as_they_came():
    message = request(more="x-odd :  two  words \t\r\nSubject:\r\nUser-Agent: Zoë \udcff\r\nX-ODD: 2\r\n")
    assert message.fields[5:] == [
        ("x-odd", "x-odd ", "two  words"),
        ("subject", "Subject", ""),
        ("user-agent", "User-Agent", "Zoë \udcff"),
        ("x-odd", "X-ODD", "2"),
    ]


def test_names_are_read_in_any_case_and_in_compact_form():
    message = request(("Via:", "v:"), ("From:", "F :"), ("To:", "TO:"), ("Call-ID:", "i:"), ("CSeq:", "cseq:"))
    assert [key for key, _, _ in message.fields] == ["via", "from", "to", "call-id", "cseq"]
    assert request(more="M: <sip:a@h>\r\nl: 0\r\n").first("contact") == "<sip:a@h>"


def test_folded_fields_are_one_line():
    message = request(
        ("<sip:1001@example.com>;tag=a1", "\r\n  <sip:1001@example.com>\r\n\t;tag=a1"), more="S: a\r\n b\r\n"
    )
    assert message.from_tag == "a1"
    assert message.first("subject") == "a b"


def test_lists_in_one_field_and_in_several_give_the_same_top_via():
    two = "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK9, SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1\r\n"
    message = request(("Via: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1;rport\r\n", two))
    assert message.via.branch == "z9hG4bK9"


def test_line_ends_before_the_start_line_are_ignored():
    # RFC 3261 7.5: keep-alives may stand before a message.
    assert parse(b"\r\n\r\n" + packet(body="")) == parse(packet())


@pytest.mark.parametrize(
    ("more", "body", "read"),
    [
        ("", "", b""),
        ("", "hello", b"hello"),  # RFC 3261 18.3: over UDP the body runs to the end of the datagram
        ("Content-Length: 5\r\n", "hello", b"hello"),
        ("Content-Length: 3\r\n", "hello", b"hel"),
        ("l: 0\r\n", "hello", b""),
        ("Content-Length:  005 \r\n", "hello", b"hello"),
    ],
)
def test_body_ends_where_content_length_says(more, body, read):
    assert request(more=more, body=body).body == read


def test_body_is_bytes_whatever_it_holds():
    assert parse(packet(more="Content-Length: 6\r\n") + b"\xff\r\n\r\n\0").body == b"\xff\r\n\r\n\0"


@pytest.mark.parametrize(
    ("changes", "more", "status", "why"),
    [
        ([], "Content-Length: 6\r\n", 400, "body shorter than Content-Length"),
        ([], "Content-Length: -1\r\n", 400, "number expected"),
        ([], "Content-Length: 99999999999\r\n", 400, "number expected"),
        ([], "Content-Length: 0\r\nl: 0\r\n", 400, "content-length comes twice"),
        ([], "To: <sip:a@h>\r\n", 400, "to comes twice"),
        ([], "From: <sip:a@h>\r\n", 400, "from comes twice"),
        ([], "i: c2\r\n", 400, "call-id comes twice"),
        ([], "CSeq: 2 OPTIONS\r\n", 400, "cseq comes twice"),
        ([], "Max-Forwards: 1\r\nMax-Forwards: 1\r\n", 400, "max-forwards comes twice"),
        ([], "no colon\r\n", 400, "malformed header field"),
        ([], "Subject\r\n", 400, "malformed header field"),
        ([], "k\r\n", 400, "malformed header field"),
        ([], ": no name\r\n", 400, "malformed header field"),
        ([], "two words: x\r\n", 400, "malformed header field"),
        ([], "\u212a: x\r\n", 400, "malformed header field"),
        ([], "Subject: a\nX: b\r\n", 400, "stray CR or LF"),
        ([], "Subject: a\rX: b\r\n", 400, "stray CR or LF"),
        ([("CSeq: 1 OPTIONS", "CSeq: 1 INVITE")], "", 400, "the method of CSeq is another"),
        ([("CSeq: 1 OPTIONS", "CSeq: one OPTIONS")], "", 400, "malformed CSeq"),
        ([("CSeq: 1 OPTIONS", "CSeq: 2147483648 OPTIONS")], "", 400, "CSeq out of range"),
        ([("From: <sip:1001@example.com>", "From: <sip:1001@exam ple.com>")], "", 400, "malformed URI"),
        ([("To: <sip:1001@example.com>", "To: <sip:1001@example.com")], "", 400, "malformed address"),
        ([("OPTIONS sip:example.com SIP", "OPTIONS sip:exam ple.com SIP")], "", 400, "malformed request line"),
        ([("OPTIONS sip:example.com SIP", "OPTIONS  sip:example.com SIP")], "", 400, "malformed request line"),
        ([("SIP/2.0\r\nVia", "SIP/2.0  \r\nVia")], "", 400, "malformed request line"),
        ([("SIP/2.0\r\nVia", "SIP/7.0\r\nVia")], "", 505, ""),
        ([], "X: y\r\n" * MAX_FIELDS, 513, "too many header fields"),
        ([], f"X: {'y' * MAX_HEAD}\r\n", 513, "head too long"),
        ([], f"X: {'y' * MAX_HEAD}\r\n z\r\n", 513, "head too long"),
    ],
)
def test_malformed_request_is_answered(changes, more, status, why):
    with pytest.raises(BadRequest) as caught:
        parse(packet(*changes, more=more, body="hello"))
    assert (caught.value.status, caught.value.why) == (status, why)
    response = answer(caught.value)
    assert response.startswith(f"SIP/2.0 {status} {why}".encode())
    for line in (b"Via: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1;rport\r\n", b"Call-ID: c1\r\n"):
        assert line in response


@pytest.mark.parametrize(
    ("changes", "more"),
    [
        ([("Via: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1;rport\r\n", "")], ""),
        ([("SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1;rport", "SIP/2.0/UDP 192.0.2.1:70000")], ""),
        ([("SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1;rport", 'SIP/2.0/UDP 192.0.2.1, "')], ""),
        ([("SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1;rport", "SIP/2.0/UDP")], ""),
        ([("SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1;rport", ",")], ""),
        ([("OPTIONS sip:example.com SIP/2.0", "hello")], ""),
        ([("OPTIONS sip:example.com SIP/2.0", "OPTIONS SIP/2.0")], ""),
        ([("OPTIONS sip:example.com SIP/2.0", "OPTIONS sip:example.com")], ""),
        ([("OPTIONS sip:example.com SIP/2.0", "OPTIONS sip:example.com HTTP/1.1")], ""),
        ([("OPTIONS sip:example.com SIP/2.0", "OPTI\u212aNS sip:example.com SIP/2.0")], ""),
        ([("OPTIONS sip:example.com SIP/2.0", "OPTIONS sip:example.com \u017fIP/2.0")], ""),
        ([("OPTIONS sip:", "ACK sip:")], "no colon\r\n"),  # there is no answer to an ACK
        ([("OPTIONS sip:example.com SIP/2.0", "SIP/2.0 200 OK")], "no colon\r\n"),
        ([("OPTIONS sip:example.com SIP/2.0", "SIP/2.0 700 Yes")], ""),
        ([("OPTIONS sip:example.com SIP/2.0", "SIP/2.0 20 OK")], ""),
        ([("OPTIONS sip:example.com SIP/2.0", "SIP/2.0 4294967301 OK")], ""),
        ([("OPTIONS sip:example.com SIP/2.0", f"X{'y' * MAX_HEAD}")], ""),
    ],
)
def test_what_cannot_be_answered_says_so(changes, more):
    with pytest.raises(Unanswerable):
        parse(packet(*changes, more=more))


@pytest.mark.parametrize("noise", [b"", b"\r\n", b"\r\n\r\n", b"\0" * 20, OK.encode(), b"x\r\n\r\n"])
def test_noise_is_dropped(noise):
    with pytest.raises(Unanswerable):
        parse(noise)


def refused(noise: bytes) -> bytes:
    with pytest.raises(BadRequest) as caught:
        parse(noise)
    return answer(caught.value)


@pytest.mark.parametrize("ending", ["", "\r\nSub", "\r\nSubject: x", "\r\n"])
def test_request_that_was_cut_off_is_answered(ending):
    assert refused((HEAD.removesuffix("\r\n") + ending).encode()).startswith(b"SIP/2.0 400 ")


@pytest.mark.parametrize("key", ["From", "To", "Call-ID", "CSeq"])
def test_answer_repeats_what_is_there(key):
    """RFC 4475 3.3.1: nothing but the Via is needed to answer."""
    lines = HEAD.splitlines(keepends=True)
    without = [line for line in lines if not line.startswith(key)]
    response = refused("".join([*without, "\r\n"]).encode()).decode()
    assert response.startswith(f"SIP/2.0 400 missing {key.lower()}\r\n")
    assert all(line.rstrip("\r\n") in response for line in without[1:])
    empty = refused("".join([*without, f"{key}:\r\n", "\r\n"]).encode())
    assert empty.startswith(b"SIP/2.0 400 ")


def test_answer_repeats_nothing_twice():
    """RFC 4475 3.3.8."""
    via = "Via: SIP/2.0/UDP 192.0.2.9\r\n"
    response = refused(packet(more=f"To: <sip:x@h>\r\ni: c2\r\nCSeq: 2 OPTIONS\r\nf: <sip:y@h>\r\n{via}")).decode()
    for line in ("Call-ID: c1", "CSeq: 1 OPTIONS", "To: <sip:1001@example.com>;tag=tag", via.strip()):
        assert line in response
    assert response.count("\r\n") == len(HEAD.splitlines()) + 3  # the second Via, Content-Length, the empty line


@pytest.mark.parametrize(
    ("via", "port", "branch"),
    [
        ("SIP/2.0/UDP 192.0.2.1:5070;;,;,,", 5070, ""),
        ("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1;branch=z9hG4bK2", None, ""),
        ("SIP/7.0/UDP 192.0.2.1;branch=z9hG4bK1", None, "z9hG4bK1"),
        ("X / 2 / UDP  192.0.2.1 : 5070 ;branch=z9hG4bK1", 5070, "z9hG4bK1"),
    ],
)
def test_request_is_answered_where_a_malformed_via_still_says(via, port, branch):
    with pytest.raises(BadRequest) as caught:
        parse(packet(("SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1;rport", via)))
    assert caught.value.status == 400
    read = caught.value.request.via
    assert (read.transport, read.host, read.port, read.branch) == ("UDP", "192.0.2.1", port, branch)
    assert f"Via: {via}\r\n".encode() in answer(caught.value)


def test_version_that_is_unknown_in_via_too_is_505():
    """RFC 4475 3.1.2.16."""
    seven = packet(("SIP/2.0\r\nVia", "SIP/7.0\r\nVia"), ("SIP/2.0/UDP", "SIP/7.0/UDP"))
    assert refused(seven).startswith(b"SIP/2.0 505 Version Not Supported\r\n")


@pytest.mark.parametrize(
    ("line", "status", "reason"),
    [
        ("SIP/2.0 200", 200, ""),
        ("SIP/2.0 200 ", 200, ""),
        ("SIP/2.0 200  OK ", 200, " OK "),
        ("sip/2.0 699 x", 699, "x"),
    ],
)
def test_status_line_is_read(line, status, reason):
    message = parse(packet(("SIP/2.0 200 OK", line), head=OK))
    assert isinstance(message, Response)
    assert (message.status, message.reason) == (status, reason)


def test_limits_are_those_that_are_set():
    limits = Limits(head=300, fields=6, body=2)
    more = "Content-Length: 2\r\n"
    assert isinstance(parse(packet(more=more, body="ab"), limits), Request)
    for broken, why in (
        (packet(more="Content-Length: 3\r\n", body="abc"), "body too long"),
        (packet(more="X: y\r\n" * 2), "too many header fields"),
        (packet(more=f"X: {'y' * 200}\r\n"), "head too long"),
    ):
        with pytest.raises(BadRequest, match=f"513 {why}"):
            parse(broken, limits)


def test_longer_body_than_allowed_is_refused():
    body = "x" * (MAX_BODY + 1)
    with pytest.raises(BadRequest, match="513 body too long"):
        parse(packet(body=body))
    assert len(request(body=body[1:]).body) == MAX_BODY


def test_head_is_parsed_alone_for_streams():
    head = packet(more="Content-Length: 5\r\n").removesuffix(b"\r\n\r\n")
    message = parse_head(head)
    assert (message.call_id, message.body) == ("c1", b"")


def test_tag_of_an_unreadable_to_is_not_doubled():
    with pytest.raises(BadRequest) as caught:
        parse(packet(("To: <sip:1001@example.com>", "To: <sip:1001@example.com;tag=b1")))
    assert b"tag=tag" not in answer(caught.value)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "filling", [" ", "a ", "\xa0", '"', "\\", "<", ",", ";", ";a", "%4", "a=b,", "\t\r\n ", " \r\n\t"]
)
@pytest.mark.parametrize("place", ["Via: SIP/2.0/UDP h", "From: a", "To: ", "CSeq: 1", "X: ", "Call-ID: c"])
def test_hostile_text_is_read_in_linear_time(place, filling):
    name = place.partition(":")[0]
    lines = [line for line in HEAD.splitlines(keepends=True) if not line.startswith(name)]
    hostile = f"{place}{filling * (60_000 // len(filling))}x\r\n"
    try:
        parse(("".join(lines) + hostile + "\r\n").encode())
    except Malformed as fault:
        assert fault.status in (400, 513)
