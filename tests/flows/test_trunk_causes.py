"""Causes of the telephone network (Q.850, RFC 3326) on trunks: what a provider's mean, and which it is told."""

from __future__ import annotations

from pbx.exchange.outcome import Answered, Busy, Declined, NoAnswer
from pbx.sip.headers import REASON
from tests.flows.trunks import NUMBER, callee_hangs_up, office, outcomes, sent_to


def test_cause_of_the_network_counts_more_than_a_vague_status():
    sim = office()
    acme, backup = sim.trunk("acme"), sim.trunk("backup")
    alice = sim.phone("1001")
    for status, cause, outcome in ((503, 17, Busy), (500, 21, Declined), (480, 34, Answered), (503, 19, NoAnswer)):
        acme.fails(status, REASON.field(f"Q.850;cause={cause}"))
        alice.invites(NUMBER)
        sim.until(lambda: alice.talking or alice.idle)
        if alice.talking:
            callee_hangs_up(sim)
        sim.advance(1)
        assert type(outcomes[-1]) is outcome
    assert backup.calls == 1
    sim.assert_idle()


def test_caller_of_the_network_is_told_why_in_its_own_words():
    sim = office()
    acme = sim.trunk("acme")
    alice = sim.phone("1001")
    alice.busy = True
    caller = acme.call("+15551234567", to="+14155550100")
    sim.until(lambda: caller.idle)
    assert caller.call.status == 486
    assert ("reason", "Reason", 'Q.850;cause=17;text="User busy"') in caller.call.fields
    sim.assert_idle()


def reasons(sim, host: str, method: bytes) -> list[str]:
    """The Reason of each request of a method that went to a host, retransmissions left out."""
    found = dict.fromkeys(packet for packet in sent_to(sim, host) if packet.startswith(method + b" "))
    return [line[8:].decode() for packet in found for line in packet.split(b"\r\n") if line.startswith(b"Reason: ")]


def test_network_is_told_by_its_own_causes_why_we_end_a_call():
    sim = office()
    acme = sim.trunk("acme")
    alice = sim.phone("1001")
    alice.invites(NUMBER)
    sim.until(lambda: alice.talking)
    alice.hangs_up()
    sim.advance(1)
    assert reasons(sim, "10.9.1.1", b"BYE") == ['Q.850;cause=16;text="Normal call clearing"']
    acme.rings()
    alice.invites(NUMBER)
    sim.until(lambda: acme.gateway.ringing)
    alice.hangs_up()
    sim.advance(1)
    alice.invites(NUMBER)
    sim.advance(31)  # ring_for
    assert reasons(sim, "10.9.1.1", b"CANCEL") == [
        'Q.850;cause=16;text="Normal call clearing"',
        'Q.850;cause=19;text="No answer"',
    ]
    sim.assert_idle()


def test_caller_of_the_network_is_hung_up_with_a_cause_and_a_phone_is_not():
    sim = office()
    acme = sim.trunk("acme")
    alice = sim.phone("1001")
    caller = acme.call("+15551234567", to="+14155550100")
    sim.until(lambda: alice.ringing)
    alice.answers()
    sim.until(lambda: caller.talking)
    alice.hangs_up()
    sim.until(lambda: caller.idle)
    assert reasons(sim, caller.host, b"BYE") == ['Q.850;cause=16;text="Normal call clearing"']
    sim.assert_idle()
