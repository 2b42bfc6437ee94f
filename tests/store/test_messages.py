"""Messages in SQL and their sound in files: written behind, tried again, and found again after any death."""

from __future__ import annotations

import dataclasses
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from twisted.internet.task import Clock

from pbx.features.voicemail.mailbox import Mailbox, Message
from pbx.media.g711 import ULAW
from pbx.media.wav import Writer, load
from pbx.store.database import open_database
from pbx.store.message_files import MessageFiles
from pbx.store.messages import MessageTable, read_mailboxes, read_messages
from pbx.store.schema import mailboxes, messages
from pbx.store.store import BATCH, RETRY
from tests.counts import count
from tests.eventually import eventually
from tests.store.worker import Here

ONE = Message("a1", "sales", "1001", "Älice \udcff", 1000.5, 2.0, urgent=True, email="waiting")
OTHER = Message("b2", "1002", "", "", 1001.5, 2.0)
KILLS = count(6, 50)


@pytest.fixture
def database(url: str):
    opened = open_database(url)
    yield opened
    opened.dispose()


@pytest.fixture
def files(tmp_path: Path) -> MessageFiles:
    return MessageFiles(tmp_path / "voicemail")


def record(files: MessageFiles, message: Message, seconds: float = 2.0) -> None:
    """What a call does: the envelope, then the sound."""
    writer = Writer(files.begin(message))
    writer.append(ULAW.nothing * round(seconds * 50))
    writer.close()


def found(files: MessageFiles) -> list[str]:
    return sorted(str(path.relative_to(files.folder)) for path in files.folder.rglob("*.*"))


def test_message_is_written_changed_and_removed_with_its_sound(database: sa.Engine, files: MessageFiles) -> None:
    clock, worker = Clock(), Here()
    table = MessageTable(database, files, clock, worker)  # type: ignore[arg-type]
    record(files, ONE)
    table.keep(ONE)
    assert (table.backlog, found(files)) == (1, ["sales/a1.envelope", "sales/a1.part"])
    clock.advance(BATCH)
    shown = dataclasses.replace(ONE, caller_name="Älice \\xff")
    assert (table.backlog, found(files)) == (0, ["sales/a1.wav"])
    assert read_messages(database, files) == [shown]
    table.keep(dataclasses.replace(ONE, folder="saved"))
    clock.advance(BATCH)
    assert read_messages(database, files) == [dataclasses.replace(shown, folder="saved")]
    table.remove(ONE)
    clock.advance(BATCH)
    assert (read_messages(database, files), found(files)) == ([], [])


def test_database_that_fails_loses_nothing(database: sa.Engine, files: MessageFiles) -> None:
    clock, worker = Clock(), Here()
    table = MessageTable(database, files, clock, worker)  # type: ignore[arg-type]
    worker.fails = 3
    record(files, ONE)
    table.keep(ONE)
    table.change_pin("1002", "scrypt:00:00")
    clock.advance(BATCH)
    assert table.backlog == 2
    for _ in range(3):
        clock.advance(RETRY)
    assert table.backlog == 0
    assert [one.id for one in read_messages(database, files)] == ["a1"]
    assert read_mailboxes(database) == [Mailbox("1002", pin="scrypt:00:00")]


def test_one_message_that_cannot_be_finished_holds_up_no_other(database: sa.Engine, files: MessageFiles) -> None:
    clock, worker = Clock(), Here()
    table = MessageTable(database, files, clock, worker)  # type: ignore[arg-type]
    record(files, ONE)
    record(files, OTHER)
    in_the_way = files.path_of(ONE)
    in_the_way.mkdir()
    table.keep(ONE)
    table.keep(OTHER)
    clock.advance(BATCH)
    with database.connect() as connection:
        assert list(connection.scalars(sa.select(messages.c.id))) == ["b2"]
    assert table.backlog == 1
    in_the_way.rmdir()
    clock.advance(RETRY)
    assert table.backlog == 0 and found(files) == ["1002/b2.wav", "sales/a1.wav"]


@pytest.mark.parametrize("done", ["recorded", "finished", "row written"])
def test_message_is_found_again_wherever_the_process_died(database: sa.Engine, files: MessageFiles, done: str) -> None:
    record(files, OTHER)
    if done != "recorded":
        files.finish(OTHER)
    if done == "row written":
        with database.begin() as connection:
            connection.execute(messages.insert(), [dataclasses.asdict(OTHER)])
    assert read_messages(database, files) == [OTHER]
    assert found(files) == ["1002/b2.wav"]
    assert read_messages(database, files) == [OTHER]


