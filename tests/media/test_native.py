"""The native relay as threads, in real time, and its sources under the sanitizers. What it does with which packet is
in `both_relays/`.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pbx.media import native, rtp
from pbx.media.native import NativeThreads
from pbx.media.sockets import SILENCE
from tests.counts import count
from tests.eventually import eventually
from tests.media.loopback import HOST, Loopback, Phone, Turns, facts
from tests.media.network import port

SOURCES = Path(__file__).parent.parent.parent / "native"
GCC, CLANG = shutil.which("gcc"), shutil.which("clang")
needs_native = pytest.mark.skipif(not native.is_there(), reason="the native relay is not built")


class Threaded(Loopback):
    """A relay whose native threads run by themselves."""

    def __init__(self) -> None:
        super().__init__(native=False)
        self.threads = self.sockets.threads = NativeThreads(self.turns, 2, SILENCE)


@pytest.fixture
def relay() -> Iterator[Threaded]:
    relay = Threaded()
    yield relay
    relay.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "rtp"]


def received(phone: Phone, number: int) -> list[bytes]:
    """So many packets, which are on their way, or more."""
    packets: list[bytes] = []

    def all_are_there() -> bool:
        packets.extend(phone.heard())
        return len(packets) >= number

    eventually(all_are_there, within=10)
    return packets


def lent(relay: Threaded) -> tuple[Phone, Phone, tuple]:
    alice, bob = relay.phone("127.0.0.11"), relay.phone("127.0.0.22")
    sides = relay.call(alice, bob)
    alice.says(port(sides[0]))
    received(bob, 1)
    assert relay.is_lent()
    return alice, bob, sides


@needs_native
def test_a_thread_passes_on_while_python_does_nothing(relay: Threaded) -> None:
    alice, bob, (caller, callee) = lent(relay)
    said = [rtp.build(bytes(160), 0, number, 160 * number, 1234) for number in range(2, 102)]
    for packet in said:
        alice.rtp.sendto(packet, (HOST, port(caller).number))
    assert received(bob, 100) == said
    bob.rtp.sendto(said[0], (HOST, port(callee).number))
    assert received(alice, 1) == said[:1]
    assert (facts(relay, caller).packets_in, facts(relay, callee).packets_in) == (101, 1)


@needs_native
def test_nothing_is_lost_or_doubled_while_a_call_goes_to_and_fro(relay: Threaded) -> None:
    for _ in range(count(1, 50)):  # one call alone would be taken for a flood
        alice, bob, (caller, callee) = lent(relay)
        said: list[bytes] = []
        got: list[bytes] = []
        for turn in range(100):
            for _ in range(5):
                said.append(rtp.build(bytes(20), 0, len(said) + 2, 0, 1234))
                alice.rtp.sendto(said[-1], (HOST, port(caller).number))
            if turn % 2:
                port(caller).recall()
            relay.turns.turn()
            # The kernel drops what is more than it keeps for a socket (some 250 packets) while a thread has to wait for
            # a processor: that is nothing that we have lost.
            got += received(bob, len(said) - len(got) - 50)
        relay.turns.turn()
        got += received(bob, len(said) - len(got))
        assert sorted(got) == sorted(said)
        assert facts(relay, caller).lost == 0
        relay.relay.close(caller)
        relay.relay.close(callee)


@needs_native
def test_what_a_thread_reports_reaches_the_call(relay: Threaded) -> None:
    alice, _, (caller, _) = lent(relay)
    for number, key in enumerate((1, 2, 11)):
        packet = rtp.build(bytes([key, 0x80, 0, 160]), 101, 5 + number, 2000 * number, 1234)
        alice.rtp.sendto(packet, (HOST, port(caller).number))

    def all_are_told() -> bool:
        relay.turns.turn()
        return len(alice.keys) == 3

    eventually(all_are_told, within=10)
    assert alice.keys == ["1", "2", "#"]


@needs_native
def test_a_key_that_was_told_just_before_the_call_is_taken_back_is_not_lost(relay: Threaded) -> None:
    alice, bob, (caller, _) = lent(relay)
    alice.rtp.sendto(rtp.build(bytes([5, 0x80, 0, 160]), 101, 5, 9000, 1234), (HOST, port(caller).number))
    received(bob, 1)
    port(caller).recall()
    assert alice.keys == []  # nobody is told in the middle of something else
    relay.turns.turn()
    assert alice.keys == ["5"]


@needs_native
def test_many_calls_leave_nothing_behind(relay: Threaded) -> None:
    lent(relay)
    relay.relay.close(relay.sides[0]), relay.relay.close(relay.sides[1])
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(count(50, 2000)):
        alice, bob, (caller, callee) = lent(relay)
        relay.relay.close(caller)
        relay.relay.close(callee)
        for phone in (alice, bob):
            phone.rtp.close()
            phone.rtcp.close()
    assert (len(os.listdir("/proc/self/fd")), relay.relay.ports_in_use) == (before, 0)


@needs_native
def test_a_thread_whose_queue_is_full_leaves_the_call_to_python() -> None:
    relay = Loopback(native=True)
    assert relay.threads is not None
    workers, ffi = relay.threads._workers, native._native.ffi
    waiting = []
    for worker in workers:
        while worker.take(path := ffi.new("struct path *")):
            for end in path.ports:
                end.rtp = end.rtcp = -1
            waiting.append((worker, path))
    alice, bob = relay.phone("127.0.0.11"), relay.phone("127.0.0.22")
    caller, _ = relay.call(alice, bob)
    packet = rtp.build(b"hello", 0, 1, 160, 1234)
    alice.rtp.sendto(packet, (HOST, port(caller).number))
    relay.turns.turn()
    assert (bob.heard(), relay.threads.lent) == ([packet], 0)
    for worker, path in waiting:
        worker.recall(path, relay.turns.seconds())
    relay.close()


@needs_native
def test_a_path_that_a_thread_cannot_watch_stays_with_python(relay: Threaded) -> None:
    """How a thread finds that out is in `check.c`: here it is said in its place."""
    alice, bob, (caller, _) = lent(relay)
    (number,) = [number for number, known in relay.threads._ports.items() if known is port(caller)]
    os.write(relay.threads._written, native._REPORT.pack(number, native._native.lib.DEAF, 0))
    relay.turns.turn()
    assert not relay.is_lent()
    for sequence in range(2, 5):
        alice.rtp.sendto(rtp.build(bytes(160), 0, sequence, 160 * sequence, 1234), (HOST, port(caller).number))
        relay.turns.turn()
    assert len(received(bob, 3)) == 3
    assert not relay.is_lent()


@needs_native
@pytest.mark.parametrize("spare", range(7))
def test_without_descriptors_there_are_no_threads_and_nothing_is_left_open(spare: int) -> None:
    before, limits = sorted(os.listdir("/proc/self/fd")), resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(map(int, before))
    gaps = highest + 1 - len(before)
    filled = [os.dup(0) for _ in range(gaps)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 1 + spare, limits[1]))
    try:
        with pytest.raises(OSError, match=r"Too many open files|no descriptors"):
            NativeThreads(Turns(), 2, SILENCE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for descriptor in filled:
            os.close(descriptor)
    assert sorted(os.listdir("/proc/self/fd")) == before


# The sources by themselves

WARNINGS = "-std=gnu11 -g -O1 -Wall -Wextra -Werror".split()
COMPILERS = [name for name in (GCC, CLANG) if name]


def compiled(compiler: str, sanitizers: str, main: str, folder: Path, *more: str) -> Path:
    """The sources with this main program, for these sanitizers."""
    sources = [str(SOURCES / name) for name in ("packet.c", "latch.c", "reception.c", "port.c", "worker.c")]
    program = folder / "program"
    flags = [*WARNINGS, f"-fsanitize={sanitizers}", "-fno-sanitize-recover=all", *more, "-o", str(program)]
    done = subprocess.run(
        [compiler, *flags, str(SOURCES / main), *sources, "-lm", "-lpthread"],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode and "cannot find" in done.stdout:
        pytest.skip(f"{compiler} has no sanitizers: {done.stdout.strip().splitlines()[0]}")
    assert not done.returncode, done.stdout
    return program


def ran(*words: object) -> str:
    done = subprocess.run(
        [str(word) for word in words], check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert not done.returncode, done.stdout
    return done.stdout


@pytest.mark.skipif(not COMPILERS, reason="no C compiler")
@pytest.mark.parametrize("sanitizers", ["address,undefined", "thread"])
@pytest.mark.parametrize("compiler", COMPILERS or [""])
def test_the_worker_is_clean_under_the_sanitizers(compiler: str, sanitizers: str, tmp_path: Path) -> None:
    assert ran(compiled(compiler, sanitizers, "check.c", tmp_path)) == "16000 packets, 8000 keys\n"


@pytest.mark.skipif(not COMPILERS, reason="no C compiler")
@pytest.mark.parametrize("seed", [1, 2])
def test_no_datagram_reads_beyond_itself(seed: int, tmp_path: Path) -> None:
    rounds = count(20_000, 10_000_000)
    assert ran(compiled(COMPILERS[0], "address,undefined", "fuzz.c", tmp_path), seed, rounds) == f"{rounds} rounds\n"


@pytest.mark.skipif(not CLANG, reason="no clang, whose libFuzzer this is for")
def test_libfuzzer_finds_nothing(tmp_path: Path) -> None:
    assert CLANG is not None
    program = compiled(CLANG, "fuzzer,address,undefined", "fuzz.c", tmp_path, "-DLIBFUZZER")
    (tmp_path / "found").mkdir()
    ran(program, f"-runs={count(50_000, 50_000_000)}", "-max_len=4096", "-seed=1", tmp_path / "found")


def test_the_sources_are_less_than_eight_hundred_lines() -> None:
    names = [*SOURCES.glob("*.c"), *SOURCES.glob("*.h")]
    program = [path for path in names if path.name not in {"check.c", "fuzz.c"}]
    assert sum(len(path.read_text().splitlines()) for path in program) < 800
