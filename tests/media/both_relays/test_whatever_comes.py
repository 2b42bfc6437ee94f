"""The relay in Python and the native one do the same, whatever comes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.media import native
from tests.media.loopback import ALICE, AUDIO, BOB, MALLORY, MUX, PLAIN, Loopback, facts
from tests.media.network import port

SOURCES = st.integers(0, 3)
PACKETS = st.one_of(
    st.builds(lambda kind, step: ("rtp", kind, step), st.sampled_from([0, 8, 18]), st.sampled_from([1, 1, 1, 2, -1])),
    st.builds(lambda key, end: ("key", key, end), st.integers(0, 18), st.booleans()),
    st.builds(lambda junk: ("junk", junk, 0), st.binary(max_size=60)),
    st.builds(lambda first: ("odd", first, 0), st.integers(0x80, 0xBF)),
    st.just(("rtcp", 0, 0)),
)
STEPS = st.lists(st.tuples(SOURCES, PACKETS, st.sampled_from([0.0, 0.0, 0.125, 1.0, 3.0])), max_size=40)


@pytest.mark.skipif(not native.is_there(), reason="the native relay is not built")
@given(STEPS, st.booleans())
def test_both_do_the_same_whatever_comes(steps: list, mux: bool) -> None:
    outcomes = []
    for is_native in (False, True):
        relay = Loopback(is_native)
        try:
            outcomes.append(play(relay, steps, MUX if mux else AUDIO))
        finally:
            relay.close()
    assert outcomes[0] == outcomes[1]


def play(relay: Loopback, steps: list, lines: str) -> list:
    """Play it; what everybody heard and what is known at the end, without ports, which differ from time to time."""
    alice, bob, mallory, other = (relay.phone(host) for host in (ALICE, BOB, MALLORY, ALICE))
    caller, callee = relay.call(alice, bob, lines)
    bob.says(port(callee))
    everybody = [alice, bob, mallory, other]
    seen: list = []
    for place, (kind, value, more), pause in steps:
        phone = everybody[place]
        to = port(callee if phone is bob else caller)
        relay.turn(pause)
        if kind == "rtp":
            phone.sequence += more - 1
            phone.says(to, b"sound", value)
        elif kind == "key":
            payload = bytes([value, 0x8A if more else 10, 0, 160])
            phone.says(to, payload, 101, timestamp=phone.sequence // 4 * 4000)
        elif kind == "rtcp":
            phone.reports_to(to)
        else:
            phone.sends(value if kind == "junk" else bytes([value]) + PLAIN[1:], to.number)
        seen.append([(one.heard(), one.reports()) for one in everybody])
    names = {phone.address: place for place, phone in enumerate(everybody)}
    for side in (caller, callee):
        known = facts(relay, side)
        began = relay.turns.seconds() - known.latched_at if known.latched_at else None
        seen.append(
            [
                names.get(known.source), began, known.packets_in, known.octets_in, known.packets_out, known.octets_out,
                known.lost, round(known.jitter, 6), known.garbage, known.strange,
            ]
        )  # fmt: skip
    seen.append([one.keys for one in everybody])  # when each looks for silence differs
    return seen
