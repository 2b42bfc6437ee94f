from __future__ import annotations

import pytest

from pbx.sip.abilities import NONE, Abilities, abilities_of


@pytest.mark.parametrize(
    ("fields", "understood"),
    [
        ([], NONE),
        ([("allow", "Allow", "INVITE, ACK, BYE")], Abilities()),
        ([("allow", "Allow", "INVITE"), ("allow", "Allow", "BYE ,UPDATE")], Abilities(update=True)),
        ([("supported", "k", "replaces, 100rel")], Abilities(reliable=True)),
        ([("require", "Require", "100REL")], Abilities(reliable=True, insists=True)),
        ([("supported", "Supported", "timer")], Abilities(timer=True, refreshes=True)),
        ([("require", "Require", "timer")], Abilities(timer=True, refreshes=True)),
        ([("session-expires", "x", "1800;refresher=uac")], Abilities(timer=True)),
        ([("supported", "Supported", ""), ("subject", "Subject", "100rel")], Abilities()),
    ],
)
def test_what_a_peer_understands(fields, understood):
    assert abilities_of(fields) == understood
