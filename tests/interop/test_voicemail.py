"""Voicemail with real phones: a message is left, the lamp goes on, it is heard, deleted, and comes by e-mail; and the
exchange is killed while messages are left and deleted, and runs out of disk.
"""

from __future__ import annotations

import email
import email.policy
import random
import subprocess
import sys
import wave
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from pbx.media.g711 import RATE, ULAW
from pbx.media.wav import load
from tests.counts import FULL, count
from tests.eventually import eventually
from tests.interop.exchange import Exchange, password
from tests.media.waves import amplitude
from tests.phones.baresip import Baresip
from tests.phones.process import Process, free_port

DIALPLAN = """
from pbx.dialplan import Call, Plan, ext, mailbox, voicemail, voicemail_menu

plan = Plan()
plan.internal("2<number:1XXX>")(voicemail())
plan.internal("sales")(voicemail(mailbox("1002")))
plan.internal("*97")(voicemail_menu())


@plan.internal("3<number:1XXX>")
async def to_and_fro(call: Call, number: str) -> None:
    await call.dial(ext(number))
    await call.voicemail(mailbox(number))
    await call.dial(ext(number))
"""
TONE, OTHER_TONE = 440, 600
KILLS = count(2, 50)
SPEAKING = 3  # seconds

# A relay that refuses the first so many recipients, and writes what it then gets into files.
RELAY = """
import sys
from io import BytesIO
from pathlib import Path
from twisted.internet import endpoints, reactor
from twisted.internet.defer import succeed
from twisted.mail import smtp
from zope.interface import implementer

folder, port, refusals = Path(sys.argv[1]), int(sys.argv[2]), [int(sys.argv[3])]


@implementer(smtp.IMessage)
class Letter:
    def __init__(self):
        self.lines = []

    def lineReceived(self, line):
        self.lines.append(line)

    def eomReceived(self):
        number = len(list(folder.glob("*.eml")))
        (folder / "coming").write_bytes(b"\\n".join(self.lines))
        (folder / "coming").rename(folder / f"{number}.eml")
        return succeed(None)

    def connectionLost(self):
        pass


@implementer(smtp.IMessageDelivery)
class Delivery:
    def receivedHeader(self, helo, origin, recipients):
        return b"Received: by the test"

    def validateFrom(self, helo, origin):
        return origin

    def validateTo(self, user):
        if refusals[0] > 0:
            refusals[0] -= 1
            print("refused", flush=True)
            raise smtp.SMTPBadRcpt(user)
        return Letter


class Factory(smtp.SMTPFactory):
    protocol = smtp.SMTP

    def buildProtocol(self, address):
        protocol = smtp.SMTPFactory.buildProtocol(self, address)
        protocol.delivery = Delivery()
        return protocol


endpoints.TCP4ServerEndpoint(reactor, port, interface="127.0.0.1").listen(Factory())
print("ready", flush=True)
reactor.run()
"""


class VoicemailExchange(Exchange):
    """An exchange whose `[voicemail]` is as a test wants it."""

    def __init__(self, options: str = "", database: str = "sqlite:///pbx.db") -> None:
        super().__init__(DIALPLAN, ["1001", "1002"], database=database)
        self.config.write_text(self.config.read_text() + f"\n[voicemail]\nsilence = 10\n{options}\n")

    @property
    def voicemail(self) -> Path:
        return self.folder / "voicemail"

    def messages(self) -> list[dict[str, Any]]:
        return self.ask("voicemail", "list")

    def files(self) -> list[str]:
        """All files of messages."""
        return sorted(str(path.relative_to(self.voicemail)) for path in self.voicemail.glob("*/*.*"))


@pytest.fixture
def exchange() -> Iterator[VoicemailExchange]:
    with VoicemailExchange() as running:
        yield running


def phone(exchange: Exchange, number: str, folder: Path, tone: int = TONE, **features: Any) -> Baresip:
    made = Baresip(number, password(number), exchange.address, folder / number, tone=tone, **features)
    eventually(lambda: made.registered, within=10)
    return made


