"""linphonec as a desk phone: a process that is told what to do by lines, with files as its sound card.

Facts about linphonec 5.1 that this file knows: it keeps a database in its home, so each has a home of its own; the
`realm` of its account must be the one in the challenge; a port of 0 turns a transport off, -1 takes a free one; it has
no port of audio of its own choosing; one file takes what it hears in all calls, at the rate of the codec, and its
header tells of each after its end; who is on hold hears its tone.
"""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import Self

from tests.eventually import eventually
from tests.phones.network import Network
from tests.phones.process import Process, free_port
from tests.phones.tone import tone_seconds, write_tone
from tests.programs import program

_RC = """\
[sip]
bind_address={host}
sip_port={udp}
sip_tcp_port={tcp}
sip_tls_port={tls}
root_ca={authority}
verify_server_certs=1
verify_server_cn=0
use_ipv6=0
guess_hostname=0
contact=sip:{number}@{host}
use_info={info}
use_rfc2833={events}
register_only_when_network_is_up=0
default_proxy=0
media_encryption={encryption}
media_encryption_mandatory={mandatory}
[rtp]
audio_rtp_port={rtp}
[sound]
echocancellation=0
[proxy_0]
reg_proxy=<sip:{server};transport={transport}>
reg_identity=sip:{number}@{server}
reg_expires=600
reg_sendregister=1
publish=0
[auth_info_0]
username={number}
passwd={password}
realm={realm}
domain={server}
[misc]
max_calls={calls}
"""
_PLAIN = """\
add_missing_audio_codecs=0
[audio_codec_0]
mime=PCMU
rate=8000
channels=1
enabled=1
"""
_OBEDIENT = Path(__file__).with_name("obedient.py")
_RATE = 48_000  # of its recordings


class Linphone:
    """One phone.

    :param number: the extension it registers as.
    :param password: its password.
    :param server: "address:port" of the exchange, where it listens over that transport.
    :param realm: the realm of the exchange.
    :param folder: where its files go, and its home; made here.
    :param tone: what it sends in every call, Hz.
    :param transport: "udp", "tcp" or "tls".
    :param info: whether it tells of keys by INFO, and not as telephone-event.
    :param has_events: whether it knows telephone-event.
    :param srtp: whether its sound is SRTP, and no other is taken.
    :param network: where it is; None: on loopback.
    :param calls: in how many it may be at once; it is busy for more.
    :param plain: whether it has no codec but PCMU: then its recording can be read while the call goes on.
    :param obeys: whether it answers by itself when asked to: then it can be told no more than to play, record and quit.
    :param authority: the certificates that it believes over TLS.
    """

    def __init__(
        self,
        number: str,
        password: str,
        server: str,
        realm: str,
        folder: Path,
        *,
        tone: int = 440,
        transport: str = "udp",
        authority: Path = Path("/dev/null"),
        info: bool = False,
        has_events: bool = True,
        srtp: bool = False,
        calls: int = 10,
        plain: bool = False,
        obeys: bool = False,
        network: Network | None = None,
    ) -> None:
        self.number = number
        self._plain = plain
        self._recording = folder / "heard.wav"
        for place in (".local/share/linphone", ".config/linphone"):
            (folder / place).mkdir(parents=True)
        write_tone(folder / "tone.wav", tone, seconds=60)
        ports = {"udp": 0, "tcp": 0, "tls": 0, transport: free_port() if transport == "udp" else -1}
        (folder / "rc").write_text(
            _RC.format(
                **ports,
                host=network.address if network else "127.0.0.1",
                authority=authority,
                number=number,
                server=server,
                transport=transport,
                password=password,
                realm=realm,
                info=int(info),
                events=int(has_events and not info),
                encryption="srtp" if srtp else "none",
                mandatory=int(srtp),
                rtp=free_port(),
                calls=calls,
            )
            + (_PLAIN if plain else "")
        )
        home = {
            "HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder / ".config"),
            "XDG_DATA_HOME": str(folder / ".local" / "share"),
        }
        linphonec = program("linphonec")
        self.process = Process(
            [sys.executable, _OBEDIENT, "-c", folder / "rc"] if obeys else [linphonec, "-c", folder / "rc", "-S"],
            folder / "log",
            environ=home,
            listens=True,
            network=network,
        )
        self._read = 0
        self._asked = 0.0
        for order in ("soundcard use files", f"play {folder / 'tone.wav'}", f"record {self._recording}"):
            self.process.tell(order)

    # What its user does.

    def dial(self, number: str) -> None:
        """Calls a number of the exchange."""
        self.process.tell(f"call {number}")

    def accept(self) -> None:
        self.process.tell("answer")

    def hang_up(self) -> None:
        self.process.tell("terminate")

    def redirect(self, call: int, target: str) -> None:
        """Sends a call that rings elsewhere (302).

        :param call: which of its calls, which it numbers from 1.
        :param target: a URI.
        """
        self.process.tell(f"redirect {call} {target}")

    def press(self, keys: str) -> None:
        """Presses keys, as telephone-event or by INFO."""
        for key in keys:
            self.process.tell(key)

    def speak(self, sound: Path) -> None:
        """From the next call on its microphone hears this WAV file, once."""
        self.process.tell(f"play {sound}")

    def pause(self) -> None:
        """Puts the present call on hold."""
        self.process.tell("pause")

    def resume(self, call: int) -> None:
        """Takes a call up again that it has put on hold, and which it numbers from 1."""
        self.process.tell(f"resume {call}")

    def connect(self, call: int, other: int) -> None:
        """Connects those with each other whom it talks to in two of its calls, which it numbers from 1."""
        self.process.tell(f"transfer {call} --to-call {other}")

    # What its user sees and hears.

    @property
    def registered(self) -> bool:
        """Whether it says so. It is asked twice a second at most, and answers a little later."""
        if time.monotonic() > self._asked + 0.5:
            self._asked = time.monotonic()
            self.process.tell("status register")
        return "registered, identity" in self.process.output()

    @property
    def keys(self) -> str:
        """The keys that it was told of, in RTP or by INFO."""
        return "".join(re.findall(r"Receiving tone (\S)", self.process.output()))

    def sees(self, words: str, within: float = 5) -> None:
        """Waits until it writes something that matches, after what was waited for last.

        :raises AssertionError: it did not come; the message has the end of its log.
        """

        def seen() -> bool:
            found = re.compile(words).search(self.process.output(), self._read)
            if found:
                self._read = found.end()
            return found is not None

        try:
            eventually(seen, within)
        except AssertionError:
            raise AssertionError(f"{self.number} did not see /{words}/\n{self.process.tail()}") from None

    def heard(self, frequency: int) -> float:
        """Seconds of a tone that it heard, in all calls that are over; when it is `plain`, in the present one, too."""
        return tone_seconds(self._recording, frequency, whole=not self._plain) if self._recording.exists() else 0.0

    def close(self) -> None:
        """Ends the process, which takes its registration back first, if the exchange still answers."""
        self.process.tell("quit")
        try:
            self.process.wait(3)
        except AssertionError:
            pass
        self.process.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
