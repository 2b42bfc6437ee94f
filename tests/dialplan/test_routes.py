from __future__ import annotations

import pytest

from pbx.dialplan import Plan, redirect, uri
from tests.dialplan.scripted import ScriptedBridge


@pytest.mark.parametrize("pattern", ["600", "<number:6XX>"])
def test_a_route_can_be_a_redirection(pattern: str) -> None:
    plan = Plan()
    plan.internal(pattern)(redirect("sip:desk@example.org", uri("sip:night@example.org"), status=301))
    bridge = ScriptedBridge("600")
    plan.run(bridge)
    assert bridge.done[0] == ("redirect", "sip:desk@example.org", "sip:night@example.org", 301)


def test_a_wrong_redirection_is_found_at_load() -> None:
    with pytest.raises(ValueError, match="needs an address"):
        redirect()
    with pytest.raises(ValueError, match="status is 300 to 399"):
        redirect("sip:desk@example.org", status=486)
    with pytest.raises(ValueError, match="http"):
        redirect("http://example.org")
