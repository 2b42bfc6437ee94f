"""A request that comes by a second way is refused (RFC 3261 8.2.2.2)."""

from __future__ import annotations

import pytest

from tests.sip.wire import request


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
@pytest.mark.parametrize("other", [{"branch": "z9hG4bK2"}, {"sent_by": "192.0.2.8"}, {"target": "sip:x@192.0.2.1"}])
def test_request_that_comes_by_a_second_way_is_482(core, method, other):
    """RFC 3261 8.2.2.2."""
    core.answers(200)
    branch = "" if "target" in other else "z9hG4bK1"
    core.receive(request(method, branch=branch), request(**{"method": method, "branch": branch, **other}))
    assert core.told == [method]
    assert core.wire.take() == [f"200 {method}", f"482 {method}"]
    core.clock.advance(64)
    assert len(core.layer) == 0
    core.wire.take()
    core.receive(request(method))
    assert core.wire.take() == [f"200 {method}"]
    core.assert_idle()


@pytest.mark.parametrize(
    "other", [{"caller": "<sip:peer@192.0.2.9>;tag=other"}, {"call_id": "other"}, {"cseq": 2}, {"method": "OPTIONS"}]
)
def test_request_that_only_resembles_another_is_its_own(core, other):
    core.receive(request(), request(branch="z9hG4bK2", **other))
    assert len(core.told) == 2


def test_requests_in_dialogs_and_cancels_never_come_by_a_second_way(core):
    core.receive(*[request("BYE", branch=branch, callee="<sip:1001@192.0.2.1>;tag=ours") for branch in ("", "1")])
    core.receive(*[request("CANCEL", branch=branch) for branch in ("", "1")])
    assert core.told == ["BYE", "BYE", "CANCEL", "CANCEL"]


def test_request_that_was_refused_as_a_copy_does_not_hide_the_first(core):
    core.receive(request(), request(branch="z9hG4bK2"))
    core.receive(request("ACK", branch="z9hG4bK2", callee="<sip:1001@192.0.2.1>;tag=ours"))
    core.clock.advance(5)
    core.receive(request(branch="z9hG4bK3"))
    assert core.told == ["INVITE"]
