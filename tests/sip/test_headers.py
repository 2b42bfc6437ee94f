from __future__ import annotations

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.sip.digest import parse_credentials
from pbx.sip.errors import Malformed
from pbx.sip.grammar import elements
from pbx.sip.headers import (
    COMPACT,
    CONTENT_LENGTH,
    EXPIRES,
    MAX_FORWARDS,
    TABLE,
    VIA,
    Address,
    Via,
    parse_address,
    parse_cseq,
    parse_media_type,
    parse_retry_after,
    parse_sent_by,
    parse_timestamp,
    parse_token,
    parse_via,
    parse_warning,
)
from pbx.sip.uri import Uri, parse_uri
from tests.sip.messages import TOKENS, uris


@pytest.mark.parametrize(
    ("text", "display", "uri", "parameters"),
    [
        ("<sip:a@h>", "", "sip:a@h", {}),
        ('"Alice" <sip:a@h>;tag=1', "Alice", "sip:a@h", {"tag": "1"}),
        ('"A \\"b\\" <x>, ;" <sip:a@h>', 'A "b" <x>, ;', "sip:a@h", {}),
        ("Alice Smith  <sip:a@h> ; Tag = 1", "Alice Smith", "sip:a@h", {"tag": "1"}),
        ("Zoë<sip:a@h>", "Zoë", "sip:a@h", {}),
        ('""<sip:a@h>', "", "sip:a@h", {}),
        # Without angle brackets what follows the semicolon is the field's, not the URI's (RFC 3261 20.10).
        ("sip:a@h;tag=1;expires=5", "", "sip:a@h", {"tag": "1", "expires": "5"}),
        ("<sip:a@h;expires=1800>;expires=2970", "", "sip:a@h;expires=1800", {"expires": "2970"}),
        ("tel:+331;tag=x", "", "tel:+331", {"tag": "x"}),
        ("<tel:+331;phone-context=a>", "", "tel:+331;phone-context=a", {}),
    ],
)
def test_address_is_read(text, display, uri, parameters):
    address = parse_address(text)
    assert (address.display, str(address.uri), address.parameters) == (display, uri, parameters)
    assert address.tag == parameters.get("tag", "")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*",
        "<>",
        "<sip:a@h",
        "sip:a@h>",
        '"Alice <sip:a@h>',
        "Ali;ce <sip:a@h>",
        "A, B <sip:a@h>",
        "<sip:a@h>x",
        "<sip:a@h>;tag=1;tag=2",
        "<sip:a b@h>",
        "< sip:a@h>",
        "sip:a@h?x=1",
    ],
)
def test_what_is_no_address_is_malformed(text):
    with pytest.raises(Malformed, match="400"):
        parse_address(text)


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20),
    uris(),
    st.dictionaries(TOKENS.map(str.lower), st.none() | TOKENS, max_size=3),
)
def test_address_comes_back(display, uri, parameters):
    address = Address(parse_uri(uri), display, parameters)
    read = parse_address(str(address))
    assert read == address and hash(read) == hash(address)
    assert (read.display, read.parameters) == (display, parameters)


def test_address_is_equal_to_addresses_only():
    assert parse_address("<sip:a@h>") != "<sip:a@h>"
    assert repr(Address(Uri("sip", "a", "h"), "A")) == '<Address "A" <sip:a@h>>'


