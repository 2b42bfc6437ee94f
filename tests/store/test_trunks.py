"""pbx.store.trunks and pbx.store.vault: what trunks may be, what the server reads, and passwords that nobody sees."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest
import sqlalchemy as sa

from pbx.exchange.trunk import Trunk
from pbx.faults import Fault
from pbx.store import trunks
from pbx.store.database import open_database
from pbx.store.vault import Vault


@pytest.fixture
def connection(url: str) -> Iterator[sa.Connection]:
    database = open_database(url)
    with database.begin() as connection:
        yield connection
    database.dispose()


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "pbx.key")


def test_trunk_is_read_as_it_was_written(connection: sa.Connection, vault: Vault) -> None:
    given = {
        "host": "SIP.acme.example:5080",
        "transport": "tcp",
        "proxy": "edge.acme.example",
        "register": "yes",
        "username": "us",
        "addresses": "192.0.2.1, 203.0.113.7/24",
        "dids": "+14155550100 +14155550101",
        "caller_id": "asserted",
        "number": "+14155550100",
        "max_calls": "10",
        "prefixes": "+33=0 +=00",
        "qualify": "0",
        "enabled": "no",
    }
    trunks.add(connection, "acme", "secret", given, vault)
    assert trunks.read_trunks(connection, vault) == [
        Trunk(
            "acme",
            "sip.acme.example:5080",
            "TCP",
            "edge.acme.example",
            register=True,
            username="us",
            password="secret",
            addresses=(ip_network("192.0.2.1/32"), ip_network("203.0.113.0/24")),
            dids=("+14155550100", "+14155550101"),
            caller_id="asserted",
            number="+14155550100",
            max_calls=10,
            prefixes=(("+33", "0"), ("+", "00")),
            qualify=0,
            enabled=False,
        )
    ]


def test_password_is_neither_stored_nor_shown(connection: sa.Connection, vault: Vault) -> None:
    trunks.add(connection, "acme", "wonderland", {"host": "acme.example"}, vault)
    assert "wonderland" not in str(connection.execute(sa.text("SELECT * FROM trunks")).all())
    assert trunks.shown(connection, "acme")["password"] is True
    assert "secret" not in trunks.shown(connection, "acme")
    assert "wonderland" not in repr(trunks.read_trunks(connection, vault))
    assert stat.S_IMODE(vault.path.stat().st_mode) == 0o600


def test_key_that_is_lost_is_said_with_its_remedy(connection: sa.Connection, vault: Vault) -> None:
    trunks.add(connection, "acme", "wonderland", {"host": "192.0.2.1", "addresses": "192.0.2.0/24"}, vault)
    vault.path.unlink()
    (trunk,) = trunks.read_trunks(connection, vault)
    assert trunk.trouble == (
        f"the key file {vault.path} is lost; "
        "restore it, or give each trunk its password again with `pbx trunk set NAME --password -`"
    )
    assert trunk.addresses == (ip_network("192.0.2.0/24"),)  # who calls from there is still known
    trunks.change(connection, "acme", "new", {}, vault)
    (trunk,) = trunks.read_trunks(connection, vault)
    assert (trunk.password, trunk.trouble) == ("new", "")


def test_other_key_and_what_is_no_key_are_said(connection: sa.Connection, vault: Vault) -> None:
    trunks.add(connection, "acme", "wonderland", {"host": "192.0.2.1"}, vault)
    vault.path.unlink()
    vault.seal("something")
    (trunk,) = trunks.read_trunks(connection, vault)
    assert trunk.trouble.startswith("the password was encrypted with another key")
    vault.path.write_text("nonsense")
    (trunk,) = trunks.read_trunks(connection, vault)
    assert "holds no key" in trunk.trouble
    vault.path.unlink()
    vault.path.mkdir()
    with pytest.raises(Fault, match="cannot be read"):
        vault.seal("x")
    with pytest.raises(Fault, match="cannot be read"):
        vault.unseal("x")
    with pytest.raises(Fault, match="cannot be made"):
        Vault(vault.path / "missing" / "pbx.key").seal("x")


@pytest.mark.parametrize(
    ("column", "text", "what"),
    [
        ("host", "", "host is '', no host"),
        ("host", "sip:acme", "no host"),
        ("host", "a b", "no host"),
        ("host", "acme;transport=tcp", "no host"),
        ("host", "us@acme", "no host"),
        ("host", "acme:99999999", "no host"),
        ("transport", "SCTP", "transport is 'SCTP'; write one of UDP, TCP, TLS"),
        ("username", "a\nb", "control characters"),
        ("addresses", "acme.example", "'acme.example' is no address"),
        ("dids", "+1 (415)", "is no number"),
        ("caller_id", "maybe", "write one of from, asserted, preferred, account"),
        ("max_calls", "many", "write a whole number from 1 to 10000, or nothing"),
        ("prefixes", "+33", "does not say what becomes of a prefix"),
        ("qualify", "-1", "write a whole number from 0"),
        ("register", "yes", "there is no user name to register with; give --username, too"),
    ],
)
def test_what_cannot_be_is_refused(connection: sa.Connection, vault: Vault, column: str, text: str, what: str) -> None:
    with pytest.raises(Fault) as refused:
        trunks.add(connection, "acme", None, {"host": "acme.example", column: text}, vault)
    assert what in str(refused.value)
    assert trunks.listed(connection) == []


def test_names_are_those_of_nobody_else(connection: sa.Connection, vault: Vault) -> None:
    trunks.add(connection, "acme", None, {"host": "acme.example"}, vault)
    with pytest.raises(Fault, match="trunk acme exists already"):
        trunks.add(connection, "acme", None, {"host": "acme.example"}, vault)
    with pytest.raises(Fault, match="cannot be the name of a trunk"):
        trunks.add(connection, "Acme & Co", None, {"host": "acme.example"}, vault)
    for failing in (
        lambda: trunks.change(connection, "backup", None, {}, vault),
        lambda: trunks.remove(connection, "backup"),
        lambda: trunks.shown(connection, "backup"),
    ):
        with pytest.raises(Fault, match="there is no trunk backup"):
            failing()
    trunks.remove(connection, "acme")
    assert trunks.listed(connection) == []


def test_row_that_sql_has_spoiled_says_so_and_spoils_no_other(connection: sa.Connection, vault: Vault) -> None:
    for name, host in (("acme", "bad host"), ("backup", "Backup.Example")):
        connection.execute(
            sa.text("INSERT INTO trunks (name, host) VALUES (:name, :host)"), {"name": name, "host": host}
        )
    connection.execute(sa.text("UPDATE trunks SET addresses = 'nonsense' WHERE name = 'acme'"))
    bad, good = trunks.read_trunks(connection, vault)
    assert (bad.name, bad.addresses, good.trouble, good.host) == ("acme", (), "", "backup.example")
    assert "no host" in bad.trouble


def test_each_change_counts(connection: sa.Connection, vault: Vault) -> None:
    def revision() -> int:
        return int(connection.scalar(sa.text("SELECT n FROM revision WHERE \"table\" = 'trunks'")) or 0)

    trunks.add(connection, "acme", None, {"host": "acme.example"}, vault)
    first = revision()
    trunks.change(connection, "acme", None, {"max_calls": "3"}, vault)
    second = revision()
    trunks.remove(connection, "acme")
    assert 0 < first < second < revision()
