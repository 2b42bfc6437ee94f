from __future__ import annotations

from pbx.sip.gate import OPEN


def test_open_gate_lets_everybody_in_whatever_came_from_there():
    OPEN.bothered("UDP", "192.0.2.9", 5060)
    assert not OPEN.alert
    assert not OPEN.shuts_out("UDP", "192.0.2.9", 5060)
