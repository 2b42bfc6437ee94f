"""baresip as a desk phone: a process with one account, a tone as its microphone and a recording of each call.

Facts about baresip 1.0 that this file knows: `net_interface` must be an address, or SDP names another interface;
`aufile` plays its file once, so the file is longer than any test; the module stdio would spin when standard input
is at its end, so it is not loaded; an early REGISTER_OK comes before anybody can listen, so registration is asked
for; in-call commands exist only while there is a call; what it dials gets the transport of its account as a second one;
it registers flows (RFC 5626) only through outbound proxies, two at most; recordings carry the time in whole seconds as
their name, and end for good when the call is put on hold, from whichever end: its filters are not brought back (its
issue 1496), though it hears and speaks again.
"""

from __future__ import annotations

import json
import re
import socket
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Self

from tests.eventually import eventually
from tests.phones.network import Network
from tests.phones.process import Process, free_port
from tests.phones.tone import tone_seconds, write_tone
from tests.programs import program

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_TEXT = re.compile(r"\nMESSAGE sip:.*?\nCall-ID: (\S+)\n.*?\n\n(.*?)\x1b", re.DOTALL)
_MODULES = "/usr/lib/baresip/modules"
_CONFIG = """\
poll_method epoll
sip_listen {host}:{sip_port}
net_interface {host}
call_local_timeout 120
call_max_calls 4
audio_source aufile,{folder}/tone.wav
audio_player aubridge,ear{number}
audio_alert aubridge,bell{number}
audio_level no
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
rtp_ports 30000-32000
rtcp_mux no
jitter_buffer_delay 1-5
snd_path {folder}/calls
module_path {modules}
module g711.so
module srtp.so
module aufile.so
module aubridge.so
module sndfile.so
module_tmp uuid.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control_port}
"""
_ACCOUNT = (
    "<sip:{number}@{server};transport={transport}>{outbound};auth_user={number};auth_pass={password};regint={interval};"
    "audio_codecs=PCMU,PCMA;answermode=manual{srtp}\n"
)


def _flows(proxies: tuple[str, ...]) -> str:
    names = ("outbound", "outbound2")
    ways = "".join(f';{name}="{proxy}"' for name, proxy in zip(names, proxies, strict=False))
    return f";sipnat=outbound{ways}" if ways else ""


