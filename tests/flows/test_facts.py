"""What is known of a call's sound, for its record and for whoever asks why nobody heard anything."""

from __future__ import annotations

from pbx.testing.exchange import SimulatedExchange
from tests.flows.office import ACCOUNTS, office, plan
from tests.media.network import result


def test_the_facts_of_each_stream_are_readable_during_a_call_and_at_its_end():
    sim, (alice, bob) = office("1001", "1002")
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: alice.talking)
    (bridge,) = sim.exchange.switchboard.calls.values()
    assert sim.talk(alice, bob)
    (during,), _ = result(bridge.streams())
    alice.hangs_up()
    sim.until(lambda: bob.idle)
    (callers,), (callees,) = result(bridge.streams())
    assert (callers.kind, callees.kind) == ("audio", "audio")
    assert callers.packets_in == callees.packets_out >= during.packets_in > 0
    assert callees.packets_in == callers.packets_out > 0
    for phone, facts in ((alice, callers), (bob, callees)):
        assert facts.source == facts.signalled
        assert facts.source[0] == phone.host
        assert (facts.lost, facts.strange, facts.garbage) == (0, 0, 0)
        assert 0 < facts.latched_at <= facts.heard_at


def test_the_facts_show_what_a_phone_behind_nat_said_and_where_it_was_heard():
    sim = SimulatedExchange(plan, ACCOUNTS)
    alice, bob = sim.phone("1001", behind_nat="192.168.1.93"), sim.phone("1002")
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: alice.talking)
    (bridge,) = sim.exchange.switchboard.calls.values()
    assert sim.talk(alice, bob)
    alice.hangs_up()
    sim.until(lambda: bob.idle)
    (facts,), _ = result(bridge.streams())
    assert facts.signalled[0] == "192.168.1.93"
    assert facts.source[0] == alice.host
    assert facts.latched_at > 0
    (record,) = sim.records.rows
    sound = record.from_caller
    told = [f"{host}:{port}" for host, port in (facts.signalled, facts.source)]
    assert [sound.signalled, sound.source] == told
    assert sound.packets == facts.packets_in > 0 and sound.latched_at == facts.latched_at


def test_record_of_a_phone_that_said_nothing_has_no_latch():
    sim, (alice, bob) = office("1001", "1002")
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: alice.talking)
    bob.says(1)
    alice.hangs_up()
    sim.until(lambda: bob.idle)
    (record,) = sim.records.rows
    caller, callee = record.from_caller, record.from_callee
    assert (caller.packets, caller.source, caller.latched_at) == (0, "", None)
    assert record.answered_at <= callee.latched_at <= record.ended_at


def test_a_callee_that_does_not_answer_adds_no_facts():
    sim, (alice, bob) = office("1001", "1002")
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    (bridge,) = sim.exchange.switchboard.calls.values()
    bob.declines()
    sim.until(lambda: alice.idle)
    assert result(bridge.streams()) == [()]
