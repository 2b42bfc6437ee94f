"""What passes through either relay, and what is counted of it."""

from __future__ import annotations

import pytest

from pbx.media import rtp
from tests.media.loopback import HOST, Loopback, Phone, facts, talk
from tests.media.network import port


def test_all_that_is_said_is_heard_as_it_was_said(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, callee = talk(relay, alice, bob)
    said = [alice.says(port(caller), bytes([number]) * number) for number in range(200)]
    answered = [bob.says(port(callee), payload_type=8) for _ in range(10)]
    assert (bob.heard(), alice.heard()) == (said, answered)
    assert [alice.reports_to(port(caller))] == bob.reports()
    assert [bob.reports_to(port(callee))] == alice.reports()
    assert relay.is_lent()


def test_a_burst_passes_whole_and_in_order(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, _ = talk(relay, alice, bob)
    burst = [rtp.build(bytes(100), 0, number, 0, 7) for number in range(100)]
    for packet in burst:
        alice.rtp.sendto(packet, (HOST, port(caller).number))
    relay.turn()
    assert bob.heard() == burst


def test_ipv6_passes_alike(relay: Loopback) -> None:
    relay.host = "::1"
    alice, bob = relay.phone("::1"), relay.phone("::1")
    caller, callee = talk(relay, alice, bob)
    assert [alice.says(port(caller))] == bob.heard()
    assert [bob.reports_to(port(callee))] == alice.reports()
    assert facts(relay, caller).source == alice.address


def test_each_stream_is_counted(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, callee = talk(relay, alice, bob)
    began = relay.turns.seconds()
    for _ in range(9):
        alice.says(port(caller), bytes(160))
    one, other = facts(relay, caller), facts(relay, callee)
    assert (one.packets_in, one.octets_in, one.packets_out) == (10, 17 + 9 * 172, 1)
    assert (other.packets_in, other.packets_out, other.octets_out) == (1, 10, 17 + 9 * 172)
    assert (one.signalled, one.source, other.source) == (alice.address, alice.address, bob.address)
    assert one.latched_at <= began < one.heard_at <= relay.turns.seconds()


def test_facts_can_be_read_during_a_call_and_after_it(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, _ = talk(relay, alice, bob)
    for count in range(2, 5):
        alice.says(port(caller))
        assert facts(relay, caller).packets_in == count
    relay.relay.close(caller)
    assert facts(relay, caller).packets_in == 4


@pytest.mark.parametrize(
    ("steps", "lost"),
    [([1, 1, 1], 0), ([3], 2), ([2, -1, 2], 0), ([0, 1], 0), ([3001], 0), ([3000], 2999), ([65535 - 99, 1], 0)],
)
def test_loss_is_counted_by_sequence(relay: Loopback, alice: Phone, bob: Phone, steps: list[int], lost: int) -> None:
    caller, _ = talk(relay, alice, bob)
    for alice.sequence in (30000, 65533):  # two new beginnings
        alice.says(port(caller))
    before = facts(relay, caller).lost
    alice.says(port(caller))
    for step in steps:
        alice.sequence += step - 1
        alice.says(port(caller))
    assert facts(relay, caller).lost - before == lost


def test_jitter_is_measured(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, _ = talk(relay, alice, bob)
    for number in range(100):
        relay.turn(0.015 + number % 2 * 0.008)
        alice.says(port(caller))
    assert facts(relay, caller).jitter == pytest.approx(0.004, abs=0.001)
