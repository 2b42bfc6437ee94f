"""TLS: certificates from files, contexts that can be replaced while connections go on, and whose a certificate is
(RFC 5922). An edge. What was agreed with a peer stays; who comes next gets the new certificate.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from OpenSSL import SSL
from OpenSSL.crypto import X509
from service_identity import CertificateError, VerificationError
from service_identity.hazmat import (
    DNS_ID,
    URI_ID,
    DNSPattern,
    IPAddress_ID,
    IPAddressPattern,
    URIPattern,
    verify_service_identity,
)
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IOpenSSLServerConnectionCreator
from twisted.internet.protocol import Factory
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from zope.interface import implementer

from pbx.faults import Fault
from pbx.sip.addresses import is_address
from pbx.sip.connection import Connection

# Forward secrecy always; CBC for phones that know nothing better. TLS 1.3 has its own.
_CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:ECDHE+AES:!aNULL:!eNULL:!PSK"


def read_chain(path: Path) -> list[x509.Certificate]:
    """Read our certificate, and those that lead from it to one that peers know.

    :raises Fault: there is none in the file.
    """
    try:
        return x509.load_pem_x509_certificates(_content(path))
    except ValueError:
        raise Fault("", 0, f"{path} holds no certificate", "write it there in PEM form, the chain after it") from None


def read_key(path: Path, certificate: x509.Certificate) -> PrivateKeyTypes:
    """Read the private key of our certificate.

    :raises Fault: there is none in the file, or that of another certificate.
    """
    try:
        key = load_pem_private_key(_content(path), None)
    except TypeError:
        raise Fault("", 0, f"the key in {path} has a passphrase", "remove it: nobody is there to type it") from None
    except ValueError:
        raise Fault("", 0, f"{path} holds no private key", "write it there in PEM form") from None
    ours, theirs = [
        one.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        for one in (key.public_key(), certificate.public_key())
    ]
    if ours != theirs:
        raise Fault("", 0, f"the key in {path} is that of another certificate", "name the two that belong together")
    return key


def read_authorities(path: Path) -> list[x509.Certificate]:
    """Read the certificates of those whose word about peers we take.

    :raises Fault: there are none in the file.
    """
    try:
        return x509.load_pem_x509_certificates(_content(path))
    except ValueError:
        raise Fault("", 0, f"{path} holds no certificate", "write the authorities' there in PEM form") from None


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Fault("", 0, f"{path} cannot be read: {error.strerror}", "name a file that can") from error


@dataclass(frozen=True, slots=True)
class Contexts:
    """What connections are made with.

    :param server: for peers that connect to us.
    :param client: for those that we connect to.
    :param verify_clients: whether peers that connect to us must have a certificate.
    :param verify_servers: whether those that we connect to must have the right one.
    :param certificate: ours.
    """

    server: SSL.Context
    client: SSL.Context
    verify_clients: bool
    verify_servers: bool
    certificate: x509.Certificate

    @property
    def expires_at(self) -> float:
        """When our certificate ends, seconds since 1970."""
        return self.certificate.not_valid_after_utc.timestamp()


def contexts(
    chain: list[x509.Certificate],
    key: PrivateKeyTypes,
    authorities: list[x509.Certificate] | None,
    verify_clients: bool,
    verify_servers: bool,
) -> Contexts:
    """Make contexts from what was read.

    :param authorities: None for those that this machine trusts.
    :raises Fault: OpenSSL does not take it.
    """
    try:
        server, client = [_context(chain, key, authorities) for _ in range(2)]
    except SSL.Error as error:
        why = error.args[0][0][2] if error.args and error.args[0] else "for reasons of its own"
        raise Fault("", 0, f"OpenSSL refuses the certificate: {why}", "use another") from error
    if verify_clients:
        server.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
    if verify_servers:
        client.set_verify(SSL.VERIFY_PEER)
    return Contexts(server, client, verify_clients, verify_servers, chain[0])


def _context(
    chain: list[x509.Certificate], key: PrivateKeyTypes, authorities: list[x509.Certificate] | None
) -> SSL.Context:
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_TICKET)
    context.set_cipher_list(_CIPHERS)
    # An idle connection costs half as much without its buffers, and sessions that nobody resumes cost something, too.
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.use_certificate(chain[0])
    context.use_privatekey(key)  # type: ignore[arg-type]
    for certificate in chain[1:]:
        context.add_extra_chain_cert(certificate)
    if authorities is None:
        context.set_default_verify_paths()
    else:
        store = context.get_cert_store()
        assert store is not None
        for certificate in authorities:
            store.add_cert(X509.from_cryptography(certificate))
    return context


@implementer(IOpenSSLServerConnectionCreator, IOpenSSLClientConnectionCreator)
class TLS:
    """TLS for one exchange (`pbx.sip.connection.Security`).

    :param contexts: what connections are made with from now on.
    :param clock: Twisted's reactor.
    """

    def __init__(self, contexts: Contexts, clock: Any) -> None:
        self._contexts = contexts
        self._ours: dict[str, bool] = {}
        self._accepting = TLSMemoryBIOFactory(self, False, Factory(), clock)
        self._dialling = TLSMemoryBIOFactory(self, True, Factory(), clock)

    def use(self, contexts: Contexts) -> None:
        """Make connections with other contexts from now on; those there are go on."""
        self._contexts = contexts
        self._ours.clear()

    def server(self, connection: Connection) -> TLSMemoryBIOProtocol:
        """What stands between the socket of a peer that has connected to us and the connection."""
        return TLSMemoryBIOProtocol(self._accepting, connection)  # type: ignore[no-untyped-call]

    def client(self, connection: Connection) -> TLSMemoryBIOProtocol:
        """What stands between the socket of a peer that we have connected to and the connection."""
        return TLSMemoryBIOProtocol(self._dialling, connection)  # type: ignore[no-untyped-call]

    def trusts(self, socket: Any, domain: str) -> bool:
        """Whether the peer that we have connected to is the one that we meant (RFC 5922 7.3)."""
        return not self._contexts.verify_servers or _proves(socket, domain)

    def is_ours(self, domain: str) -> bool:
        """Whether our certificate proves to those that we connect to that this is our name (RFC 5923 9.1)."""
        ours = self._ours.get(domain)
        if ours is None:
            ours = self._ours[domain] = is_for(self._contexts.certificate, domain)
        return ours

    def proves(self, socket: Any, domain: str) -> bool:
        """Whether the peer that has connected to us has proven that this is its name (RFC 5922 7.4)."""
        return self._contexts.verify_clients and _proves(socket, domain)

    def users(self, socket: Any) -> frozenset[str]:
        """The users that the certificate of a peer that has connected to us names: "user@host"."""
        certificate = socket.getPeerCertificate() if self._contexts.verify_clients else None
        return frozenset() if certificate is None else users_of(certificate.to_cryptography())

    # What Twisted asks

    def serverConnectionForTLS(self, protocol: Any) -> SSL.Connection:
        """OpenSSL's side of a connection that was made to us."""
        return SSL.Connection(self._contexts.server, None)

    def clientConnectionForTLS(self, protocol: Any) -> SSL.Connection:
        """OpenSSL's side of a connection that we make."""
        connection = SSL.Connection(self._contexts.client, None)
        domain: str = protocol.wrappedProtocol.flow.domain
        if domain and not is_address(domain) and domain.isascii():
            connection.set_tlsext_host_name(domain.encode("ascii"))
        return connection


