"""pbx.sip.tls: whose certificate it is, and TLS over real sockets, with certificates that are replaced meanwhile."""

from __future__ import annotations

import socket
import ssl
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLContextFactory
from twisted.internet.protocol import Factory
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from zope.interface import directlyProvides

from pbx.faults import Fault
from pbx.sip import tls
from pbx.sip.addresses import Addresses
from pbx.sip.flow import via_of
from pbx.sip.message import Request
from pbx.sip.occupancy import CONNECTIONS, Occupancy
from pbx.sip.stream_socket import StreamDialer, StreamListener
from pbx.sip.stream_transport import StreamTransport
from pbx.sip.tls import TLS, Contexts, is_for
from tests.sip.authority import Authority, pem, pem_key
from tests.sip.datagrams import Layer
from tests.sip.reactor import Peer, Reactor, reactor
from tests.sip.site import message

AUTHORITY = Authority()
OPTIONS = message(via="SIP/2.0/TLS 127.0.0.1:5061;branch=z9hG4bK1")


# Whose certificate it is (RFC 5922 7.1, 7.2) ------------------------------------------


@pytest.mark.parametrize(
    ("names", "domain", "right"),
    [
        (["example.com"], "example.com", True),
        (["Example.COM"], "example.com", True),
        (["example.com"], "EXAMPLE.com", True),
        (["other.com", "example.com"], "example.com", True),
        (["sip:example.com"], "example.com", True),
        (["SIP:Example.com"], "example.com", True),
        (["sip:other.com", "sip:example.com"], "example.com", True),
        (["192.0.2.1"], "192.0.2.1", True),
        (["2001:db8::1"], "2001:db8::1", False),  # a URI, whatever it looks like
        (["[2001:db8::1]"], "2001:db8::1", True),
        ([], "example.com", False),
        (["example.com"], "foo.example.com", False),
        (["foo.example.com"], "example.com", False),
        (["*.example.com"], "foo.example.com", False),  # no wildcards
        (["sip:other.com", "example.com"], "example.com", False),  # DNS names count only where there is no SIP URI
        (["sip:bob@example.com"], "example.com", False),  # a user, not a domain
        (["sip:bob@other.com", "example.com"], "example.com", True),
        (["https://example.com"], "example.com", False),
        (["https://other.com", "example.com"], "example.com", True),
        (["sip:example.com:5061"], "example.com", False),
        (["192.0.2.1"], "192.0.2.2", False),
        (["example.com"], "192.0.2.1", False),
        (["sip:192.0.2.1"], "192.0.2.1", False),
        (["example.com"], "", False),
        (["example.com"], "exa mple.com", False),
        (["example.com"], "ex\xe4mple.com", False),
    ],
)
def test_certificate_is_that_of_a_domain_or_not(names: list[str], domain: str, right: bool) -> None:
    certificate, _ = AUTHORITY.certify(*names, common="example.com")
    assert is_for(certificate, domain) is right


# Reading files -------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    return AUTHORITY.write(tmp_path, "example.com")


def refused(read, *arguments) -> str:
    with pytest.raises(Fault) as caught:
        read(*arguments)
    return caught.value.what


def test_files_are_read(files) -> None:
    certificate, key, ca = files
    (ours,) = tls.read_chain(certificate)
    made = tls.contexts([ours], tls.read_key(key, ours), tls.read_authorities(ca), True, False)
    assert (made.verify_clients, made.verify_servers) == (True, False)
    assert made.expires_at == ours.not_valid_after_utc.timestamp()


def test_without_authorities_of_our_own_those_of_this_machine_are_trusted(files, monkeypatch) -> None:
    certificate, key, _ = files
    ours, *_ = tls.read_chain(certificate)
    asked: list[SSL.Context] = []

    def trusts(context: SSL.Context) -> None:
        asked.append(context)

    monkeypatch.setattr(SSL.Context, "set_default_verify_paths", trusts)
    made = tls.contexts([ours], tls.read_key(key, ours), None, False, True)
    assert asked == [made.server, made.client]


def test_one_file_may_hold_chain_and_key(tmp_path: Path) -> None:
    certificate, key = AUTHORITY.certify("example.com")
    path = tmp_path / "all.pem"
    path.write_bytes(pem_key(key) + pem(certificate) + pem(AUTHORITY.certificate))
    assert [one.subject for one in tls.read_chain(path)] == [certificate.subject, AUTHORITY.certificate.subject]
    tls.read_key(path, certificate)


