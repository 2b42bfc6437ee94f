"""`pbx conferences` and `pbx conference`: who is in which room of the running server, and what to do about it."""

from __future__ import annotations

from typing import Any

import click

from pbx.cli import output
from pbx.cli.live import rows
from pbx.cli.settings import Settings, pass_settings

COLUMNS = (
    "room", "party", "number", "name", "source", "since", "talks", "muted", "leader", "locked", "recording",
)  # fmt: skip

_room = click.argument("room")
_party = click.argument("party")


@click.command()
@click.argument("room", required=False)
@output.as_json
@pass_settings
def conferences(settings: Settings, room: str | None, as_json: bool) -> None:
    """List who is in each conference."""
    output.show(rows(settings, "conferences", room=room), COLUMNS, as_json)


@click.group()
def conference() -> None:
    """Mute and remove parties, lock, record and end conferences.

    A PARTY is its number in `pbx conferences`, or the extension that it calls from.
    """


@conference.command()
@_room
@click.argument("party", required=False)
@output.as_json
@pass_settings
def mute(settings: Settings, room: str, party: str | None, as_json: bool) -> None:
    """Let nobody in ROOM hear PARTY; without PARTY, all of them. They can unmute themselves with *1."""
    found = rows(settings, "conference_mute", room=room, party=party, muted=True)
    output.show(found, COLUMNS, as_json)


@conference.command()
@_room
@click.argument("party", required=False)
@output.as_json
@pass_settings
def unmute(settings: Settings, room: str, party: str | None, as_json: bool) -> None:
    """Let PARTY be heard again; without PARTY, all of them."""
    found = rows(settings, "conference_mute", room=room, party=party, muted=False)
    output.show(found, COLUMNS, as_json)


@conference.command()
@_room
@_party
@output.as_json
@pass_settings
def kick(settings: Settings, room: str, party: str, as_json: bool) -> None:
    """Remove PARTY from ROOM."""
    _say(f"{party} is removed from {room}", rows(settings, "conference_kick", room=room, party=party), as_json)


@conference.command()
@_room
@output.as_json
@pass_settings
def lock(settings: Settings, room: str, as_json: bool) -> None:
    """Let nobody else into ROOM but leaders."""
    _say(f"{room} is locked", rows(settings, "conference_lock", room=room, locked=True), as_json)


@conference.command()
@_room
@output.as_json
@pass_settings
def unlock(settings: Settings, room: str, as_json: bool) -> None:
    """Let others into ROOM again."""
    _say(f"{room} is open", rows(settings, "conference_lock", room=room, locked=False), as_json)


@conference.command()
@_room
@click.option("--stop", is_flag=True, help="Record no more.")
@output.as_json
@pass_settings
def record(settings: Settings, room: str, stop: bool, as_json: bool) -> None:
    """Record what is said in ROOM; all are told so."""
    found = rows(settings, "conference_record", room=room, wanted=not stop)
    sentence = f"{room} is not recorded any more" if stop else f"{room} is recorded into {found[0]['recording']}"
    _say(sentence, found, as_json)


@conference.command()
@_room
@output.as_json
@pass_settings
def end(settings: Settings, room: str, as_json: bool) -> None:
    """Make everybody leave ROOM."""
    _say(f"the conference in {room} is over", rows(settings, "conference_end", room=room), as_json)


def _say(sentence: str, found: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        output.show(found, COLUMNS, as_json)
    else:
        click.echo(sentence)
