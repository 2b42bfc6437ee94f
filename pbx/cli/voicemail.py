"""`pbx voicemail`: the messages themselves. They are removed by the running server, if there is one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pbx.cli import output
from pbx.cli.settings import Settings, pass_settings
from pbx.faults import Fault

if TYPE_CHECKING:
    from pbx.features.voicemail.mailbox import Message

COLUMNS = ("id", "mailbox", "folder", "urgent", "caller", "caller_name", "left_at", "seconds", "email")
PLAYERS = (("aplay", "-q"), ("play", "-q"), ("ffplay", "-autoexit", "-nodisp", "-loglevel", "error"))


@click.group()
def voicemail() -> None:
    """List, play, export and remove voice messages.

    A message is named by its id, or by as much of its beginning as no other one has.
    """


@voicemail.command("list")
@click.argument("mailbox", required=False)
@output.as_json
@pass_settings
def list_(settings: Settings, mailbox: str | None, as_json: bool) -> None:
    """List all messages, or those of one mailbox."""
    from pbx.rows import moment
    from pbx.store import mailboxes

    with settings.reading() as connection:
        found = mailboxes.messages_in(connection, mailbox)
    output.show([{**asdict(one), "left_at": moment(one.left_at)} for one in found], COLUMNS, as_json)


@voicemail.command()
@click.argument("id")
@pass_settings
def play(settings: Settings, id: str) -> None:
    """Play the message ID on this machine's loudspeaker."""
    path = _sound(settings, _message(settings, id))
    player = next((words for words in PLAYERS if shutil.which(words[0])), None)
    if player is None:
        raise Fault("", 0, "there is no program here that plays sound", "install alsa-utils or sox, or export it")
    done = subprocess.run([*player, str(path)], capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it does not say why"])[-1]
        raise Fault("", 0, f"{player[0]} cannot play it: {said}", "export it, and play it elsewhere")


@voicemail.command()
@click.argument("id")
@click.argument("file", type=click.Path(path_type=Path))
@output.as_json
@pass_settings
def export(settings: Settings, id: str, file: Path, as_json: bool) -> None:
    """Write the message ID into FILE, a new WAV file; - is standard output."""
    message = _message(settings, id)
    content = _sound(settings, message).read_bytes()
    if str(file) == "-":
        sys.stdout.buffer.write(content)
        return
    try:
        with file.open("xb") as target:
            target.write(content)
    except OSError as error:
        raise Fault("", 0, f"{file} cannot be written: {error.strerror}", "name a new file") from error
    output.say(f"message {message.id} is in {file}", {"id": message.id, "file": str(file)}, as_json)


@voicemail.command()
@click.argument("ids", nargs=-1)
@click.option("--all", "mailbox", metavar="MAILBOX", help="All messages of this mailbox.")
@output.as_json
@pass_settings
def remove(settings: Settings, ids: tuple[str, ...], mailbox: str | None, as_json: bool) -> None:
    """Remove the messages IDS, and what was recorded, for good."""
    from pbx.cli.client import NoServer, ask
    from pbx.store import mailboxes

    if bool(ids) == bool(mailbox):
        raise click.UsageError("give ids of messages, or --all MAILBOX")
    with settings.reading() as connection:
        if mailbox:
            found = mailboxes.messages_in(connection, mailbox)
        else:
            found = [mailboxes.message(connection, id) for id in ids]
    names = [message.id for message in found]
    try:
        ask(settings.config.control.socket, "remove_messages", ids=names)
    except NoServer:
        _remove(settings, found)
    rows = [{"id": name} for name in names]
    if as_json:
        output.show(rows, ("id",), True)
    else:
        click.echo(f"{len(names)} messages removed")


def _message(settings: Settings, id: str) -> Message:
    from pbx.store import mailboxes

    with settings.reading() as connection:
        return mailboxes.message(connection, id)


def _sound(settings: Settings, message: Message) -> Path:
    from pbx.store.message_files import MessageFiles

    path = MessageFiles(settings.config.voicemail.folder).sound_of(message)
    if not path.exists():
        raise Fault("", 0, f"there is no sound of message {message.id} at {path}", "restore it from a backup")
    return path


def _remove(settings: Settings, found: list[Message]) -> None:
    """Remove messages while no server has them in its memory."""
    from pbx.store.message_files import MessageFiles
    from pbx.store.messages import remove_messages

    files = MessageFiles(settings.config.voicemail.folder)
    with settings.writing() as connection:
        remove_messages(connection, found)
    for message in found:
        files.remove(message)