def test_what_is_wrong_with_a_file_is_said(files, tmp_path: Path) -> None:
    certificate, key, _ = files
    (ours,) = tls.read_chain(certificate)
    nothing = tmp_path / "nothing.pem"
    assert refused(tls.read_chain, nothing) == f"{nothing} cannot be read: No such file or directory"
    assert refused(tls.read_chain, tmp_path) == f"{tmp_path} cannot be read: Is a directory"
    assert refused(tls.read_chain, key) == f"{key} holds no certificate"
    assert refused(tls.read_authorities, key) == f"{key} holds no certificate"
    assert refused(tls.read_key, certificate, ours) == f"{certificate} holds no private key"
    nothing.write_bytes(b"\xff\0garbage")
    assert refused(tls.read_chain, nothing) == f"{nothing} holds no certificate"
    assert refused(tls.read_key, nothing, ours) == f"{nothing} holds no private key"
    other, other_key = AUTHORITY.certify("example.com")
    assert refused(tls.read_key, key, other) == f"the key in {key} is that of another certificate"
    nothing.write_bytes(pem_key(other_key, b"secret"))
    assert refused(tls.read_key, nothing, other) == f"the key in {nothing} has a passphrase"


def test_certificate_that_openssl_refuses_is_one_sentence(files, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self, certificate):
        raise SSL.Error([("SSL routines", "", "ca md too weak")])

    (ours,) = tls.read_chain(files[0])
    monkeypatch.setattr(SSL.Context, "use_certificate", refuse)
    arguments = ([ours], tls.read_key(files[1], ours), None, False, False)
    assert refused(tls.contexts, *arguments) == "OpenSSL refuses the certificate: ca md too weak"


# Over real sockets -----------------------------------------------------------------------


def made(*names: str, by: Authority = AUTHORITY, **verify: bool) -> Contexts:
    certificate, key = by.certify(*names)
    clients, servers = verify.get("clients", False), verify.get("servers", True)
    return tls.contexts([certificate, by.certificate], key, [AUTHORITY.certificate], clients, servers)


class Site:
    """A transport of ours, listening with TLS."""

    def __init__(self, reactor: Reactor, contexts: Contexts) -> None:
        self.reactor = reactor
        self.layer = Layer()
        self.tls = TLS(contexts, reactor)
        bound = socket.create_server(("127.0.0.1", 0))
        bound.setblocking(False)
        self._bound = bound
        self.port: int = bound.getsockname()[1]
        self.transport = StreamTransport(
            "TLS",
            bound.getsockname(),
            self.layer,
            Addresses(),
            self.layer.counts,
            reactor,
            StreamDialer(reactor),
            Occupancy(*CONNECTIONS),
            self.tls,
        )
        self.listener = StreamListener(bound, self.transport.accept, self.layer.counts, reactor)
        self.listener.start()

    def calls(self, other: Site, domain: str, packet: bytes = OPTIONS):
        """Send something to another site, known by this name."""
        flow = self.transport.flow("127.0.0.1", other.port, domain)
        flow.send(packet)
        self.reactor.until(lambda: other.layer.received or self.layer.failed)
        return flow

    def close(self) -> None:
        self.transport.stop()
        self.reactor.until(lambda: not self.transport.connections)
        self.listener.stop()
        self._bound.close()


@pytest.fixture
def sites() -> Iterator:
    with reactor() as one:
        all_of_them: list[Site] = []

        def make(contexts: Contexts) -> Site:
            all_of_them.append(Site(one, contexts))
            return all_of_them[-1]

        yield make
        for site in all_of_them:
            site.close()


class Options:
    """A TLS client that is not ours: Twisted's protocol with a plain context of OpenSSL's."""

    def __init__(self, reactor: Reactor, port: int, context: SSL.Context | None = None) -> None:
        self.peer = Peer()
        context = context or SSL.Context(SSL.TLS_METHOD)

        class Creator:
            def getContext(self) -> SSL.Context:
                return context

        creator = Creator()
        directlyProvides(creator, IOpenSSLContextFactory)
        factory = TLSMemoryBIOFactory(creator, True, Factory(), reactor)
        address = ("127.0.0.1", port)
        StreamDialer(reactor).dial(self.peer, address, "", lambda peer: TLSMemoryBIOProtocol(factory, peer))

    def names(self) -> list[str]:
        """The DNS names of the server's certificate."""
        certificate = self.peer.transport.getPeerCertificate().to_cryptography()
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return names.get_values_for_type(x509.DNSName)


def ask(site: Site, context: SSL.Context | None = None) -> Options:
    """A client connects, sends OPTIONS, and waits until it is received, or the connection is lost."""
    client = Options(site.reactor, site.port, context)
    before = len(site.layer.received)
    site.reactor.until(lambda: client.peer.transport or client.peer.lost)
    client.peer.transport.write(OPTIONS)
    site.reactor.until(lambda: len(site.layer.received) > before or client.peer.lost)
    return client


