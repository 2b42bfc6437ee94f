from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.sip.errors import Malformed
from pbx.sip.uri import Uri, parse_uri
from tests.sip.messages import uris


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("sip:example.com", Uri("sip", host="example.com")),
        ("SIP:Alice@Example.COM", Uri("sip", "Alice", "example.com")),
        ("sips:1001@example.com:5061", Uri("sips", "1001", "example.com", 5061)),
        ("sip:a:secret@h", Uri("sip", "a", "h", password="secret")),
        ("sip:a:@h", Uri("sip", "a", "h", password="")),
        ("sip:[2001:db8::1]:5070;lr", Uri("sip", "", "[2001:db8::1]", 5070, {"lr": None})),
        ("sip:+1;phone-context=x@h;user=phone", Uri("sip", "+1;phone-context=x", "h", None, {"user": "phone"})),
        ("sip:h;Transport=TCP;x=%41", Uri("sip", "", "h", None, {"transport": "TCP", "x": "%41"})),
        ("sip:a@h?Subject=x%20y&b=", Uri("sip", "a", "h", headers="Subject=x%20y&b=")),
        ("sip:a;b/c?d@h", Uri("sip", "a;b/c?d", "h")),
        ("tel:+33-1.23", Uri("tel", opaque="+33-1.23")),
        ("urn:service:sos", Uri("urn", opaque="service:sos")),
    ],
)
def test_uri_is_read(text, uri):
    read = parse_uri(text)
    assert read == uri
    for name in Uri.__slots__:
        assert getattr(read, name) == getattr(uri, name)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sip:",
        "sip:@h",
        "sip:a@",
        "sip:a@b@c",
        "sip:a b@c",
        "sip: a@c",
        "sip:a@h:",
        "sip:a@h:99999",
        "sip:a@h:5060x",
        "sip:a@[::1",
        "sip:a@h;",
        "sip:a@h;x=",
        "sip:a@h;x=1;X=2",
        "sip:a@h?",
        "sip:%4@h",
        "sip:é@h",
        "sip:a@é",
        "\u017fip:a@h",  # a long s, whose capital is S
        "sip:\u212a@h",  # the Kelvin sign, whose small letter is k
        "sip:a@\u212a",
        "sip:a@h\n",
        "<sip:a@h>",
        "//h",
        "tel:",
        "1tel:5",
        f"sip:{'a' * 4096}@h",
    ],
)
def test_what_is_no_uri_is_malformed(text):
    with pytest.raises(Malformed, match="400"):
        parse_uri(text)


@pytest.mark.parametrize(
    "text",
    [
        "sip:a@h",
        "sips:%61lice@h:5061;transport=tcp;lr?a=b",
        "sip:a:s@[::1]",
        "tel:+1",
        "sip:h;method=REGISTER?to=sip:bob%40biloxi.com",
    ],
)
def test_uri_is_written_as_it_came(text):
    assert str(parse_uri(text)) == text


@given(uris())
def test_uri_comes_back(text):
    uri = parse_uri(text)
    assert str(uri) == text
    assert parse_uri(str(uri)) == uri
    assert hash(parse_uri(text)) == hash(uri)
    assert uri.equivalent(uri)
    assert uri.is_sip


def test_user_is_decoded_on_request():
    assert parse_uri("sip:%31001@h").decoded_user == "1001"
    assert parse_uri("sip:1001@h").decoded_user == "1001"
    assert parse_uri("sip:%ff@h").decoded_user == "\udcff"


# The examples of RFC 3261 19.1.4.
EQUIVALENT = [
    ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
    (
        "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
        "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
    ),
    (
        "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
    ),
    ("tel:+331", "tel:+331"),
]
DIFFERENT = [
    ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
    ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
    ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
    ("sip:bob@biloxi.com", "sips:bob@biloxi.com"),
    ("sip:bob@biloxi.com;user=ip", "sip:bob@biloxi.com"),
    ("sip:bob@biloxi.com;ttl=1", "sip:bob@biloxi.com"),
    ("sip:bob@biloxi.com;method=INVITE", "sip:bob@biloxi.com"),
    ("sip:bob@biloxi.com;maddr=239.255.255.1", "sip:bob@biloxi.com"),
    ("sip:bob@biloxi.com", "sip:bob:secret@biloxi.com"),
    ("tel:+331", "tel:+332"),
    ("sip:h", "tel:+331"),
]


@pytest.mark.parametrize(("one", "other"), EQUIVALENT)
def test_equivalent_uris_are_equivalent_both_ways(one, other):
    assert parse_uri(one).equivalent(parse_uri(other))
    assert parse_uri(other).equivalent(parse_uri(one))


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_uris_are_different_both_ways(one, other):
    assert not parse_uri(one).equivalent(parse_uri(other))
    assert not parse_uri(other).equivalent(parse_uri(one))


def test_uri_is_equal_only_as_it_was_written():
    assert parse_uri("sip:a@h;lr") != parse_uri("sip:a@h")
    assert parse_uri("sip:a@h") != "sip:a@h"
    assert repr(parse_uri("sip:a@h")) == "<Uri sip:a@h>"


@given(st.text("sip:@;=?&%4a[]/\u017f\u212a \n", max_size=30) | st.text())
def test_uri_parser_is_total(text):
    try:
        uri = parse_uri(text)
    except Malformed as fault:
        assert fault.status == 400
    else:
        assert parse_uri(str(uri)) == uri
        assert str(uri).isascii()
