from __future__ import annotations

import pytest

from pbx.sip.errors import Malformed
from pbx.sip.headers import REPLACES
from pbx.sip.replaces import Replaces, parse_replaces


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("98732@example.com;from-tag=r33th4x0r;to-tag=ff87ff", ("98732@example.com", "ff87ff", "r33th4x0r", False)),
        ("12adf2f34456gs5;to-tag=12345;from-tag=54321;early-only", ("12adf2f34456gs5", "12345", "54321", True)),
        ("87134@171.161.34.23;to-tag=24796;from-tag=0", ("87134@171.161.34.23", "24796", "0", False)),
    ],
)
def test_replaces_is_read(text, value):
    """RFC 3891 6.1, in its own examples."""
    assert parse_replaces(REPLACES.parse(text)) == Replaces(*value)


@pytest.mark.parametrize("text", ["1", "1;to-tag=2", "1;from-tag=2", "1;to-tag;from-tag=2", "1;early-only"])
def test_both_tags_are_needed(text):
    with pytest.raises(Malformed, match="400"):
        parse_replaces(REPLACES.parse(text))