def phone_with_a_lamp(exchange: Exchange, number: str, folder: Path) -> Baresip:
    """A phone that subscribes to its messages.

    Every other time baresip 1.0 does so without end, as fast as it can, and listens to nobody any more: when its
    registration is faster than a timer of that module. Such a one is put away.
    """
    for attempt in range(10):
        made = Baresip(
            number, password(number), exchange.address, folder / f"{number}-{attempt}", tone=OTHER_TONE, has_lamp=True
        )
        if made.answers:
            return made
        made.vanish()
    raise AssertionError("ten phones did nothing but subscribe")


def recording(exchange: VoicemailExchange, seconds: float) -> bool:
    """Whether a message is being recorded, and so long already."""
    return any(path.stat().st_size > seconds * RATE for path in exchange.voicemail.glob("*/*.part"))


def leave(exchange: VoicemailExchange, caller: Baresip, number: str = "21002") -> None:
    """Call a mailbox, speak for some seconds, and hang up."""
    before = len(exchange.messages())
    caller.forget()
    caller.dial(number)
    eventually(lambda: recording(exchange, SPEAKING), within=30)
    caller.hang_up()
    eventually(lambda: len(exchange.messages()) == before + 1, within=5)


@pytest.mark.timeout(180)
def test_message_is_left_shown_heard_and_deleted(exchange: VoicemailExchange, tmp_path: Path) -> None:
    with phone(exchange, "1001", tmp_path) as alice, phone_with_a_lamp(exchange, "1002", tmp_path) as bob:
        # What it was told when it subscribed may have come before we could see its events: only a change is sure.
        assert bob.lamp != "yes"
        leave(exchange, alice)
        assert eventually(lambda: bob.lamp == "yes", within=10)
        bob.dial("*97")
        bob.sees("CALL_ESTABLISHED")
        bob.press("1")
        eventually(lambda: bob.heard(TONE)[-1] >= SPEAKING - 1, within=40)
        bob.press("7")
        assert eventually(lambda: bob.lamp == "no", within=10)
        bob.hang_up()
        eventually(lambda: exchange.messages() == [], within=5)
        eventually(lambda: exchange.files() == [], within=5)


@pytest.mark.timeout(180)
def test_a_call_goes_from_a_phone_to_voicemail_and_back(exchange: VoicemailExchange, tmp_path: Path) -> None:
    with phone(exchange, "1001", tmp_path) as alice, phone(exchange, "1002", tmp_path, OTHER_TONE) as bob:
        alice.dial("31002")
        for conversation in (1, 2):
            bob.sees("CALL_INCOMING", within=15)
            bob.accept()
            eventually(lambda: len(bob.heard(TONE)) == conversation and bob.heard(TONE)[-1] >= 1, within=10)  # noqa: B023
            # One call of hers, one recording: what she hears of him grows with each conversation.
            eventually(lambda: alice.heard(OTHER_TONE)[0] >= conversation, within=10)  # noqa: B023
            bob.hang_up()
            bob.sees("CALL_CLOSED")
            bob.forget()
            if conversation == 1:
                eventually(lambda: recording(exchange, SPEAKING), within=30)
                heard = alice.heard(OTHER_TONE)[0]
                alice.press("#1")
        [message] = eventually(exchange.messages, within=5)
        path = exchange.voicemail / "1002" / f"{message['id']}.wav"
        assert amplitude(ULAW.decode(load(path)[2000:6000]), TONE) > 3000
        assert alice.heard(OTHER_TONE)[0] >= heard + 1
        alice.hang_up()


