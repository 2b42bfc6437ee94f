"""rtpengine's ng protocol, as much of it as a relay needs: datagrams of a cookie and a JSON object, asked and answered.

What is not answered is asked again under the same cookie, which the daemon answers again without doing it twice. An
instance that stays silent is asked for nothing but a sign of life until it gives one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger
from twisted.python.failure import Failure

from pbx.media.errors import NoPorts
from pbx.sip.identifiers import Identifiers
from pbx.sip.timers import Clock, Timer

Address = tuple[str, int]
RESENDS = (0.25, 0.5, 1.0, 1.0)  # seconds; all of it is less than a caller waits for a sign of life
PING = 5.0  # seconds between two signs of life
_LARGEST = 65535


class Silent(NoPorts):
    """An instance did not answer."""


class Refused(NoPorts):
    """An instance answered that it will not."""


class Question:
    """A command that waits for its answer.

    :ivar answered: fires with the answer.
    """

    __slots__ = ("_left", "_timer", "address", "answered", "datagram")

    def __init__(self, address: Address, datagram: bytes) -> None:
        self.address = address
        self.datagram = datagram
        self.answered: Deferred[dict[str, Any]] = Deferred()
        self._left = list(RESENDS)
        self._timer: Timer | None = None

    def wait(self, clock: Clock, again: Callable[[], None]) -> bool:
        """Wait for the answer, a little longer each time; False when that was long enough."""
        if not self._left:
            self._timer = None
            return False
        self._timer = clock.callLater(self._left.pop(0), again)
        return True

    def over(self) -> None:
        """It is answered, or of no interest any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Instance:
    """One rtpengine.

    :ivar alive: whether it answers, as far as is known.
    """

    __slots__ = ("address", "alive")

    def __init__(self, address: Address) -> None:
        self.address = address
        self.alive = True

    def __str__(self) -> str:
        host = f"[{self.address[0]}]" if ":" in self.address[0] else self.address[0]
        return f"{host}:{self.address[1]}"


class Instances:
    """All of them.

    :param send: sends a datagram.
    :ivar all: in the order of the configuration.
    """

    log = Logger(namespace="pbx.media")

    def __init__(
        self,
        clock: Clock,
        identifiers: Identifiers,
        addresses: Sequence[Address],
        send: Callable[[bytes, Address], None],
    ) -> None:
        self.all = [Instance(address) for address in addresses]
        self._clock = clock
        self._identifiers = identifiers
        self._send = send
        self._questions: dict[bytes, Question] = {}
        self._next = 0
        self._ping: Timer | None = None

    def start(self) -> None:
        """Look after them from now on."""
        self._ping = self._clock.callLater(PING, self.start)
        for instance in self.all:
            self.ask(instance, {"command": "ping"}).addErrback(_noted)

    def stop(self) -> None:
        """Ask nothing any more; what waits is never answered."""
        if self._ping is not None:
            self._ping.cancel()
            self._ping = None
        for question in self._questions.values():
            question.over()
        self._questions.clear()

    def choose(self, tried: Sequence[Instance] = ()) -> Instance | None:
        """The instance for a new call, each in its turn; None when none is left.

        :param tried: those that have failed.
        """
        for _ in self.all:
            instance = self.all[self._next % len(self.all)]
            self._next += 1
            if instance.alive and instance not in tried:
                return instance
        return None

    def ask(self, instance: Instance, command: dict[str, Any]) -> Deferred[dict[str, Any]]:
        """Ask an instance. Fires with its answer; fails with `Silent` or `Refused`."""
        cookie = self._identifiers.token().encode()
        datagram = cookie + b" " + json.dumps(command).encode()
        if len(datagram) > _LARGEST:
            return fail(Refused("a description is too long for rtpengine"))
        self._questions[cookie] = question = Question(instance.address, datagram)
        self._ask(cookie, question, instance)
        return question.answered

    def received(self, datagram: bytes, address: Address) -> None:
        """Something came; what nobody has asked for is dropped."""
        cookie, _, body = datagram.partition(b" ")
        question = self._questions.get(cookie)
        if question is None or question.address != address[:2]:
            return
        answer = _object(body)
        if answer is None:
            return  # perhaps the answer to the next repetition can be read
        question.over()
        del self._questions[cookie]
        self._lives(next(instance for instance in self.all if instance.address == question.address), True)
        result = answer.get("result")
        if result in ("ok", "pong"):
            question.answered.callback(answer)
        else:
            why = str(answer.get("error-reason") or result)
            question.answered.errback(Refused(f"rtpengine refuses: {why[:100]}"))

    def _ask(self, cookie: bytes, question: Question, instance: Instance) -> None:
        if question.wait(self._clock, lambda: self._ask(cookie, question, instance)):
            self._send(question.datagram, question.address)
            return
        del self._questions[cookie]
        self._lives(instance, False)
        question.answered.errback(Silent(f"rtpengine at {instance} does not answer"))

    def _lives(self, instance: Instance, alive: bool) -> None:
        if instance.alive is not alive:
            instance.alive = alive
            self.log.warn("rtpengine at {at} {what}", at=str(instance), what="answers" if alive else "does not answer")


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _noted(failure: Failure) -> dict[str, Any]:
    """Whether an instance answers is noted where its answers come in."""
    if not isinstance(failure.value, NoPorts):
        raise reason_of(failure)
    return {}


def reason_of(failure: Failure) -> BaseException:
    """What failed, to be raised again."""
    assert failure.value is not None
    return failure.value
