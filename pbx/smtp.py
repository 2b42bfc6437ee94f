"""SMTP: a voice message as an e-mail with its sound attached, handed to a relay by Twisted."""

from __future__ import annotations

import wave
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from pbx.config import Voicemail as Config
from pbx.features.voicemail.boxes import Aside, Voicemail
from pbx.features.voicemail.emails import Emails
from pbx.features.voicemail.mailbox import Message
from pbx.media import wav
from pbx.media.g711 import RATE, ULAW
from pbx.sip.timers import Clock

TIMEOUT = 60.0  # seconds without a sign of the relay


def emailing(config: Config, voicemail: Voicemail, reactor: Any, clock: Clock, aside: Aside) -> Emails | None:
    """Return what sends voice messages by e-mail, at work; None where nobody wants that."""
    if config.smtp is None:
        return None
    emails = Emails(voicemail, clock, SMTPRelay(reactor, aside, config.smtp, config.sender, config.smtp_tls))
    emails.start()
    return emails


class SMTPRelay:
    """A relay (`pbx.features.voicemail.emails.Relay`).

    :param aside: makes e-mails in another thread: a long message takes a tenth of a second.
    :param server: host and port.
    :param sender: the address in From.
    :param tls: whether it must speak TLS, with a certificate for its name.
    """

    def __init__(self, reactor: Any, aside: Aside, server: tuple[str, int], sender: str, tls: bool) -> None:
        self._reactor = reactor
        self._aside = aside
        self._server = server
        self._sender = sender
        self._tls = tls

    def send(self, message: Message, address: str, sound: Path) -> Deferred[None]:
        """Send one; fires when the relay has taken it, fails when it has not."""
        return self._aside(composed, message, self._sender, address, sound).addCallback(self._hand_over, address)

    def _hand_over(self, content: bytes, address: str) -> Deferred[None]:
        # Not above: this imports the reactor, which is the service's to choose.
        from twisted.mail.smtp import ESMTPSenderFactory, SMTPSenderFactory

        host, port = self._server
        done: Deferred[Any] = Deferred(lambda _: connector.disconnect())
        sender, receiver, file = self._sender.encode(), address.encode(), BytesIO(content)
        factory: Any
        if self._tls:
            factory = ESMTPSenderFactory(  # type: ignore[no-untyped-call]
                None, None, sender, receiver, file, done, retries=0, timeout=TIMEOUT, requireAuthentication=False,
                requireTransportSecurity=True, hostname=host,
            )  # fmt: skip
        else:
            factory = SMTPSenderFactory(sender, receiver, file, done, retries=0, timeout=TIMEOUT)  # type: ignore[no-untyped-call]
        factory.noisy = False
        connector = self._reactor.connectTCP(host, port, factory, timeout=TIMEOUT)
        return done.addCallback(lambda _: None)


def composed(message: Message, sender: str, address: str, sound: Path) -> bytes:
    """Make the e-mail about a message.

    The sound is PCM, which everything plays.

    :raises NotWave: there is no sound.
    """
    pcm = ULAW.decode(wav.load(sound))
    who = _plain(" ".join(filter(None, [message.caller_name, message.caller]))) or "an unknown caller"
    length = f"{int(message.seconds) // 60}:{int(message.seconds) % 60:02}"
    when = datetime.fromtimestamp(message.left_at, UTC).astimezone()
    email = EmailMessage()
    email["From"] = sender
    email["To"] = address
    email["Subject"] = f"{'Urgent voice' if message.urgent else 'Voice'} message from {who} ({length})"
    email["Date"] = format_datetime(when)
    # The same for each try, so that a second copy of one that had arrived after all is seen to be that.
    email["Message-ID"] = f"<{message.id}@{sender.rpartition('@')[2]}>"
    if message.urgent:
        email["Importance"] = "high"
    email.set_content(
        f"{who} left a message of {length} in mailbox {message.mailbox} on {when:%A, %d %B %Y at %H:%M}.\n"
        "It is attached, and can be heard by phone as well.\n"
    )
    name = f"message-{when:%Y%m%d-%H%M%S}.wav"
    email.add_attachment(_wave(pcm), maintype="audio", subtype="wav", filename=name)
    return email.as_bytes()


def _wave(pcm: bytes) -> bytes:
    file = BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, RATE, 0, "NONE", ""))
        writer.writeframes(pcm)
    return file.getvalue()


def _plain(text: str) -> str:
    """What a caller says of itself, so that it can stand in one line of a header.

    Encoded words are not left as such: `email` would decode them, line ends and all.
    """
    return "".join([letter if letter.isprintable() else "?" for letter in text])[:100].replace("=?", "= ?")