class Baresip:
    """One phone.

    :param number: the extension it registers as.
    :param password: its password.
    :param server: "address:port" of the exchange.
    :param folder: where its files go; made here.
    :param tone: what it sends in every call, Hz.
    :param interval: seconds for which it registers; 0: it does not register.
    :param transport: "udp", "tcp" or "tls".
    :param outbound: "address:port" of the proxy through which it sends all that it sends, over UDP; "": there is none.
    :param srtp: "srtp-mand" where its sound is SRTP, "srtp" where it is that with those who can; "": never.
    :param has_lamp: whether it subscribes to its voice messages.
    :param colleague: the number whose presence it watches, and to whom it writes; "": nobody's.
    :param network: where it is; None: on loopback.
    :param flows: URIs of outbound proxies, through each of which it registers one flow; (): it manages none.
    """

    def __init__(
        self,
        number: str,
        password: str,
        server: str,
        folder: Path,
        *,
        tone: int = 440,
        interval: int = 3600,
        transport: str = "udp",
        outbound: str = "",
        flows: tuple[str, ...] = (),
        srtp: str = "",
        has_lamp: bool = False,
        colleague: str = "",
        network: Network | None = None,
    ) -> None:
        self.number = number
        self.server = server
        self.folder = folder
        self.events: list[dict[str, Any]] = []
        self._replies: list[str] = []
        self._received = b""
        self._network = network
        self.sip_port = free_port()
        control_port = free_port()
        (folder / "calls").mkdir(parents=True)
        write_tone(folder / "tone.wav", tone, seconds=120)
        (folder / "config").write_text(
            _CONFIG.format(
                host=network.address if network else "127.0.0.1",
                sip_port=self.sip_port,
                folder=folder,
                number=number,
                modules=_MODULES,
                control_port=control_port,
            )
            + ("module_app mwi.so\n" if has_lamp else "")
            + ("module_app contact.so\nmodule_app presence.so\n" if colleague else "")
        )
        (folder / "accounts").write_text(
            _ACCOUNT.format(
                number=number,
                server=server,
                password=password,
                interval=interval,
                transport=transport,
                srtp=f";mediaenc={srtp}" if srtp else "",
                outbound=f";outbound=sip:{outbound}" if outbound else _flows(flows),
            )
        )
        contact = f'"{colleague}" <sip:{colleague}@{server}>;presence=p2p\n' if colleague else ""
        (folder / "contacts").write_text(contact)
        (folder / "uuid").write_text(f"00000000-0000-4000-8000-{int(number):012d}")
        # It shows texts to nobody but a user interface, of which it has none: its trace has them.
        traces = ["-s"] if colleague else []
        self.process = Process([program("baresip"), *traces, "-f", folder], folder / "log", network=network)
        try:
            eventually(lambda: self._connect(control_port), within=10)
        except BaseException:
            self.process.stop()
            raise

    def _connect(self, port: int) -> bool:
        assert self.process.status is None, self.process.tail()
        try:
            with self._network.entered() if self._network else nullcontext():
                self._control = socket.create_connection(("127.0.0.1", port), timeout=1)
        except OSError:
            return False
        self._control.setblocking(False)
        return True

    # What its user does.

    def dial(self, number: str) -> None:
        """Calls a number of the exchange."""
        self.order("dial", f"sip:{number}@{self.server}")

    def accept(self) -> None:
        self.order("accept")

    def hang_up(self) -> None:
        """Ends the call; while the phone still rings, this refuses it with 486."""
        self.order("hangup")

    def press(self, keys: str) -> None:
        """Presses keys, as telephone-event."""
        for key in keys:
            self.order("sndcode", key)

    def write(self, text: str) -> None:
        """Sends text to the colleague."""
        self.order("message", text)

    # What its user sees and hears.

    @property
    def presence(self) -> str:
        """What it shows of the colleague: "Unknown", "Online" or "Offline"."""
        found = re.search(r"> +(\w+) ", self.order("contacts"))
        return found[1] if found else ""

    @property
    def texts(self) -> list[str]:
        """What others have written to it, each once, in the order in which it came; with a colleague only."""
        found = _TEXT.findall((self.folder / "log").read_bytes().decode(errors="replace").replace("\r\n", "\n"))
        return list(dict(found).values())

    @property
    def registered(self) -> bool:
        return " OK " in self.order("reginfo")

    @property
    def answers(self) -> bool:
        """It does what it is told, and is registered."""
        try:
            return bool(eventually(lambda: " OK " in self.order("reginfo", within=2), within=10))
        except AssertionError:
            return False

    @property
    def refused(self) -> bool:
        """The exchange would not register it."""
        return " ERR " in self.order("reginfo")

    @property
    def lamp(self) -> str:
        """What its lamp for voice messages shows, "yes" or "no"; "" while nobody has told it."""
        self._read()
        bodies = [str(seen.get("param", "")) for seen in self.events if seen["type"] == "MWI_NOTIFY"]
        found = re.match(r"Messages-Waiting: (yes|no)", bodies[-1]) if bodies else None
        return found[1] if found else ""

    @property
    def keys(self) -> str:
        """The keys that it was told of since it forgot, in RTP or by INFO."""
        self._read()
        return "".join([str(seen.get("param", "")) for seen in self.events if seen["type"] == "CALL_DTMF_START"])

    @property
    def idle(self) -> bool:
        """Has no call, not even a ringing one."""
        return "Active calls (0)" in self.order("listcalls")

    def saw(self, event: str) -> dict[str, Any]:
        """The first event of this type (CALL_INCOMING, CALL_ESTABLISHED, ...) not yet forgotten; {}: none."""
        self._read()
        return next((seen for seen in self.events if seen["type"] == event), {})

    def sees(self, event: str, within: float = 5) -> str:
        """Waits for an event and returns its parameter, for CALL_CLOSED the status and reason.

        :raises AssertionError: it did not come; the message has what came instead and the end of the log.
        """
        try:
            return str(eventually(lambda: self.saw(event), within=within).get("param", ""))
        except AssertionError:
            seen = [(other["type"], other.get("param", "")) for other in self.events]
            raise AssertionError(f"{self.number} saw no {event}, but {seen}\n{self.process.tail()}") from None

    def forget(self) -> None:
        """Forgets the events so far, so that the next call's are waited for."""
        self._read()
        self.events.clear()

    @property
    def recordings(self) -> list[Path]:
        """What it heard, call by call."""
        return sorted((self.folder / "calls").glob("*-dec.wav"))

    def heard(self, frequency: int) -> list[float]:
        """Seconds of a tone that it heard, call by call."""
        return [tone_seconds(path, frequency) for path in self.recordings]

    def heard_among(self, frequency: int, others: int) -> float:
        """Seconds of its last call in which it heard a tone together with so many others, each as loud."""
        return tone_seconds(self.recordings[-1], frequency, 0.7 / (1 + others))

    # How it is told.

    def order(self, command: str, words: str = "", within: float = 20) -> str:
        """Gives baresip a command, as its menu knows it, and returns its reply."""
        order = json.dumps({"command": command, "params": words}).encode()
        self._control.sendall(b"%d:%s," % (len(order), order))
        return eventually(self._reply, within=within)[0]

    def _reply(self) -> list[str]:
        self._read()
        replies, self._replies = self._replies, []
        return replies

    def _read(self) -> None:
        """Takes what baresip has sent: netstrings of JSON, either the reply to an order or an event."""
        try:
            while chunk := self._control.recv(65536):
                self._received += chunk
        except BlockingIOError:
            pass
        while (colon := self._received.find(b":")) > 0:
            end = colon + 1 + int(self._received[:colon])
            if len(self._received) <= end:
                return
            told = json.loads(self._received[colon + 1 : end])
            self._received = self._received[end + 1 :]
            if told.get("response"):
                self._replies.append(_COLOUR.sub("", told.get("data") or ""))
            else:
                self.events.append(told)

    def vanish(self) -> None:
        """Loses its power: nobody hears of it."""
        self._control.close()
        self.process.kill()

    def close(self) -> None:
        """Ends the process, which takes its registration back first, if the exchange still answers."""
        self._control.close()
        self.process.stop(within=1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
