"""What says any text: espeak-ng, a program of its own, where it is installed. It is bounded in time, size and number.

What it makes is brought to our rate in a thread: a long text would hold up everybody.
"""

from __future__ import annotations

import shutil
from typing import Any

from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.error import ProcessDone
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

from pbx.media import wav
from pbx.media.g711 import ULAW
from pbx.media.library import NoSound
from pbx.media.wav import NotWave
from pbx.sip.timers import Timer

PROGRAM = "espeak-ng"
AT_ONCE = 2  # processes
LONGEST = 10.0  # seconds that one may take
LARGEST = 8 * 2**20  # bytes that one may make: three minutes
REMEDY = "try the text with espeak-ng by hand"


class Espeak:
    """espeak-ng (`pbx.media.library.Synthesiser`).

    :param reactor: Twisted's.
    :param program: its path.
    :param voice: as `espeak-ng --voices` names it.
    """

    def __init__(self, reactor: Any, program: str, voice: str = "en-us") -> None:
        self._reactor = reactor
        self._program = program
        self._voice = voice
        self._turns = DeferredSemaphore(AT_ONCE)

    def synthesise(self, text: str) -> Deferred[bytes]:
        """Fires with mu-law, or fails with NoSound."""
        return self._turns.run(self._synthesise, text)

    def _synthesise(self, text: str) -> Deferred[bytes]:
        speech = Speech(self._reactor, text)
        arguments = [self._program, "-v", self._voice, "--stdin", "--stdout"]
        try:
            self._reactor.spawnProcess(speech, self._program, arguments, env=None)
        except OSError as error:
            speech.fail(f"espeak-ng cannot be started: {error.strerror}")
        return speech.done.addCallback(self._convert)

    def _convert(self, content: bytes) -> Deferred[bytes]:
        return deferToThreadPool(self._reactor, self._reactor.getThreadPool(), _mulaw, content)


class Speech(ProcessProtocol):
    """One run of it.

    :ivar done: fires with a WAV file, or fails with NoSound.
    """

    def __init__(self, reactor: Any, text: str) -> None:
        self.done: Deferred[bytes] = Deferred()
        self._reactor = reactor
        # What a phone calls itself need not be UTF-8.
        self._text = text.encode("utf-8", "replace")
        self._made = bytearray()
        self._fault = ""
        self._timer: Timer | None = None

    def connectionMade(self) -> None:
        """It runs."""
        self._timer = self._reactor.callLater(LONGEST, self._overdue)
        process: Any = self.transport
        process.write(self._text)
        process.closeStdin()

    def outReceived(self, data: bytes) -> None:
        """It made some sound."""
        self._made += data
        if len(self._made) > LARGEST:
            self._kill("espeak-ng made more sound than anybody hears")

    def processEnded(self, reason: Failure) -> None:
        """It is over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._fault or not isinstance(reason.value, ProcessDone):
            self.fail(self._fault or f"espeak-ng failed: {reason.getErrorMessage()}")
        else:
            self.done.callback(bytes(self._made))

    def fail(self, what: str) -> None:
        """Nothing will be heard."""
        self.done.errback(NoSound(what, REMEDY))

    def _overdue(self) -> None:
        self._timer = None
        self._kill(f"espeak-ng took more than {LONGEST:g} s")

    def _kill(self, fault: str) -> None:
        if not self._fault:
            self._fault = fault
            process: Any = self.transport
            process.signalProcess("KILL")


def found(reactor: Any) -> Espeak | None:
    """espeak-ng, where it is installed."""
    program = shutil.which(PROGRAM)
    return Espeak(reactor, program) if program is not None else None


def _mulaw(content: bytes) -> bytes:
    try:
        return ULAW.encode(wav.read(content))
    except NotWave as error:
        raise NoSound(f"espeak-ng made no sound: {error.why}", REMEDY) from None
