from __future__ import annotations

import os
import resource
import sys

import pytest
from twisted.logger import capturedLogs, formatEvent

from pbx import config, relaying
from pbx.faults import Fault
from pbx.media import native, srtp
from pbx.media.ng import Instances
from pbx.sip.identifiers import Identifiers
from pbx.testing.clock import VirtualClock
from tests.media.loopback import Turns

needs_native = pytest.mark.skipif(not native.is_there(), reason="the native relay is not built")


def configured(text: str) -> config.Config:
    return config.parse(f"[media]\n{text}\n", "pbx.toml")


@pytest.fixture
def unbuilt(monkeypatch: pytest.MonkeyPatch) -> None:
    """There was no compiler when we were installed."""
    monkeypatch.setattr(native, "_native", None)


def used(text: str) -> tuple[str, list[str]]:
    """What forwards with this configuration, and what the log says of it. Nothing is left."""
    turns = Turns()
    with capturedLogs() as events:
        sockets = relaying.sockets(configured(text), turns, sys.maxsize)
    said = relaying.described(sockets)
    sockets.close()
    assert not turns.readers
    return said, [formatEvent(event) for event in events]


@needs_native
@pytest.mark.parametrize("name", ["auto", "native"])
def test_native_threads_are_taken_where_they_were_built(name: str) -> None:
    assert used(f'engine = "{name}"') == (f"native:{len(os.sched_getaffinity(0))}", [])
    assert used(f'engine = "{name}"\nthreads = 3') == ("native:3", [])


def test_python_is_taken_where_that_is_said() -> None:
    assert used('engine = "python"') == ("python", [])


def test_without_a_native_relay_python_is_taken_and_that_is_said_once(unbuilt: None) -> None:
    why = "RTP is forwarded in Python, at twice the cost: there was no C compiler when pbx was installed"
    assert used('engine = "auto"') == ("python", [why])


def test_a_native_relay_that_was_not_built_is_refused_where_it_is_asked_for(unbuilt: None) -> None:
    with pytest.raises(Fault) as caught:
        relaying.require(configured('engine = "native"'))
    assert 'engine is "native", and there was no C compiler when pbx was installed; install one' in str(caught.value)
    relaying.require(configured('engine = "auto"'))


@needs_native
def test_without_descriptors_for_the_threads_python_is_taken() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 8, before[1]))
        with pytest.raises(OSError, match="Too many open files"):
            while True:
                taken.append(os.dup(0))
        for _ in range(4):  # enough for the sockets' own, and for a pipe
            os.close(taken.pop())
        said, logged = used("threads = 2")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for descriptor in taken:
            os.close(descriptor)
    assert said == "python"
    assert [line.partition(":")[0] for line in logged] == ["RTP is forwarded in Python, at twice the cost"]


@pytest.mark.parametrize("mode", ["offer", "require", "pass"])
def test_srtp_that_is_asked_for_needs_its_library(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    relaying.require(configured(f'srtp = "{mode}"'))
    monkeypatch.setattr(srtp, "_library", None)
    with pytest.raises(Fault) as caught:
        relaying.require(configured(f'srtp = "{mode}"'))
    assert "pip install txpbx[srtp]" in str(caught.value)
    relaying.require(configured('srtp = "accept"'))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('engine = "rtpengine"', "nothing says where one is"),
        ('rtpengine = ["tcp:127.0.0.1:2223"]', "is not where rtpengine listens"),
        ('rtpengine = ["udp:0.0.0.0:2223"]', "is not where rtpengine listens"),
        ('rtpengine = ["udp:127.0.0.1:0"]', "is not where rtpengine listens"),
        ('rtpengine = ["udp:127.0.0.1:1", "udp:127.0.0.1:1"]', "twice"),
        ('rtpengine = "udp:127.0.0.1:1"', "not a list"),
        ('srtp = "maybe"', "accept, off, offer, require, pass"),
    ],
)
def test_nonsense_about_rtpengine_and_srtp_is_one_sentence(text: str, words: str) -> None:
    with pytest.raises(Fault) as caught:
        configured(text)
    assert words in str(caught.value)


def test_status_tells_which_instances_answer() -> None:
    turns = Turns()
    sockets = relaying.sockets(configured('engine = "rtpengine"\nrtpengine = ["udp:127.0.0.1:1"]'), turns, sys.maxsize)
    instances = Instances(VirtualClock(), Identifiers(), [("127.0.0.1", 1), ("::1", 2)], lambda datagram, address: None)
    instances.all[1].alive = False
    assert relaying.described(sockets, instances) == "rtpengine: 127.0.0.1:1 answers, [::1]:2 is silent"
    sockets.close()
