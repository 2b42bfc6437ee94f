"""The DNS as twisted.names asks it: a zone is served here on loopback, in real datagrams; only the time is made."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from twisted.names import dns

from pbx.sip.hops import Hop, Naptr, Srv
from pbx.sip.locator import Locator
from pbx.sip.resolver import NOTHING, PATIENCE, RETRY, STALE, TIMEOUTS, Resolver, connected
from pbx.sip.uri import parse_uri
from tests.sip.nameserver import HOST, TTL, Dns

ZONE = {
    "example.test": [
        dns.Record_NAPTR(20, 10, b"s", b"SIP+D2U", b"", b"_sip._udp.example.test", ttl=TTL),
        dns.Record_NAPTR(10, 10, b"S", b"sip+d2t", b"", b"_sip._tcp.example.test.", ttl=TTL),
        dns.Record_NAPTR(1, 1, b"u", b"E2U+sip", b"!^.*$!sip:x@example.test!", b"", ttl=TTL),
    ],
    "_sip._udp.example.test": [
        dns.Record_SRV(1, 5, 5070, b"a.example.test", ttl=TTL),
        dns.Record_SRV(2, 0, 5080, b"b.example.test", ttl=TTL),
    ],
    "_sip._tcp.example.test": [dns.Record_SRV(0, 0, 0, b".", ttl=TTL)],
    "a.example.test": [dns.Record_A("127.0.0.2", ttl=TTL), dns.Record_AAAA("::1", ttl=60)],
    "b.example.test": [dns.Record_A("127.0.0.3", ttl=TTL)],
    "c.example.test": [dns.Record_CNAME(b"b.example.test", ttl=30)],
    "short.example.test": [dns.Record_A("127.0.0.4", ttl=0)],
    "large.example.test": [dns.Record_A(f"127.0.1.{number}", ttl=TTL) for number in range(1, 101)],
    "bare.example.test": [dns.Record_TXT(b"nothing else", ttl=TTL)],
}


@pytest.fixture
def dns_server(tmp_path) -> Iterator[Dns]:
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.9 listed.example.test Listed\n::1 listed.example.test # both\n")
    one = Dns(ZONE, str(hosts))
    yield one
    one.close()


def test_naptr_records_are_read(dns_server):
    assert dns_server.get(dns_server.resolver.naptr("example.test")) == [
        Naptr(20, 10, "s", "SIP+D2U", "_sip._udp.example.test"),
        Naptr(10, 10, "s", "SIP+D2T", "_sip._tcp.example.test"),
    ]


def test_srv_records_are_read(dns_server):
    assert dns_server.get(dns_server.resolver.srv("_sip._udp.example.test")) == [
        Srv(1, 5, 5070, "a.example.test"),
        Srv(2, 0, 5080, "b.example.test"),
    ]
    assert dns_server.get(dns_server.resolver.srv("_sip._tcp.example.test")) == [Srv(0, 0, 0, "")]


def test_addresses_of_both_families_are_read_ipv6_first_where_there_is_a_route(dns_server):
    found = dns_server.get(dns_server.resolver.addresses("a.example.test"))
    assert found == (["::1", "127.0.0.2"] if has_ipv6() else ["127.0.0.2", "::1"])


def has_ipv6() -> bool:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("::1", 9))
        except OSError:
            return False
        return True


def test_alias_is_followed(dns_server):
    assert dns_server.get(dns_server.resolver.addresses("c.example.test")) == ["127.0.0.3"]


def test_long_answer_comes_over_tcp(dns_server):
    assert len(dns_server.get(dns_server.resolver.addresses("large.example.test"))) == 100


def test_hosts_file_is_believed_first(dns_server):
    assert set(dns_server.get(dns_server.resolver.addresses("LISTED.example.test."))) == {"127.0.0.9", "::1"}
    assert not dns_server.zone.asked


def test_hosts_file_that_is_not_there_lists_nothing(dns_server):
    dns_server.resolver = Resolver(dns_server.reactor, dns_server.connected, "/nowhere/hosts")
    assert dns_server.get(dns_server.resolver.addresses("b.example.test")) == ["127.0.0.3"]


@pytest.mark.parametrize("name", ["nowhere.example.test", "bare.example.test", "other.test"])
def test_nothing_is_found_where_there_is_nothing(dns_server, name):
    assert dns_server.get(dns_server.resolver.addresses(name)) == []
    assert dns_server.get(dns_server.resolver.srv(name)) == []
    assert dns_server.resolver.counts == {}


@pytest.mark.parametrize("name", ["", "a..b", "a" * 64 + ".test", ".".join(["a" * 60] * 5), "ä.test"])
def test_name_that_fits_into_no_query_is_not_asked_for(dns_server, name):
    assert dns_server.get(dns_server.resolver.srv(name)) == []
    assert not dns_server.zone.asked


def test_answer_is_kept_for_as_long_as_it_says(dns_server):
    resolver, reactor = dns_server.resolver, dns_server.reactor
    question = ("b.example.test", dns.A)
    for _ in range(3):
        assert dns_server.get(resolver.addresses("B.example.test")) == ["127.0.0.3"]
    assert dns_server.zone.asked[question] == 1
    reactor.now += TTL - 1
    dns_server.get(resolver.addresses("b.example.test"))
    assert dns_server.zone.asked[question] == 1
    reactor.now += 1
    dns_server.get(resolver.addresses("b.example.test"))
    assert dns_server.zone.asked[question] == 2


def test_alias_that_lasts_less_long_than_what_it_leads_to_counts(dns_server):
    dns_server.get(dns_server.resolver.addresses("c.example.test"))
    dns_server.reactor.now += 30
    dns_server.get(dns_server.resolver.addresses("c.example.test"))
    assert dns_server.zone.asked["c.example.test", dns.A] == 2


def test_answer_that_may_not_be_kept_is_not(dns_server):
    for _ in range(2):
        assert dns_server.get(dns_server.resolver.addresses("short.example.test")) == ["127.0.0.4"]
    assert dns_server.zone.asked["short.example.test", dns.A] == 2


@pytest.mark.parametrize(("name", "seconds"), [("bare.example.test", 20), ("nowhere.example.test", NOTHING)])
def test_that_there_is_nothing_is_kept_too(dns_server, name, seconds):
    question = (name, dns.SRV)
    for _ in range(2):
        dns_server.get(dns_server.resolver.srv(name))
    assert dns_server.zone.asked[question] == 1
    dns_server.reactor.now += seconds
    dns_server.get(dns_server.resolver.srv(name))
    assert dns_server.zone.asked[question] == 2


def test_what_is_kept_has_a_bound(dns_server):
    resolver = Resolver(dns_server.reactor, dns_server.connected, bound=2)
    for name in ("a", "b", "c", "a"):
        dns_server.get(resolver.srv(f"{name}.example.test"))
    assert dns_server.zone.asked["a.example.test", dns.SRV] == 2
    assert len(resolver._kept) == 2


def test_silent_server_is_given_up_after_three_seconds_and_left_alone_for_a_while(dns_server):
    dns_server.falls_silent()
    began = dns_server.reactor.now
    assert dns_server.get(dns_server.resolver.srv("_sip._udp.example.test")) == []
    assert dns_server.reactor.now - began == pytest.approx(sum(TIMEOUTS), abs=0.5)
    assert dns_server.resolver.counts == {"failed DNS lookups": 1}
    dns_server.comes_back()
    assert dns_server.get(dns_server.resolver.srv("_sip._udp.example.test")) == []
    dns_server.reactor.now += RETRY
    assert len(dns_server.get(dns_server.resolver.srv("_sip._udp.example.test"))) == 2


def test_second_server_is_asked_when_the_first_is_silent(dns_server):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((HOST, 0))
        dns_server.servers = [silent.getsockname(), (HOST, dns_server.port)]
        began = dns_server.reactor.now
        assert len(dns_server.get(dns_server.resolver.srv("_sip._udp.example.test"))) == 2
        assert dns_server.reactor.now - began == pytest.approx(TIMEOUTS[0], abs=0.5)


def test_old_answer_is_better_than_none(dns_server):
    resolver, reactor = dns_server.resolver, dns_server.reactor
    assert len(dns_server.get(resolver.srv("_sip._udp.example.test"))) == 2
    dns_server.falls_silent()
    reactor.now += TTL
    assert len(dns_server.get(resolver.srv("_sip._udp.example.test"))) == 2
    before = reactor.now
    assert len(dns_server.get(resolver.srv("_sip._udp.example.test"))) == 2
    assert reactor.now == before  # nobody waits again for who was silent just now
    reactor.now += STALE
    assert dns_server.get(resolver.srv("_sip._udp.example.test")) == []


def test_server_that_refuses_is_as_good_as_silent(dns_server):
    dns_server.zone._lookup = lambda *args: pytest.fail("never asked")
    dns_server._datagrams.controller.allowQuery = lambda *args: False
    assert dns_server.get(dns_server.resolver.srv("_sip._udp.example.test")) == []
    assert dns_server.resolver.counts == {"failed DNS lookups": 1}


def test_tcp_that_hangs_is_given_up(dns_server):
    with socket.socket() as deaf:
        deaf.bind((HOST, 0))
        deaf.listen()
        packet = dns.Message(answer=1, trunc=1)
        port = deaf.getsockname()[1]

        class Truncating(dns.DNSDatagramProtocol):
            def datagramReceived(self, data, address) -> None:
                message = dns.Message()
                message.fromStr(data)
                packet.id, packet.queries = message.id, message.queries
                self.transport.write(packet.toStr(), address)

        listening = dns_server.reactor.listenUDP(port, Truncating(None, reactor=dns_server.reactor), interface=HOST)
        dns_server.servers = [(HOST, port)]
        began = dns_server.reactor.now
        assert dns_server.get(dns_server.resolver.srv("large.example.test")) == []
        assert dns_server.reactor.now - began == pytest.approx(PATIENCE, abs=0.5)
        listening.stopListening()


def test_name_servers_of_this_machine_are_asked_with_short_timeouts(dns_server):
    asked = connected(dns_server.reactor)
    assert asked.dynServers
    assert asked.timeout == TIMEOUTS


def test_domain_is_located_through_a_real_zone(dns_server):
    locator = Locator(dns_server.resolver, lambda: ("UDP", "TCP"), lambda: 0.5)
    hops = dns_server.get(locator.locate(parse_uri("sip:bob@example.test")))
    assert [hop for hop in hops if ":" not in hop.host] == [
        Hop("UDP", "127.0.0.2", 5070, "example.test"),
        Hop("UDP", "127.0.0.3", 5080, "example.test"),
    ]