@pytest.mark.parametrize(
    ("text", "transport", "host", "port", "branch"),
    [
        ("SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1;rport", "UDP", "192.0.2.1", 5070, "z9hG4bK1"),
        ("sip / 2.0 / tcp  Example.com ; Branch = z9hG4bK1 ; lr", "TCP", "Example.com", None, "z9hG4bK1"),
        ("SIP/2.0/TLS [2001:db8::1]:5061;received=2001:db8::9", "TLS", "[2001:db8::1]", 5061, ""),
        ("SIP/2.0/UDP h : 5060;branch=x", "UDP", "h", 5060, "x"),
        ("SIP/2.0/X-NEW h", "X-NEW", "h", None, ""),
    ],
)
def test_via_is_read(text, transport, host, port, branch):
    via = parse_via(text)
    assert (via.transport, via.host, via.port, via.branch) == (transport, host, port, branch)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SIP/2.0/UDP",
        "SIP/2.0/UDP ",
        "SIP/2.0 h",
        "SIP/3.0/UDP h",
        "SIP/2x0/UDP h",
        "SIP/2.0/UDP h:",
        "SIP/2.0/UDP h:70000",
        "SIP/2.0/UDP h branch=1",
        "SIP/2.0/UDP h;branch=1;branch=2",
        "SIP/2.0/UDP h;",
        "SIP/2.0/UDP h, SIP/2.0/UDP i",
        "\u017fIP/2.0/UDP h",
        "SIP/2.0/UDP \u212a",
        "SIP/2.0/UDP h:٤",
        "SIP/2.0/UDP\xa0h",
    ],
)
def test_what_is_no_via_is_malformed(text):
    with pytest.raises(Malformed, match="400"):
        parse_via(text)


@pytest.mark.parametrize("text", [";branch=z9hG4bK1;rport", ";rport;branch=z9hG4bK1", ";branch=z9hG4bK1", ";alias;lr"])
def test_via_is_written(text):
    assert str(parse_via(f"SIP/2.0/UDP 192.0.2.1:5070{text}")) == f"SIP/2.0/UDP 192.0.2.1:5070{text}"


def test_plain_vias_have_the_limits_of_all():
    for text in (
        "SIP/2.0/UDP h:70000;branch=1",
        "SIP/2.0/UDP h;rport;branch=1;rport",
        "SIP/2.0/UDP h;branch=1;branch=2",
    ):
        with pytest.raises(Malformed, match="400"):
            parse_via(text)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("SIP/2.0/udp h:1;x=1;;", "SIP/2.0/UDP h:1"),
        ("SIP/9.9/UDP [2001:db8::1];branch=1", "SIP/9.9/UDP [2001:db8::1];branch=1"),
        ("SIP/2.0/UDP h@x", "SIP/2.0/UDP h"),
    ],
)
def test_of_a_malformed_via_the_sender_is_read(text, written):
    assert str(parse_sent_by(text)) == written


@pytest.mark.parametrize("text", ["", "SIP/2.0/UDP", "SIP/2.0 h", "SIP/2.0/UDP @", "SIP/2.0/UDP h:70000"])
def test_via_without_a_sender_is_malformed(text):
    with pytest.raises(Malformed, match="400"):
        parse_sent_by(text)


def test_via_shows_itself():
    assert repr(Via("TCP", "h", None, {})) == "<Via SIP/2.0/TCP h>"


@pytest.mark.parametrize(("text", "value"), [("1 INVITE", (1, "INVITE")), (" 0\t invite ", (0, "invite"))])
def test_cseq_is_read_and_methods_keep_their_case(text, value):
    assert parse_cseq(text) == value


@pytest.mark.parametrize(
    "text",
    ["", "1", "INVITE", "1INVITE", "-1 INVITE", "1 IN VITE", "2147483648 A", "36893488147419103232 A", "٤ A", "1\xa0A"],
)
def test_what_is_no_cseq_is_malformed(text):
    with pytest.raises(Malformed, match="400"):
        parse_cseq(text)


def test_highest_cseq_is_below_two_to_the_31st():
    assert parse_cseq("2147483647 A") == (2**31 - 1, "A")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("application/sdp", ("application/sdp", {})),
        (' Multipart / Mixed ;boundary="a;b"', ("multipart/mixed", {"boundary": '"a;b"'})),
    ],
)
def test_media_type_is_read(text, value):
    assert parse_media_type(text) == value


