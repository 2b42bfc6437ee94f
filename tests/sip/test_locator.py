"""From a URI to the servers that are tried, in their order (RFC 3263 section 4)."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.sip.hops import Hop, Naptr, Srv
from pbx.sip.locator import MOST, Locator, NoNames
from pbx.sip.uri import parse_uri
from pbx.testing.clock import VirtualClock
from pbx.testing.names import Zone

UDP, TCP, TLS = "UDP", "TCP", "TLS"
ALL = (UDP, TCP, TLS)


@pytest.fixture
def zone() -> Zone:
    return Zone(
        VirtualClock(),
        {
            "example.com": [
                Naptr(10, 10, "s", "SIPS+D2T", "_sips._tcp.example.com"),
                Naptr(20, 20, "s", "SIP+D2U", "_sip._udp.example.com"),
                Naptr(20, 10, "s", "SIP+D2T", "_sip._tcp.example.com"),
                Naptr(1, 1, "s", "SIP+D2S", "_sip._sctp.example.com"),
                Naptr(1, 1, "u", "E2U+SIP", "_sip._udp.example.com"),
                "192.0.2.99",
            ],
            "_sips._tcp.example.com": [Srv(1, 0, 5061, "a.example.com")],
            "_sip._tcp.example.com": [Srv(1, 0, 5060, "a.example.com")],
            "_sip._udp.example.com": [Srv(2, 0, 5070, "b.example.com"), Srv(1, 0, 5060, "a.example.com")],
            "a.example.com": ["2001:db8::1", "192.0.2.1"],
            "b.example.com": ["192.0.2.2"],
            "_sip._udp.two.example.com": [Srv(1, 0, 5070, "b.example.com")],
            "_sip._tcp.two.example.com": [Srv(1, 0, 5080, "b.example.com")],
            "plain.example.com": ["192.0.2.3", "192.0.2.4"],
            "_sip._udp.gone.example.com": [Srv(0, 0, 0, "")],
            "gone.example.com": ["192.0.2.5"],
        },
    )


def located(zone: Zone, uri: str, supported=ALL, secure: bool = False) -> list[str]:
    locator = Locator(zone, lambda: supported, random.Random(1).random)
    hops: list[Hop] = []
    locator.locate(parse_uri(uri), secure).addCallback(hops.extend)
    zone.clock.advance(4)
    assert all(hop.name == parse_uri(uri).host for hop in hops)
    return [f"{hop.transport} {hop.host} {hop.port}" for hop in hops]


@pytest.mark.parametrize(
    ("uri", "hop"),
    [
        ("sip:192.0.2.7", "UDP 192.0.2.7 5060"),
        ("sip:192.0.2.7:5080", "UDP 192.0.2.7 5080"),
        ("sip:[2001:db8::7]", "UDP 2001:db8::7 5060"),
        ("sip:192.0.2.7;transport=tcp", "TCP 192.0.2.7 5060"),
        ("sip:192.0.2.7;transport=TLS", "TLS 192.0.2.7 5061"),
        ("sips:192.0.2.7", "TLS 192.0.2.7 5061"),
        ("sips:192.0.2.7;transport=tcp", "TLS 192.0.2.7 5061"),
        ("sips:192.0.2.7:443", "TLS 192.0.2.7 443"),
        ("sip:example.com;maddr=192.0.2.8", "UDP 192.0.2.8 5060"),
    ],
)
def test_address_needs_no_dns(zone, uri, hop):
    assert located(zone, uri) == [hop]
    assert zone.asked == []


def test_domain_says_by_naptr_how_it_is_reached(zone):
    assert located(zone, "sip:example.com") == [
        "TLS 2001:db8::1 5061",
        "TLS 192.0.2.1 5061",
        "TCP 2001:db8::1 5060",
        "TCP 192.0.2.1 5060",
        "UDP 2001:db8::1 5060",
        "UDP 192.0.2.1 5060",
        "UDP 192.0.2.2 5070",
    ]


def test_services_for_which_we_have_no_transport_are_left_out(zone):
    assert located(zone, "sip:example.com", (UDP,)) == [
        "UDP 2001:db8::1 5060",
        "UDP 192.0.2.1 5060",
        "UDP 192.0.2.2 5070",
    ]


def test_sips_is_never_downgraded(zone):
    secure = ["TLS 2001:db8::1 5061", "TLS 192.0.2.1 5061"]
    assert located(zone, "sips:example.com") == secure
    assert located(zone, "sip:example.com", secure=True) == secure
    assert located(zone, "sips:plain.example.com") == ["TLS 192.0.2.3 5061", "TLS 192.0.2.4 5061"]
    assert located(zone, "sips:example.com;transport=udp") == []
    assert located(zone, "sips:192.0.2.7;transport=udp") == []


def test_sips_without_tls_has_no_way(zone):
    assert [hop for hop in located(zone, "sips:example.com", (UDP, TCP)) if not hop.startswith("TLS")] == []


def test_transport_in_the_uri_makes_naptr_needless(zone):
    assert located(zone, "sip:example.com;transport=udp") == [
        "UDP 2001:db8::1 5060",
        "UDP 192.0.2.1 5060",
        "UDP 192.0.2.2 5070",
    ]
    assert ("naptr", "example.com") not in zone.asked


def test_port_in_the_uri_makes_srv_needless(zone):
    assert located(zone, "sip:example.com:5080") == ["UDP 192.0.2.99 5080"]
    assert located(zone, "sip:example.com:5080;transport=tcp") == ["TCP 192.0.2.99 5080"]
    assert located(zone, "sips:example.com:5080") == ["TLS 192.0.2.99 5080"]
    assert {kind for kind, _ in zone.asked} == {"addresses"}


def test_without_naptr_each_transport_has_its_srv(zone):
    assert located(zone, "sip:two.example.com") == ["UDP 192.0.2.2 5070", "TCP 192.0.2.2 5080"]
    assert located(zone, "sip:two.example.com", (TCP,)) == ["TCP 192.0.2.2 5080"]


def test_without_srv_the_addresses_of_the_domain_count(zone):
    assert located(zone, "sip:plain.example.com") == ["UDP 192.0.2.3 5060", "UDP 192.0.2.4 5060"]
    assert located(zone, "sip:plain.example.com;transport=tls") == ["TLS 192.0.2.3 5061", "TLS 192.0.2.4 5061"]
    assert located(zone, "sip:plain.example.com", (TCP, TLS)) == ["TCP 192.0.2.3 5060", "TCP 192.0.2.4 5060"]


def test_service_that_is_decidedly_not_there_has_no_other_way(zone):
    assert located(zone, "sip:gone.example.com;transport=udp") == []


@pytest.mark.parametrize(
    "uri", ["sip:nowhere.example.com", "sip:example.com;transport=sctp", "tel:+4930", "sip:192.0.2.7;transport=ws"]
)
def test_where_there_is_no_way_there_is_none(zone, uri):
    assert located(zone, uri) == []


def test_without_dns_names_lead_nowhere():
    locator = Locator(NoNames(), lambda: ALL, random.random)
    found: list[list[Hop]] = []
    for host in ("example.com", "example.com:5060", "192.0.2.1"):
        locator.locate(parse_uri(f"sip:{host}")).addCallback(found.append)
    assert found == [[], [], [Hop(UDP, "192.0.2.1", 5060, "192.0.2.1")]]


def test_zone_that_never_ends_is_not_followed_to_its_end(zone):
    servers = [Srv(number, 0, 5060, f"s{number}.example.net") for number in range(100)]
    zone.records |= {"_sip._udp.example.net": servers} | {
        f"s{number}.example.net": [f"192.0.2.{one}" for one in range(1, 100)] for number in range(100)
    }
    assert len(located(zone, "sip:example.net;transport=udp")) == MOST
    assert sum(kind == "addresses" for kind, _ in zone.asked) == MOST


def test_dns_that_is_silent_is_none(zone):
    zone.silent = True
    assert located(zone, "sip:example.com") == []


HOSTILE = ["", ".", "example.com", "a.example.com", "_sip._udp.example.com", "x" * 300, "192.0.2.9"]
RECORDS = st.one_of(
    st.builds(
        Naptr,
        st.integers(0, 65535),
        st.integers(0, 65535),
        st.sampled_from(["s", "S", "a", "u", ""]),
        st.sampled_from(["SIP+D2U", "SIP+D2T", "SIPS+D2T", "SIP+D2S", ""]),
        st.sampled_from(HOSTILE),
    ),
    st.builds(Srv, st.integers(0, 65535), st.integers(0, 65535), st.integers(0, 65535), st.sampled_from(HOSTILE)),
    st.sampled_from(["192.0.2.1", "2001:db8::1"]),
)


@given(
    st.dictionaries(st.sampled_from(HOSTILE), st.lists(RECORDS, max_size=MOST + 4)),
    st.sampled_from(["sip:example.com", "sips:example.com", "sip:example.com;transport=tcp", "sip:a.example.com:5080"]),
    st.sampled_from([ALL, (UDP,), (TCP,), (UDP, TCP)]),
    st.booleans(),
)
def test_whatever_the_dns_says_there_is_an_end(records, uri, supported, secure):
    hops = located(Zone(VirtualClock(), records), uri, supported, secure)
    assert len(hops) <= MOST
    transports = {hop.partition(" ")[0] for hop in hops}
    assert transports <= ({TLS} if secure or uri.startswith("sips:") else set(supported))