def test_messages_pass_between_two_of_us(sites) -> None:
    us, them = sites(made("us.example.com")), sites(made("them.example.com"))
    flow = us.calls(them, "them.example.com")
    ((theirs, request),) = them.layer.received
    assert isinstance(request, Request)
    assert (theirs.transport, flow.transport) == ("TLS", "TLS")
    them.layer.answer()
    us.reactor.until(lambda: us.layer.received)
    assert us.layer.received[0][1].status == 200
    assert us.layer.received[0][0] is flow
    assert us.transport.flow("127.0.0.1", them.port, "them.example.com") is flow


def test_address_can_be_verified_too(sites) -> None:
    us, them = sites(made("us")), sites(made("127.0.0.1"))
    us.calls(them, "127.0.0.1")
    assert len(them.layer.received) == 1


@pytest.mark.parametrize(
    ("names", "authority"),
    [
        (["other.example.com"], AUTHORITY),
        (["*.example.com"], AUTHORITY),
        (["them.example.com"], Authority("a stranger")),
    ],
)
def test_server_without_the_right_certificate_gets_nothing(sites, names, authority) -> None:
    """RFC 5922 7.3."""
    us, them = sites(made("us.example.com")), sites(made(*names, by=authority))
    flow = us.calls(them, "them.example.com")
    assert us.layer.failed == [(flow, False)]
    assert them.layer.received == []


def test_server_is_not_verified_where_the_administrator_does_not_want_it(sites) -> None:
    us, them = sites(made("us", servers=False)), sites(made("other", by=Authority("a stranger")))
    us.calls(them, "them.example.com")
    assert len(them.layer.received) == 1


def test_client_must_have_a_certificate_where_the_administrator_wants_it(sites) -> None:
    them = sites(made("them.example.com", clients=True))
    stranger, friend = sites(made("x", by=Authority("a stranger"))), sites(made("us.example.com"))
    nobody = ask(them)
    assert nobody.peer.lost is not None
    stranger.calls(them, "them.example.com")
    stranger.reactor.until(lambda: stranger.layer.failed)
    assert them.layer.received == []
    friend.calls(them, "them.example.com")
    assert len(them.layer.received) == 1


def test_only_a_name_that_was_proven_is_an_alias(sites) -> None:
    """RFC 5923 9.2."""
    them, us = sites(made("them.example.com", clients=True)), sites(made("us.example.com"))
    for host in ("us.example.com", "bank.example.com"):
        us.calls(them, "them.example.com", message(via=f"SIP/2.0/TLS {host};alias"))
        us.reactor.settle()
    assert them.transport.alias("us.example.com", 5061) is them.layer.flow
    assert them.transport.alias("bank.example.com", 5061) is None
    unverified, again = sites(made("them.example.com")), sites(made("us.example.com"))
    again.calls(unverified, "them.example.com", message(via="SIP/2.0/TLS us.example.com;alias"))
    assert unverified.transport.alias("us.example.com", 5061) is None


def test_requests_come_back_over_the_connection_that_we_have_made(sites) -> None:
    """RFC 5923 5, 9.1: our Via asks for that where our certificate proves what it says."""
    us, them = sites(made("127.0.0.1")), sites(made("127.0.0.1", clients=True))
    flow = us.transport.flow("127.0.0.1", them.port)
    via = via_of(flow, "z9hG4bKx")
    assert via == f"SIP/2.0/TLS 127.0.0.1:{us.port};rport;branch=z9hG4bKx;alias"
    us.calls(them, "127.0.0.1", message(via=via))
    back = them.transport.flow("127.0.0.1", us.port)
    assert back is them.layer.flow
    assert not back.is_alias  # it is their connection already
    back.send(OPTIONS)
    us.reactor.until(lambda: us.layer.received)
    assert us.layer.received[0][0] is flow
    assert (len(us.transport.connections), len(them.transport.connections)) == (1, 1)


def test_name_that_our_certificate_does_not_prove_is_no_alias(sites) -> None:
    us = sites(made("us.example.com"))
    flow = us.transport.flow("127.0.0.1", 5061)
    assert "alias" not in via_of(flow, "z9hG4bKx")
    us.tls.use(made("127.0.0.1"))
    assert via_of(flow, "z9hG4bKx").endswith(";alias")


