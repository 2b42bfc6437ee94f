"""`pbx switch`: what people turn on and off for everybody. The running server sees a change within a second."""

from __future__ import annotations

import dataclasses

import click

from pbx.cli import output
from pbx.cli.settings import Settings, pass_settings
from pbx.exchange.switch import Switch

COLUMNS = tuple(field.name for field in dataclasses.fields(Switch))


@click.group()
def switch() -> None:
    """Turn switches such as the night service.

    A dialplan asks for them with `plan.switch("night")`.

    A phone that dials the code turns the switch over. A running server sees a change within a second.
    """


@switch.command()
@click.argument("name")
@click.option("--code", default="", help="What phones dial to turn it over, for example *60.")
@click.option("--allow", default="", help="The word of the class of service that is needed for that.")
@output.as_json
@pass_settings
def add(settings: Settings, name: str, code: str, allow: str, as_json: bool) -> None:
    """Add the switch NAME; it is off."""
    from pbx.store import switches

    new = Switch(name, False, code, allow)
    with settings.writing() as connection:
        switches.add(connection, new)
    output.say(f"the switch {name} is there, and off", dataclasses.asdict(new), as_json)


@switch.command("list")
@output.as_json
@pass_settings
def list_(settings: Settings, as_json: bool) -> None:
    """List all switches."""
    from pbx.store import switches

    with settings.reading() as connection:
        rows = [dataclasses.asdict(row) for row in switches.listed(connection)]
    output.show(rows, COLUMNS, as_json)


@switch.command()
@click.argument("name")
@output.as_json
@pass_settings
def on(settings: Settings, name: str, as_json: bool) -> None:
    """Turn the switch NAME on."""
    _turn(settings, name, True, as_json)


@switch.command()
@click.argument("name")
@output.as_json
@pass_settings
def off(settings: Settings, name: str, as_json: bool) -> None:
    """Turn the switch NAME off."""
    _turn(settings, name, False, as_json)


def _turn(settings: Settings, name: str, is_on: bool, as_json: bool) -> None:
    from pbx.store import switches

    with settings.writing() as connection:
        switches.turn(connection, name, is_on)
    output.say(f"the switch {name} is {'on' if is_on else 'off'}", {"name": name, "is_on": is_on}, as_json)


@switch.command()
@click.argument("name")
@output.as_json
@pass_settings
def remove(settings: Settings, name: str, as_json: bool) -> None:
    """Remove the switch NAME: for dialplans it is off from then on."""
    from pbx.store import switches

    with settings.writing() as connection:
        switches.remove(connection, name)
    output.say(f"there is no switch {name} any more", {"name": name}, as_json)
