"""What rtpengine says of a call's streams, and what becomes of it when it says anything else."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pbx.media.rtpengine import _facts

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["medias", "streams", "stats", "endpoint", "address", "port", "1"]), inner)
    ),
)


def stream(host: str, port: int, packets: int) -> dict[str, Any]:
    """A stream as rtpengine 10.5 describes it."""
    where = {"family": "IPv4", "address": host, "port": port}
    return {
        "local port": port + 10_000,
        "local address": "127.0.0.1",
        "endpoint": where,
        "advertised endpoint": where,
        "last packet": 1_795_661_177,
        "flags": ["RTP", "filled"],
        "stats": {"packets": packets, "bytes": 172 * packets, "errors": 1},
    }


def test_packets_and_addresses_of_either_side() -> None:
    media = [
        {"index": 1, "type": "audio", "protocol": "RTP/AVP", "streams": [stream(host, 40_000, packets), {}]}
        for host, packets in (("10.0.0.1", 50), ("10.0.0.2", 0))
    ]
    answer = {"result": "ok", "tags": {"1": {"medias": media[:1]}, "2": {"medias": media[1:]}}}
    (caller,), (callee,) = _facts(answer, "1"), _facts(answer, "2")
    assert (caller.kind, caller.port, caller.signalled, caller.source) == (
        "audio", 50_000, ("10.0.0.1", 40_000), ("10.0.0.1", 40_000)
    )  # fmt: skip
    assert (caller.packets_in, caller.octets_in, caller.packets_out, caller.garbage) == (50, 8600, 0, 1)
    assert (callee.source, callee.packets_in, callee.packets_out, callee.octets_out) == (None, 0, 50, 8600)
    assert _facts(answer, "3") == _facts({}, "1") == ()


@given(JSON, JSON)
def test_anything_is_facts_or_none(one: Any, other: Any) -> None:
    _facts({"tags": one}, "1")
    _facts({"tags": {"1": {"medias": [{"type": one, "streams": [other]}]}, "2": other}}, "1")
    _facts({"tags": {"1": {"medias": one}, "2": {"medias": other}}}, "1")