@pytest.mark.timeout(180)
def test_message_comes_by_email_once_the_relay_takes_it(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "relay").mkdir()
    relay = [sys.executable, "-c", RELAY, str(tmp_path / "relay"), str(port)]
    with VoicemailExchange(f'smtp = "127.0.0.1:{port}"\nsender = "pbx@example.com"') as exchange:
        exchange.command("mailbox", "set", "1002", "--email", "bob@example.com")
        with phone(exchange, "1001", tmp_path) as alice, Process([*relay, "1"], tmp_path / "refusing.log") as refusing:
            eventually(lambda: "ready" in refusing.output(), within=10)
            leave(exchange, alice)
            eventually(lambda: "refused" in refusing.output(), within=20)
            eventually(lambda: exchange.log().count("e-mails cannot be sent") == 1, within=5)
        assert [row["email"] for row in exchange.messages()] == ["waiting"]
        # The next try would be in a minute: a restart tries at once.
        exchange.stop()
        with Process([*relay, "0"], tmp_path / "taking.log") as taking:
            eventually(lambda: "ready" in taking.output(), within=10)
            exchange.start()
            [path] = eventually(lambda: list((tmp_path / "relay").glob("*.eml")), within=20)
            eventually(lambda: [row["email"] for row in exchange.messages()] == ["sent"], within=5)
    letter = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert (letter["To"], letter["From"]) == ("bob@example.com", "pbx@example.com")
    assert letter["Subject"].startswith("Voice message from 1001 (0:0")
    [attachment] = letter.iter_attachments()
    assert attachment.get_content_type() == "audio/wav"
    with wave.open(BytesIO(attachment.get_content())) as sound:
        assert (sound.getframerate(), sound.getsampwidth(), sound.getnchannels()) == (8000, 2, 1)
        assert amplitude(sound.readframes(sound.getnframes())[8000:32000], TONE) > 3000


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("empty_url", ["sqlite", "postgresql"] if FULL else ["sqlite"], indirect=True)
def test_kills_lose_no_message_and_leave_no_orphan(empty_url: str, tmp_path: Path) -> None:
    moments = random.Random(1)
    with VoicemailExchange(database=empty_url) as exchange, phone(exchange, "1001", tmp_path) as alice:
        kept: set[str] = set()
        for _ in range(KILLS):
            leave(exchange, alice)
            alice.forget()
            alice.dial("21002")
            eventually(lambda: recording(exchange, 1 + 3 * moments.random()), within=30)
            known = {row["id"] for row in exchange.messages()}
            assert kept <= known
            # One is deleted at the moment of the kill, and one is recorded: the first may be gone, the second is kept.
            doomed = moments.choice(sorted(known))
            pbx = Path(exchange.argv[0]).with_name("pbx")
            argv = [pbx, "--config", exchange.config, "voicemail", "remove", doomed]
            deleting = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            eventually(lambda deleting=deleting: deleting.poll() is not None or moments.random() < 0.05, within=10)
            exchange.kill()
            deleting.wait()
            alice.hang_up()
            exchange.start()
            now = {row["id"] for row in exchange.messages()}
            assert known - {doomed} <= now  # nothing finished is lost
            assert len(now - known) == 1  # what was just being recorded is kept
            assert exchange.files() == sorted(f"1002/{id}.wav" for id in now)  # nothing is orphaned
            kept = now
        for name in exchange.files():
            assert amplitude(ULAW.decode(load(exchange.voicemail / name)[2000:6000]), TONE) > 3000


@pytest.mark.timeout(180)
def test_message_ends_where_the_disk_is_full_and_calls_go_on(tmp_path: Path) -> None:
    with VoicemailExchange("max_seconds = 60") as exchange:
        limit = subprocess.run(
            ["prlimit", f"--pid={exchange.pid}", "--fsize=40000:"], capture_output=True, text=True, check=False
        )
        assert limit.returncode == 0, limit.stderr
        with phone(exchange, "1001", tmp_path) as alice:
            alice.dial("21002")
            eventually(lambda: "ends here: File too large" in exchange.log(), within=40)
            alice.hang_up()
            assert exchange.status()["calls"] in (0, 1)
        # The message is there as far as it came; the database's file is larger than any may grow now.
        subprocess.run(["prlimit", f"--pid={exchange.pid}", "--fsize=unlimited:"], check=True)
        [message] = eventually(exchange.messages, within=10)
        assert message["seconds"] >= 2
        exchange.kill()  # it has complained, as it should
