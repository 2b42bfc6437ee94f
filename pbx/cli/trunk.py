"""`pbx trunk`: the ways to the telephone network. The running server sees a change within a second."""

from __future__ import annotations

import sys

import click

from pbx.cli import output
from pbx.cli.columns import column_options, given_texts
from pbx.cli.live import rows
from pbx.cli.settings import Settings, pass_settings

COLUMNS = ("name", "host", "transport", "register", "username", "dids", "enabled")
LIVE = ("name", "host", "state", "calls", "max_calls", "round_trip", "registered_until", "error")


@click.group()
def trunk() -> None:
    """Add, list, show, change, remove and test trunks.

    A running server sees a change within a second.
    """


_TEXTS = {
    "host": ("HOST", "The provider's host or domain, with a port if it is not 5060."),
    "transport": ("NAME", "UDP, TCP or TLS; empty: what the DNS says."),
    "proxy": ("HOST", "An outbound proxy through which all goes."),
    "username": ("NAME", "The user name of the account."),
    "addresses": ("LIST", 'From where it calls: "192.0.2.1 203.0.113.0/24".'),
    "dids": ("LIST", "Our numbers: +14155550100 +14155550101."),
    "caller-id": ("POLICY", "How it is told who calls: from, asserted, preferred or account."),
    "number": ("NUMBER", "What it is told of callers without a number of their own."),
    "max-calls": ("N", "How many calls it carries at once; empty: any number."),
    "prefixes": ("LIST", 'What becomes of the beginnings of numbers: "+33=0 +=00".'),
    "qualify": ("SECONDS", "How often it is asked whether it is there; 30 by default, 0 for never."),
}
_SWITCHES = {"register": "Register with the provider."}
_setting_options = column_options(_TEXTS, _SWITCHES, "Disabled, nobody calls by it.")
_password_option = click.option(
    "--password",
    metavar="SECRET",
    help="The password; - reads it from standard input. Other users of this machine can see one given here.",
)


def _secret(password: str | None) -> str | None:
    if password != "-":
        return password
    if sys.stdin.isatty():
        secret: str = click.prompt("Password", hide_input=True, err=True)
        return secret
    return sys.stdin.readline().removesuffix("\n")


@trunk.command()
@click.argument("name")
@_setting_options
@_password_option
@output.as_json
@pass_settings
def add(settings: Settings, /, name: str, password: str | None, as_json: bool, **given: str | bool | None) -> None:
    """Add the trunk NAME; --host is needed.

    The password is stored encrypted, with the key in the file pbx.key beside the configuration, which is made then.
    """
    from pbx.store import trunks
    from pbx.store.vault import Vault

    with settings.writing() as connection:
        trunks.add(connection, name, _secret(password), given_texts(given), Vault.beside(settings.config.path))
        row = trunks.shown(connection, name)
    output.say(f"trunk {name} added", row, as_json)


@trunk.command("list")
@output.as_json
@pass_settings
def list_(settings: Settings, as_json: bool) -> None:
    """List all trunks."""
    from pbx.store import trunks

    with settings.reading() as connection:
        found = trunks.listed(connection)
    output.show(found, COLUMNS, as_json)


@trunk.command()
@click.argument("name")
@output.as_json
@pass_settings
def show(settings: Settings, name: str, as_json: bool) -> None:
    """Show the trunk NAME; of the password only whether there is one."""
    from pbx.store import trunks

    with settings.reading() as connection:
        row = trunks.shown(connection, name)
    output.show_one(row, as_json)


@trunk.command("set")
@click.argument("name")
@_setting_options
@_password_option
@output.as_json
@pass_settings
def set_(settings: Settings, /, name: str, password: str | None, as_json: bool, **given: str | bool | None) -> None:
    """Change the trunk NAME.

    What is not given stays as it is. Calls that go on do not notice.
    """
    from pbx.store import trunks
    from pbx.store.vault import Vault

    secret, texts = _secret(password), given_texts(given)
    if secret is None and not texts:
        raise click.UsageError("nothing to change: give --host, --password, --disable or another option")
    with settings.writing() as connection:
        trunks.change(connection, name, secret, texts, Vault.beside(settings.config.path))
        row = trunks.shown(connection, name)
    output.say(f"trunk {name} changed", row, as_json)


@trunk.command()
@click.argument("name")
@output.as_json
@pass_settings
def remove(settings: Settings, name: str, as_json: bool) -> None:
    """Remove the trunk NAME; its calls go on."""
    from pbx.store import trunks

    with settings.writing() as connection:
        row = trunks.shown(connection, name)
        trunks.remove(connection, name)
    output.say(f"trunk {name} removed", row, as_json)


@trunk.command()
@click.argument("name")
@output.as_json
@pass_settings
def test(settings: Settings, name: str, as_json: bool) -> int:
    """Try the trunk NAME: say in sentences what works and what does not.

    The running server registers, where that is wanted, and asks whether the provider is there (OPTIONS). It takes ten
    seconds at most. The exit status is 1 when something does not work.
    """
    found = rows(settings, "test_trunk", name=name)
    if as_json:
        output.show(found, ("what", "works", "sentence"), as_json)
    else:
        for row in found:
            click.echo(row["sentence"])
    return int(any(row["works"] is False for row in found))


@click.command()
@output.as_json
@pass_settings
def trunks(settings: Settings, as_json: bool) -> None:
    """Show how the trunks are.

    State, calls, round trip in milliseconds, what went wrong last."""
    output.show(rows(settings, "trunks"), LIVE, as_json)
