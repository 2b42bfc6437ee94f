"""The exchange bears the fuzzer, and the fuzzer finds what is planted."""

from __future__ import annotations

import itertools
import random
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz import __main__ as program
from fuzz import office
from fuzz.mutation import KINDS, damaged
from fuzz.office import Figures, Generation
from pbx.sip import message, uas
from pbx.sip.user_agent import UserAgent
from tests.counts import count

SEED = 1
INVITE = (
    b"INVITE sip:1002@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.1.1;branch=z9hG4bK1\r\nCSeq: 1 INVITE\r\n"
    b"Content-Length: 5\r\n\r\nv=0\r\n"
)


@pytest.mark.parametrize("number", range(count(3, 300)))
def test_exchange_bears_any_misuse_and_damage(number):
    figures = Generation(SEED, number).run(count(25, 100))
    assert figures.damaged > 50
    assert figures.datagrams > 100
    assert figures.pieces > 100
    assert 10 < figures.strangers["believed"] < figures.strangers["proven"] < figures.strangers["sent"]


def test_generation_is_the_same_each_time():
    first, second = (Generation(SEED, 7).run(5) for _ in range(2))
    assert first.answers == second.answers
    assert first.drops == second.drops
    assert first.datagrams == second.datagrams


@pytest.fixture
def found(logged_errors):
    """What the fuzzer says of an exchange in which something is planted."""

    def run(generation: Generation, rounds: int = 50) -> str:
        with pytest.raises(AssertionError) as caught:
            generation.run(rounds)
        logged_errors()
        assert f"seed {SEED}, generation 0, round" in caught.value.__notes__[0]
        return str(caught.value)

    return run


@pytest.fixture
def generation() -> Generation:
    return Generation(SEED, 0)


def test_exception_is_found(monkeypatch, generation, found):
    check = uas.check

    def fails_now_and_then(request):
        check(request)
        assert request.cseq < 3, "planted"

    monkeypatch.setattr(uas, "check", fails_now_and_then)
    assert "planted" in found(generation)


def test_leak_is_found(monkeypatch, generation, found):
    monkeypatch.setattr(UserAgent, "forget", lambda agent, session: None)
    assert "left behind" in found(generation)


def test_growing_memory_is_found(monkeypatch, generation, found):
    check, kept = uas.check, []

    def keeps(request):
        kept.extend([request.call_id] for _ in range(10))
        check(request)

    monkeypatch.setattr(uas, "check", keeps)
    assert "objects more" in found(generation)


def test_message_that_nobody_can_read_is_found(monkeypatch, generation, found):
    monkeypatch.setattr(message, "reason_of", lambda status: "OK\r\nVery")
    assert "malformed header field" in found(generation)


def test_slow_datagram_is_found(monkeypatch, generation, found):
    monkeypatch.setattr(office, "SLOW", 0.0)
    assert "one packet took" in found(generation)


@pytest.mark.parametrize(("grows", "status"), [(0.0, 0), (5.0, 1)])
def test_memory_that_grows_from_one_exchange_to_the_next_is_found(monkeypatch, capsys, grows, status):
    sizes = itertools.count(100.0, grows)
    monkeypatch.setattr(program, "resident", lambda: next(sizes))
    monkeypatch.setattr(program, "Generation", Quick)
    monkeypatch.setattr(program, "MORE", 4.0)
    monkeypatch.setattr(sys, "argv", ["fuzz", "--seconds", "0.01", "--seed", "1"])
    monkeypatch.setattr(program, "WARM", 1)
    assert program.main() == status
    assert ("memory is not flat" in capsys.readouterr().err) is bool(status)


class Quick(Generation):
    """Over soon."""

    def run(self, rounds: int) -> Figures:
        return super().run(2)


@pytest.mark.parametrize("kind", dict.fromkeys(KINDS), ids=lambda kind: kind.__name__)
@given(st.binary(max_size=200) | st.just(INVITE), st.integers())
def test_every_kind_of_damage_can_be_done_to_anything(kind, packet, seed):
    for corpus in ([], [packet], [INVITE, b""]):
        assert isinstance(kind(random.Random(seed), packet, corpus), bytes)


def test_damage_is_done_and_fits_into_a_datagram():
    source = random.Random(SEED)
    results = {damaged(source, INVITE, [INVITE * 500]) for _ in range(500)}
    assert len(results) > 300
    assert max(map(len, results)) <= 65_000
