"""pbx.listening: sockets bound before anything runs, and a real server that listens with UDP, TCP and TLS."""

from __future__ import annotations

import signal
import socket
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pbx.faults import Fault
from pbx.listening import bind, require_local
from pbx.options import Listener
from tests.eventually import eventually
from tests.phones.process import free_port
from tests.sip.authority import Authority, pem
from tests.test_service import CONFIG, Site, taken_port

AUTHORITY = Authority()
STREAMS = """\
[sip]
listen = ["udp:127.0.0.1:0", "tcp:127.0.0.1:0", "tls:127.0.0.1:0"]
max_per_address = 4
[tls]
certificate = "cert.pem"
key = "key.pem"
[dialplan]
check = "off"
"""


@pytest.fixture
def site() -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="pbx-") as name:
        yield Site(Path(name))


def options(transport: str, branch: str = "a") -> bytes:
    return (
        f"OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/{transport} 127.0.0.1;branch=z9hG4bK{branch}\r\n"
        f"From: <sip:a@127.0.0.1>;tag=1\r\nTo: <sip:127.0.0.1>\r\nCall-ID: {branch}\r\nCSeq: 1 OPTIONS\r\n"
        "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    ).encode()


def port_of(site: Site, transport: str) -> int:
    (row,) = site.pbx("status")
    return next(int(one.rpartition(":")[2]) for one in row["listeners"] if one.startswith(f"{transport}:"))


def head(connection: socket.socket) -> bytes:
    """What comes, up to the end of a head; b"" at the end of the stream."""
    received = b""
    while not received.endswith(b"\r\n\r\n"):
        piece = connection.recv(65535)
        if not piece:
            return b""
        received += piece
    return received


def secured(port: int) -> ssl.SSLSocket:
    context = ssl.create_default_context(cadata=pem(AUTHORITY.certificate).decode())
    plain = socket.create_connection(("127.0.0.1", port), timeout=10)
    return context.wrap_socket(plain, server_hostname="pbx.example.com")


def names(connection: ssl.SSLSocket) -> list[str]:
    certificate = connection.getpeercert()
    assert certificate is not None
    return [str(name) for _, name in certificate["subjectAltName"]]


# Before anything runs ---------------------------------------------------------------


def test_bound_sockets_do_not_block_and_take_a_flood() -> None:
    for host, family in (("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)):
        with bind(Listener("UDP", host, 0)) as bound, socket.socket(family, socket.SOCK_DGRAM) as plain:
            assert bound.getsockname()[0] == host
            assert not bound.getblocking()
            size = (socket.SOL_SOCKET, socket.SO_RCVBUF)
            assert bound.getsockopt(*size) >= plain.getsockopt(*size)


def test_stall_of_30_ms_loses_no_message() -> None:
    """What 700 calls a second bring meanwhile. The buffer that a socket has by default holds two thirds of it."""
    with bind(Listener("UDP", "127.0.0.1", 0)) as bound, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phones:
        sent = [number.to_bytes(4, "big") + bytes(1296) for number in range(150)]
        for packet in sent:
            phones.sendto(packet, bound.getsockname())
        assert [bound.recv(65535) for _ in sent] == sent


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_both_wildcards_fit_on_one_port(transport: str) -> None:
    port = free_port("0.0.0.0")
    with bind(Listener(transport, "::", port)), bind(Listener(transport, "0.0.0.0", port)):
        pass


def test_udp_and_tcp_fit_on_one_port() -> None:
    port = free_port()
    with bind(Listener("UDP", "127.0.0.1", port)), bind(Listener("TCP", "127.0.0.1", port)):
        pass


def test_port_is_never_shared() -> None:
    with taken_port() as port, pytest.raises(Fault, match="is taken"):
        bind(Listener("UDP", "127.0.0.1", port))
    with bind(Listener("TCP", "127.0.0.1", 0)) as other, pytest.raises(Fault, match=r"tls:127\.0\.0\.1:\d+ is taken"):
        bind(Listener("TLS", "127.0.0.1", other.getsockname()[1]))


def test_bound_socket_for_connections_holds_those_that_come() -> None:
    with bind(Listener("TCP", "127.0.0.1", 0)) as bound, socket.create_connection(bound.getsockname(), timeout=5):
        assert not bound.getblocking()


def test_privileged_port_without_the_privilege_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: object, address: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pbx.listening.socket.socket", type("Refusing", (socket.socket,), {"bind": refuse}))
    with pytest.raises(Fault, match=r"udp:127\.0\.0\.1:80 needs root; listen on a port above 1023"):
        bind(Listener("UDP", "127.0.0.1", 80))


def test_address_of_another_machine_is_not_local() -> None:
    require_local("127.0.0.1")
    with pytest.raises(Fault, match=r"192\.0\.2\.1 is no address of this machine"):
        require_local("192.0.2.1")


def test_tls_listener_without_its_certificate_is_refused(site: Site) -> None:
    site.config.write_text('[sip]\nlisten = ["tls:127.0.0.1:0"]\n')
    assert site.refusal().startswith('pbx.toml:2: [sip] listen holds "tls:127.0.0.1:0", and there is no certificate')
    site.config.write_text(STREAMS)
    expected = "pbx.toml:5: cert.pem cannot be read: No such file or directory; name a file that can"
    assert site.twistd_refuses() == expected
    AUTHORITY.write(site.folder, "pbx.example.com")
    (site.folder / "key.pem").write_text("")
    assert site.refusal() == "pbx.toml:6: key.pem holds no private key; write it there in PEM form"


def test_tcp_port_that_is_taken_is_refused(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        site.config.write_text(CONFIG.replace("udp:127.0.0.1:0", f"tcp:127.0.0.1:{port}"))
        assert site.refusal().startswith(f"pbx.toml:2: tcp:127.0.0.1:{port} is taken; ")


# Running ----------------------------------------------------------------------------


def test_server_answers_over_tcp_and_tls(site: Site) -> None:
    AUTHORITY.write(site.folder, "pbx.example.com")
    site.config.write_text(STREAMS)
    with site.running() as server:
        with closing(socket.create_connection(("127.0.0.1", port_of(site, "tcp")), timeout=10)) as plain:
            for byte in options("TCP"):
                plain.send(bytes([byte]))
            assert head(plain).startswith(b"SIP/2.0 200 ")
            plain.sendall(b"\r\n\r\n")
            assert plain.recv(100) == b"\r\n"
            with closing(secured(port_of(site, "tls"))) as secure:
                secure.sendall(options("TLS", "b") + options("TLS", "c"))
                assert head(secure).count(b"SIP/2.0 200 ") + head(secure).count(b"SIP/2.0 200 ") >= 2
                assert site.pbx("status")[0]["connections"] == 2
            plain.sendall(options("TCP", "d").replace(b"Content-Length: 0\r\n", b""))
            assert head(plain).startswith(b"SIP/2.0 400 missing Content-Length")
            assert head(plain) == b""
        eventually(lambda: site.pbx("status")[0]["connections"] == 0, within=5)
        server.send(signal.SIGINT)
        assert server.wait(2) == 0
        assert "Traceback" not in server.output()


def test_server_takes_no_more_connections_than_it_may(site: Site) -> None:
    AUTHORITY.write(site.folder, "pbx.example.com")
    site.config.write_text(STREAMS)
    with site.running():
        port = port_of(site, "tcp")
        taken = []
        for number in range(4):
            taken.append(socket.create_connection(("127.0.0.1", port), timeout=10))
            taken[-1].sendall(options("TCP", str(number)))
            assert head(taken[-1])
        with pytest.raises(ConnectionResetError), socket.create_connection(("127.0.0.1", port), timeout=10) as fifth:
            fifth.recv(1)
        taken[0].sendall(options("TCP", "again"))
        assert head(taken[0])
        for one in taken:
            one.close()


def test_sighup_brings_a_new_certificate_and_leaves_connections_alone(site: Site) -> None:
    AUTHORITY.write(site.folder, "pbx.example.com")
    site.config.write_text(STREAMS)
    with site.running() as server:
        port = port_of(site, "tls")
        with closing(secured(port)) as old:
            assert names(old) == ["pbx.example.com"]
            AUTHORITY.write(site.folder, "pbx.example.com", "new.example.com")
            server.send(signal.SIGHUP)
            eventually(lambda: "reloaded" in server.output(), within=20)
            with closing(secured(port)) as new:
                assert names(new) == ["pbx.example.com", "new.example.com"]
                for number, connection in enumerate((old, new)):
                    connection.sendall(options("TLS", str(number)))
                    assert head(connection).startswith(b"SIP/2.0 200 ")
            (site.folder / "key.pem").write_text("nonsense")
            server.send(signal.SIGHUP)
            eventually(lambda: "nothing reloaded: " in server.output(), within=20)
            with closing(secured(port)) as still:
                assert names(still) == ["pbx.example.com", "new.example.com"]


def test_changed_file_brings_a_new_certificate_without_being_told(site: Site) -> None:
    AUTHORITY.write(site.folder, "pbx.example.com")
    site.config.write_text(STREAMS)
    with site.running() as server:
        AUTHORITY.write(site.folder, "pbx.example.com", "new.example.com")
        eventually(lambda: "the certificate was read anew" in server.output(), within=10)
        with closing(secured(port_of(site, "tls"))) as new:
            assert names(new) == ["pbx.example.com", "new.example.com"]