@pytest.mark.parametrize(
    ("version", "welcome"), [(SSL.TLS1_1_VERSION, False), (SSL.TLS1_2_VERSION, True), (SSL.TLS1_3_VERSION, True)]
)
def test_tls_is_1_2_at_least(sites, version: int, welcome: bool) -> None:
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(version)
    context.set_max_proto_version(version)
    context.set_cipher_list(b"ALL:@SECLEVEL=0")
    site = sites(made("example.com"))
    client = ask(site, context)
    assert (client.peer.lost is None) is welcome
    assert bool(site.layer.received) is welcome


def test_new_certificate_is_for_new_connections_and_old_ones_go_on(sites) -> None:
    site = sites(made("one.example.com"))
    first = ask(site)
    site.tls.use(made("two.example.com"))
    second = ask(site)
    assert (first.names(), second.names()) == (["one.example.com"], ["two.example.com"])
    first.peer.transport.write(OPTIONS)
    site.reactor.until(lambda: len(site.layer.received) == 3)
    assert site.layer.received[2][0] is site.layer.received[0][0]
    site.layer.answer()
    site.reactor.until(lambda: first.peer.received)
    assert first.peer.lost is None


def test_name_of_the_server_is_sent_so_that_it_can_choose(sites) -> None:
    """RFC 6066 3: not where it is an address."""
    us, named = sites(made("us")), Counter()
    for domain in ("them.example.com", "127.0.0.1", "ex\xe4mple.com"):
        them = sites(made(domain) if domain.isascii() else made("x"))
        them.tls._contexts.server.set_tlsext_servername_callback(lambda one: named.update([one.get_servername()]))
        us.calls(them, domain)
        us.layer.failed.clear()
    assert named[b"them.example.com"] == 1
    assert set(named) <= {b"them.example.com", None}


def test_client_of_another_make_is_understood(sites) -> None:
    """Python's own ssl, in memory: it is OpenSSL, but none of our or Twisted's code."""
    site = sites(made("example.com"))
    context = ssl.create_default_context(cadata=pem(AUTHORITY.certificate).decode())
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname="example.com")
    with socket.create_connection(("127.0.0.1", site.port)) as plain:
        plain.setblocking(False)

        def done(step) -> bool:
            try:
                step()
            except ssl.SSLWantReadError:
                return False
            finally:
                if outgoing.pending:
                    plain.sendall(outgoing.read())
                try:
                    incoming.write(plain.recv(65536))
                except BlockingIOError:
                    pass
            return True

        site.reactor.until(lambda: done(client.do_handshake))
        assert client.version() == "TLSv1.3"
        client.write(OPTIONS)
        done(lambda: None)
        site.reactor.until(lambda: site.layer.received)
        site.layer.answer()
        answers: list[bytes] = []
        site.reactor.until(lambda: done(lambda: answers.append(client.read())))
        assert answers[0].startswith(b"SIP/2.0 200 OK\r\n")


@pytest.mark.parametrize("garbage", [b"OPTIONS sip:x SIP/2.0\r\n\r\n", b"\x16\x03\x01" + b"\xff" * 100, b"\0" * 1000])
def test_what_is_no_tls_ends_that_connection_only(sites, garbage: bytes) -> None:
    site = sites(made("example.com"))
    peer = Peer()
    StreamDialer(site.reactor).dial(peer, ("127.0.0.1", site.port), "", lambda peer: peer)
    site.reactor.until(lambda: peer.transport)
    peer.transport.write(garbage)
    site.reactor.until(lambda: peer.lost)
    assert ask(site).peer.lost is None
    assert site.layer.counts["failures"] == 0


def test_users_that_a_client_certificate_names_are_known(sites) -> None:
    them = sites(made("them.example.com", clients=True))
    us = sites(made("us.example.com", "sip:1001@EXAMPLE.com", "sips:1002@example.com", "sip:example.com"))
    us.calls(them, "them.example.com")
    ((theirs, _),) = them.layer.received
    assert theirs.names == {"1001@example.com", "1002@example.com", "example.com"}


def test_certificate_that_nobody_has_asked_for_names_nobody(sites) -> None:
    them, us = sites(made("them.example.com")), sites(made("sip:1001@example.com"))
    us.calls(them, "them.example.com")
    ((theirs, _),) = them.layer.received
    assert theirs.names == frozenset()


@pytest.mark.parametrize(
    ("names", "users"),
    [
        ((), set()),
        (("Example.com", "192.0.2.1", "*.example.com"), {"example.com"}),
        (("sip:example.com", "other.example"), {"example.com"}),
        (("sip:1001@example.com;transport=tls",), {"1001@example.com"}),
        (("http://1001@example.com", "sip:@example.com", "sip:1002@h"), {"1002@h"}),
    ],
)
def test_users_of_a_certificate(names, users) -> None:
    certificate, _ = AUTHORITY.certify(*names)
    assert tls.users_of(certificate) == users