@pytest.mark.parametrize("text", ["", "sdp", "a/", "/b", "a/b/c", "a b/c", "a/b;", "a/b;x=1;x=2"])
def test_what_is_no_media_type_is_malformed(text):
    with pytest.raises(Malformed, match="400"):
        parse_media_type(text)


def test_token_is_read_and_others_are_malformed():
    assert parse_token("replaces") == "replaces"
    for text in ("", "a b", "é", "\u212a", "a\n"):
        with pytest.raises(Malformed, match="400"):
            parse_token(text)


def test_numbers_have_the_limits_of_their_fields():
    assert MAX_FORWARDS.parse("255") == 255
    assert CONTENT_LENGTH.parse("4294967295") == EXPIRES.parse("4294967295") == 2**32 - 1
    with pytest.raises(Malformed):
        MAX_FORWARDS.parse("256")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("accept", "text/*;level=1;q=0.3", ("text/*", {"level": "1", "q": "0.3"})),
        ("accept-encoding", "GZip ; q=1.0", ("gzip", {"q": "1.0"})),
        ("accept-encoding", "*", ("*", {})),
        ("accept-language", "en-GB;q=0.8", ("en-gb", {"q": "0.8"})),
        ("call-id", "f81d4fae-7dec@[2001:db8::1]", "f81d4fae-7dec@[2001:db8::1]"),
        ("content-disposition", "Session;Handling=optional", ("session", {"handling": "optional"})),
        ("content-encoding", "gzip", "gzip"),
        ("content-language", "fr", "fr"),
        ("date", "Sat, 13 Nov 2010 23:29:00 GMT", datetime(2010, 11, 13, 23, 29, tzinfo=UTC)),
        ("event", "Dialog ;ID=7;sla", ("Dialog", {"id": "7", "sla": None})),
        ("expires", "4294967295", 2**32 - 1),
        ("in-reply-to", "70710@saturn.bell-tel.com", "70710@saturn.bell-tel.com"),
        ("info-package", "Foo;x=1", ("foo", {"x": "1"})),
        ("mime-version", "1.0", "1.0"),
        ("min-expires", "60", 60),
        ("organization", "Boxes by Bob", "Boxes by Bob"),
        ("priority", "emergency", "emergency"),
        ("refer-sub", "False", ("false", {})),
        (
            "replaces",
            "98732@sip.example.com ;from-tag=r33;to-tag=ff",
            ("98732@sip.example.com", {"from-tag": "r33", "to-tag": "ff"}),
        ),
        ("retry-after", "120", (120, {})),
        ("retry-after", "120 (I'm in a (long) meeting)", (120, {})),
        ("retry-after", "18000;duration=3600", (18000, {"duration": "3600"})),
        ("sip-etag", "dx200xyz", "dx200xyz"),
        ("subscription-state", "Active;expires=60", ("active", {"expires": "60"})),
        ("timestamp", "54", (54.0, 0.0)),
        ("timestamp", "54.21 .5", (54.21, 0.5)),
        ("warning", '301 isi.edu:5060 "no \\"E.164\\" here"', (301, "isi.edu:5060", 'no "E.164" here')),
        ("warning", '399 - "x"', (399, "-", "x")),
    ],
)
def test_field_is_read(name, text, value):
    """RFC 3261 section 20, in its own examples where there are any."""
    assert TABLE[name].parse(text) == value


