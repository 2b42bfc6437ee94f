"""What the record of a call tells of how it sounded, and how long it took: each figure against what was sent."""

from __future__ import annotations

from pbx.media.quality import mean_opinion
from tests.flows.trunks import NUMBER, office

SILENCE = b"\xff" * 160  # 20 ms


def test_record_of_a_call_over_a_trunk_has_each_figure_of_both_directions() -> None:
    sim = office()
    acme = sim.trunk("acme")
    gateway, alice = acme.gateway, sim.phone("1001", payload_types=(0,))
    acme.stalls()
    began_at = sim.clock.seconds()
    alice.invites(NUMBER)
    sim.until(lambda: acme.calls == 1)
    sim.advance(3)
    gateway.call.session.progress(180)
    sim.advance(4)
    gateway.answers()
    sim.until(lambda: alice.talking and gateway.talking)
    alice.call.sound.says(440.0, 4)  # 200 packets
    sim.advance(1)
    sim.network.loses("", source=alice.host, times=20)
    for place in range(100):
        gateway.call.sound.says_later(SILENCE, place, late=0.01 * (place % 2))
    sim.advance(8)
    gateway.hangs_up()
    sim.assert_idle()
    (record,) = sim.records.rows
    assert (record.source, record.caller, record.dialled) == ("internal", "1001", NUMBER)
    assert (record.trunk_in, record.trunk_out, record.trunk) == ("", "acme", "acme")
    assert (record.reached, record.codec) == ("+14155551234", "PCMU")
    assert (record.code, record.cause, record.ended_by) == (200, "callee-hung-up", "callee")
    assert record.post_dial_delay is not None and abs(record.post_dial_delay - 3) < 0.1
    moments = (record.began_at, record.rang_at, record.answered_at, record.ended_at)
    for told, true in zip(moments, (0, 3, 7, 16), strict=True):
        assert abs(told - began_at - true) < 0.125
    (attempt,) = record.attempts
    assert (attempt.target, attempt.trunk, attempt.number) == ("+14155551234 by acme", "acme", "+14155551234")
    assert (attempt.address, attempt.code, attempt.text) == ("10.9.1.1:5060", 200, "OK")
    caller, callee = record.from_caller, record.from_callee
    assert (caller.packets, caller.lost, callee.packets, callee.lost) == (180, 20, 100, 0)
    assert caller.jitter < 0.001 and abs(callee.jitter - 0.01) < 0.001
    assert caller.opinion == mean_opinion("PCMU", 180, 20, caller.jitter) and 1 < caller.opinion < 3.5
    assert callee.opinion == mean_opinion("PCMU", 100, 0, callee.jitter) and 4.3 < callee.opinion < 4.4
    assert (caller.source, callee.source) == (caller.signalled, callee.signalled)
    assert caller.source.startswith(alice.host) and callee.source.startswith(gateway.host)