def _proves(socket: Any, domain: str) -> bool:
    certificate = socket.getPeerCertificate()
    return certificate is not None and is_for(certificate.to_cryptography(), domain)


def is_for(certificate: x509.Certificate, domain: str) -> bool:
    """Whether a certificate is that of a SIP domain (RFC 5922 7.1, 7.2): by the SIP URIs in its subjectAltName or, if
    it has none, the DNS names. They stand for themselves: no wildcards, no common names.

    :param domain: the domain; or an IP address, which RFC 5922 does not know.
    """
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        if is_address(domain):
            addresses = names.get_values_for_type(x509.IPAddress)
            patterns = [IPAddressPattern.from_bytes(str(address)) for address in addresses]  # type: ignore[arg-type]
            verify_service_identity(patterns, [IPAddress_ID(domain)], [])
            return True
        uris = [uri for uri in names.get_values_for_type(x509.UniformResourceIdentifier) if _is_domain(uri)]
        hosts = [name for name in names.get_values_for_type(x509.DNSName) if "*" not in name]
        if uris:
            verify_service_identity(
                [URIPattern.from_bytes(uri.encode()) for uri in uris], [URI_ID(f"sip:{domain}")], []
            )
        else:
            verify_service_identity([DNSPattern.from_bytes(name.encode()) for name in hosts], [DNS_ID(domain)], [])
    except (x509.ExtensionNotFound, VerificationError, CertificateError, ValueError):
        return False
    return True


def users_of(certificate: x509.Certificate) -> frozenset[str]:
    """Whose certificate this is: the users of the SIP URIs in its subjectAltName, as "user@host" (RFC 3261 26.3.2.1),
    and the SIP domains, by URIs without a user or, where there is none, by DNS names (RFC 5922 7.1).
    """
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return frozenset()
    found: set[str] = set()
    for text in names.get_values_for_type(x509.UniformResourceIdentifier):
        scheme, _, rest = text.partition(":")
        user, at, host = rest.partition(";")[0].rpartition("@")
        if scheme.lower() in ("sip", "sips") and at and user:
            found.add(f"{user}@{host.lower()}")
    uris = [uri for uri in names.get_values_for_type(x509.UniformResourceIdentifier) if _is_domain(uri)]
    domains = [uri.partition(":")[2].partition(";")[0] for uri in uris]
    domains = domains or [name for name in names.get_values_for_type(x509.DNSName) if "*" not in name]
    return frozenset(found.union([domain.lower() for domain in domains]))


def _is_domain(uri: str) -> bool:
    """Whether a URI in a certificate names a SIP domain: it has no user."""
    scheme, _, rest = uri.partition(":")
    return scheme.lower() == "sip" and "@" not in rest