@pytest.mark.parametrize("name", ["alert-info", "call-info", "error-info", "record-route", "route"])
def test_some_uris_stand_in_angle_brackets(name):
    address = TABLE[name].parse("<http://www.example.com/a.png> ;purpose=icon")
    assert (str(address.uri), address.parameters) == ("http://www.example.com/a.png", {"purpose": "icon"})
    with pytest.raises(Malformed, match="400"):
        TABLE[name].parse("sip:h;lr")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("accept-encoding", "g zip"),
        ("accept-language", ";q=1"),
        ("call-id", "a@b@c"),
        ("call-id", "é"),
        ("content-disposition", "session;="),
        ("date", "Fri, 01 Jan 2010 16:00:00 EST"),
        ("date", "Fri, 01 Jan 2010 16:00:00 UTC"),
        ("date", "Fri, 42 Jan 2010 16:00:00 GMT"),
        ("date", "2010-01-01"),
        ("event", ";id=7"),
        ("event", "a b"),
        ("mime-version", "1"),
        ("replaces", ";to-tag=1;from-tag=2"),
        ("replaces", "1;to-tag=1;to-tag=2"),
        ("sip-if-match", "a, b"),
        ("retry-after", "949302838503028349304023988"),
        ("retry-after", "soon"),
        ("retry-after", "1 (x"),
        ("timestamp", "."),
        ("timestamp", "1 ."),
        ("timestamp", "1 2 3"),
        ("warning", '1812 overture "In Progress"'),
        ("warning", "399 x y"),
    ],
)
def test_what_is_no_value_of_its_field_is_malformed(name, text):
    with pytest.raises(Malformed, match="400"):
        TABLE[name].parse(text)


def test_every_field_of_the_rfc_has_its_row():
    """RFC 3261 table 2 and 3."""
    names = """Accept Accept-Encoding Accept-Language Alert-Info Allow Authentication-Info Authorization Call-ID
    Call-Info Contact Content-Disposition Content-Encoding Content-Language Content-Length Content-Type CSeq Date
    Error-Info Expires From In-Reply-To Max-Forwards MIME-Version Min-Expires Organization Priority Proxy-Authenticate
    Proxy-Authorization Proxy-Require Record-Route Reply-To Require Retry-After Route Server Subject Supported
    Timestamp To Unsupported User-Agent Via Warning WWW-Authenticate"""
    assert {name: TABLE[name.lower()].name for name in names.split()} == {name: name for name in names.split()}


def test_table_knows_each_field_by_its_lower_case_name_and_its_compact_form():
    # The compact forms of RFC 3261 7.3.3 and of the RFCs that added some.
    forms = {
        "i": "call-id",
        "m": "contact",
        "e": "content-encoding",
        "l": "content-length",
        "c": "content-type",
        "f": "from",
        "s": "subject",
        "k": "supported",
        "t": "to",
        "v": "via",
        "o": "event",
        "u": "allow-events",
        "r": "refer-to",
        "b": "referred-by",
        "x": "session-expires",
    }
    assert forms == COMPACT
    assert all(key == row.key == row.name.lower() for key, row in TABLE.items())
    assert VIA.field("x") == ("via", "Via", "x")
    assert repr(VIA) == "<Row Via>"


@given(st.sampled_from(sorted(TABLE)), st.text('a1;,"\\<>@ =[]:/sip.\r\n\u017f', max_size=40) | st.text())
def test_every_row_is_total(key, text):
    try:
        TABLE[key].parse(text)
    except Malformed as fault:
        assert fault.status == 400


@given(st.lists(st.sampled_from([";", "tag", "=", '"', "a", "<", ">", "sip:a@h", " ", "\\"]), max_size=12).map("".join))
def test_address_parser_is_total(text):
    try:
        address = parse_address(text)
    except Malformed as fault:
        assert fault.status == 400
    else:
        assert parse_address(str(address)).uri == address.uri


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "read",
    [
        *(parse_address, parse_via, parse_sent_by, parse_cseq, parse_media_type, parse_token, parse_uri, elements),
        *(parse_credentials, parse_retry_after, parse_timestamp, parse_warning),
    ],
)
@pytest.mark.parametrize(
    "start", ["", "a", "<sip:a@h>", "sip:a@h", "SIP/2.0/UDP h", "Digest a=b", '"', "1 (", '399 - "']
)
def test_hostile_text_is_read_in_linear_time(read, start):
    for filling in (" ", "a ", '"', "(", ")", "\\", "<", ",", ";", ";a", "%4", "a=b,", "a.", '";'):
        with contextlib.suppress(Malformed):
            read(start + filling * (60_000 // len(filling)) + "x")
