from __future__ import annotations

import pytest

from pbx.sip.status import REASONS, reason_of, recognised


@pytest.mark.parametrize(
    ("status", "treated_as", "reason"),
    [
        (100, 100, "Trying"),
        (183, 183, "Session Progress"),
        (155, 183, "Session Progress"),
        (200, 200, "OK"),
        (299, 200, "OK"),
        (399, 300, "Multiple Choices"),
        (486, 486, "Busy Here"),
        (499, 400, "Bad Request"),
        (599, 500, "Server Internal Error"),
        (699, 600, "Busy Everywhere"),
    ],
)
def test_unknown_status_is_treated_as_the_first_of_its_class(status, treated_as, reason):
    """RFC 3261 8.1.3.2."""
    assert (recognised(status), reason_of(status)) == (treated_as, reason)


def test_every_status_has_a_reason():
    assert all(reason_of(status) != "Unknown" for status in range(100, 700))
    assert reason_of(700) == "Unknown"
    assert all(reason_of(status) == reason for status, reason in REASONS.items())