def test_what_was_deleted_stays_deleted(database: sa.Engine, files: MessageFiles) -> None:
    record(files, OTHER)
    files.finish(OTHER)
    files.settle(OTHER)
    (files.folder / "1002" / "greetings").mkdir()
    (files.folder / "1002" / "greetings" / "busy.recording").touch()
    files.greeting("1002", "busy").touch()
    assert (read_messages(database, files), found(files)) == ([], ["1002/greetings/busy.wav"])


def test_what_is_too_short_is_no_message(database: sa.Engine, files: MessageFiles) -> None:
    record(files, OTHER, seconds=0.5)
    files.begin(ONE)
    assert (read_messages(database, files), found(files)) == ([], [])


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"caller": 7, "left_at": "x", "urgent": 1}', b"\xff"])
def test_envelope_that_cannot_be_read_costs_no_message(
    database: sa.Engine, files: MessageFiles, content: bytes
) -> None:
    record(files, OTHER)
    (files.folder / "1002" / "b2.envelope").write_bytes(content)
    [message] = read_messages(database, files)
    assert (message.id, message.mailbox, message.caller, message.seconds) == ("b2", "1002", "", 2.0)
    assert len(load(files.path_of(message))) == 16000


def test_row_without_sound_stays(database: sa.Engine, files: MessageFiles) -> None:
    """The folder may just not be mounted."""
    with database.begin() as connection:
        connection.execute(messages.insert(), [dataclasses.asdict(OTHER)])
    assert read_messages(database, files) == [OTHER] == read_messages(database, files)


def test_names_that_lead_elsewhere_are_no_mailboxes(database: sa.Engine) -> None:
    with database.begin() as connection:
        connection.execute(mailboxes.insert(), [{"name": name} for name in ("../x", "a/b", "sales", "..", "-x")])
    assert read_mailboxes(database) == [Mailbox("sales")]


WRITER = """
import sys
from pathlib import Path
from pbx.features.voicemail.mailbox import Message
from pbx.media.g711 import ULAW
from pbx.media.wav import Writer
from pbx.store.database import open_database
from pbx.store.message_files import MessageFiles
from pbx.store.messages import Batch, Change, write_messages

database, files, run = open_database(sys.argv[1]), MessageFiles(Path(sys.argv[2])), sys.argv[3]
kept = []
for number in range(10_000):
    message = Message(f"m{run}x{number}", "1002", "1001", "", float(number), 2.0)
    writer = Writer(files.begin(message))
    for _ in range(4):
        writer.append(ULAW.nothing * 25)
    writer.close()
    print("left", message.id, flush=True)
    write_messages(database, files, Batch({message.id: Change(message, True)}, {}))
    kept.append(message)
    if number % 2:
        old = kept.pop(0)
        print("deleting", old.id, flush=True)
        write_messages(database, files, Batch({old.id: Change(old, False)}, {}))
        print("deleted", old.id, flush=True)
"""


@pytest.mark.timeout(7200)
def test_kill_loses_no_finished_message_and_leaves_no_orphan(url: str, tmp_path: Path) -> None:
    """A process that takes and deletes messages is killed at any moment, again and again."""
    files = MessageFiles(tmp_path / "voicemail")
    moments = random.Random(5)
    log = tmp_path / "log"
    log.touch()
    for run in range(KILLS):
        before = log.read_bytes().count(b"left")
        wanted = before + moments.randrange(1, 20)
        with log.open("ab") as output:
            writer = subprocess.Popen(
                [sys.executable, "-c", WRITER, url, str(files.folder), str(run)], stdout=output, cwd=os.getcwd()
            )
        eventually(lambda wanted=wanted, writer=writer: log.read_bytes().count(b"left") >= wanted or writer.poll(), 60)
        assert writer.poll() is None
        writer.kill()
        writer.wait()
        database = open_database(url)
        known = {message.id for message in read_messages(database, files)}
        with database.connect() as connection:
            assert set(connection.scalars(sa.select(messages.c.id))) == known
        database.dispose()
        words = [line.split() for line in log.read_text().splitlines() if len(line.split()) == 2]
        said = {word: {id for how, id in words if how == word} for word in ("left", "deleting", "deleted")}
        assert said["left"] - said["deleting"] <= known  # nothing finished is lost
        assert not known & said["deleted"]  # nothing deleted comes back
        assert found(files) == sorted(f"1002/{id}.wav" for id in known)  # nothing is orphaned
