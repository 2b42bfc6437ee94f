"""The table `trunks`: as administrators use it, and as the server reads it. Passwords come in, and only the vault knows
them again; nothing here shows one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from ipaddress import ip_network
from typing import Any

import sqlalchemy as sa

from pbx.exchange.trunk import POLICIES, QUALIFY, Trunk
from pbx.faults import Fault
from pbx.sip.errors import Malformed
from pbx.sip.uri import parse_uri
from pbx.store import columns
from pbx.store.columns import Value
from pbx.store.schema import trunks
from pbx.store.vault import Vault

_NAME = re.compile("[a-z0-9][a-z0-9_-]{0,31}")
_DID = re.compile("[A-Za-z0-9+][A-Za-z0-9._-]{0,63}")
_PREFIX = re.compile("([0-9+*#]{0,15})=([0-9+*#]{0,15})")

Row = dict[str, Any]


def _host(empty: bool, column: str, text: str) -> str:
    host = text.strip().lower()
    if not host and empty:
        return ""
    try:
        if str(parse_uri(f"sip:{host}")) == f"sip:{host}" and not set(host) & set("@;?"):
            return host
    except Malformed:
        pass
    raise Fault("", 0, f"{column} is {text!r}, no host", "write such as sip.example.com or 192.0.2.1:5080")


def _one_of(words: tuple[str, ...], fold: Callable[[str], str], column: str, text: str) -> str:
    word = fold(text.strip())
    if word not in words:
        raise Fault("", 0, f"{column} is {text!r}", f"write one of {', '.join(filter(None, words))}")
    return word


def _username(column: str, text: str) -> str:
    if not (text.isprintable() and len(text) <= 128):
        raise Fault("", 0, "the user name has control characters or more than 128 letters", "give the provider's")
    return text


def _networks(column: str, text: str) -> str:
    found = []
    for word in text.replace(",", " ").split():
        try:
            found.append(str(ip_network(word, strict=False)))
        except ValueError:
            raise Fault("", 0, f"{word!r} is no address", "write such as 192.0.2.1 203.0.113.0/24") from None
    return " ".join(dict.fromkeys(found))


def _dids(column: str, text: str) -> str:
    words = text.replace(",", " ").split()
    for word in words:
        if not _DID.fullmatch(word):
            raise Fault("", 0, f"{word!r} is no number", "write such as +14155550100 +14155550101")
    return " ".join(dict.fromkeys(words))


def _prefixes(column: str, text: str) -> str:
    words = text.replace(",", " ").split()
    for word in words:
        if not _PREFIX.fullmatch(word):
            what = f"{word!r} does not say what becomes of a prefix"
            raise Fault("", 0, what, 'write such as "+33=0 +=00": what is there, and what is dialled in its place')
    return " ".join(dict.fromkeys(words))


# All that can be set but the name and the password, in the table's order. "" means the column's default.
SETTINGS: dict[str, Callable[[str, str], Value]] = {
    "host": partial(_host, False),
    "transport": partial(_one_of, ("", "UDP", "TCP", "TLS"), str.upper),
    "proxy": partial(_host, True),
    "register": partial(columns.switch, False),
    "username": _username,
    "addresses": _networks,
    "dids": _dids,
    "caller_id": lambda column, text: _one_of(POLICIES, str.lower, column, text or POLICIES[0]),
    "number": columns.dialled,
    "max_calls": partial(columns.whole, 1, 10_000, None),
    "prefixes": _prefixes,
    "qualify": partial(columns.whole, 0, 86_400, QUALIFY),
    "enabled": partial(columns.switch, True),
}


def add(connection: sa.Connection, name: str, password: str | None, settings: Mapping[str, str], vault: Vault) -> None:
    """Add a trunk.

    :param settings: texts by column, see `SETTINGS`; `host` is one of them.
    :raises Fault: a setting cannot be used, or the name is taken.
    """
    if not _NAME.fullmatch(name):
        what = f"{name!r} cannot be the name of a trunk"
        raise Fault("", 0, what, "use up to 32 small letters, digits, hyphens and underscores")
    if listed(connection, name):
        raise Fault("", 0, f"trunk {name} exists already", f"change it with `pbx trunk set {name}`")
    values = {"name": name, **_read({"host": "", **settings})}
    if password is not None:
        values["secret"] = vault.seal(columns.password(password))
    _require_account(values)
    connection.execute(trunks.insert().values(values))


def change(
    connection: sa.Connection, name: str, password: str | None, settings: Mapping[str, str], vault: Vault
) -> None:
    """Change a trunk.

    :param password: None leaves it as it is.
    :param settings: texts by column; what is not named stays as it is, "" brings back the default.
    :raises Fault: there is no such trunk, or a setting cannot be used.
    """
    values = _read(settings)
    if password is not None:
        values["secret"] = vault.seal(columns.password(password))
    _require_account({**shown(connection, name), **values})
    connection.execute(trunks.update().where(trunks.c.name == name).values(values))


def remove(connection: sa.Connection, name: str) -> None:
    """Remove a trunk.

    :raises Fault: there is no such trunk.
    """
    if not connection.execute(trunks.delete().where(trunks.c.name == name)).rowcount:
        raise _unknown(name)


def listed(connection: sa.Connection, name: str | None = None) -> list[Row]:
    """Return all trunks in the order of their names, or the one that is asked for, if there is; no password."""
    query = sa.select(trunks).order_by(trunks.c.name)
    if name is not None:
        query = query.where(trunks.c.name == name)
    return [_shown(dict(row._mapping)) for row in connection.execute(query)]


def shown(connection: sa.Connection, name: str) -> Row:
    """Return one trunk, without its password.

    :raises Fault: there is no such trunk.
    """
    for row in listed(connection, name):
        return row
    raise _unknown(name)


def read_trunks(connection: sa.Connection, vault: Vault | None) -> list[Trunk]:
    """Read all trunks. One that plain SQL has spoiled is there, too, and says what is wrong with it.

    :param vault: opens the passwords; None where they are not needed.
    """
    return [_trunk(dict(row._mapping), vault) for row in connection.execute(sa.select(trunks).order_by(trunks.c.name))]


def _trunk(row: Mapping[str, Any], vault: Vault | None) -> Trunk:
    try:
        # As a command would have written it: SQL may have other capitals, commas, and slips.
        texts = {name: "" if row[name] is None else str(row[name]) for name in SETTINGS}
        values = _read(texts)
        password = vault.unseal(row["secret"]) if vault is not None and row["secret"] else ""
    except Fault as fault:
        return _troubled(row, str(fault))
    pairs = [_PREFIX.fullmatch(word) for word in str(values["prefixes"]).split()]
    values["prefixes"] = tuple([(pair[1], pair[2]) for pair in pairs if pair is not None])
    values["addresses"] = tuple(map(ip_network, str(values["addresses"]).split()))
    values["dids"] = tuple(str(values["dids"]).split())
    return Trunk(name=row["name"], password=password, **values)


def _troubled(row: Mapping[str, Any], trouble: str) -> Trunk:
    """A trunk that cannot be used; it can be called from as far as its addresses are good."""
    try:
        addresses = tuple(map(ip_network, _networks("addresses", row["addresses"]).split()))
    except Fault:
        addresses = ()
    return Trunk(row["name"], "unknown.invalid", trouble=trouble, addresses=addresses, enabled=bool(row["enabled"]))


def _shown(row: Row) -> Row:
    """What is shown of a row: whether there is a password, in the place of what it is encrypted to."""
    return {"password" if name == "secret" else name: bool(value) if name == "secret" else value
            for name, value in row.items()}  # fmt: skip


def _read(settings: Mapping[str, str]) -> Row:
    return {name: SETTINGS[name](name, text) for name, text in settings.items()}


def _require_account(values: Mapping[str, Any]) -> None:
    if values.get("register") and not values.get("username"):
        raise Fault("", 0, "there is no user name to register with", "give --username, too")


def _unknown(name: str) -> Fault:
    return Fault("", 0, f"there is no trunk {name}", "`pbx trunk list` shows all")
