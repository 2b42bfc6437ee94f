"""Targets are values, and a wrong one is refused where it is written."""

from __future__ import annotations

from typing import Any

import pytest

from pbx.exchange.target import ExtensionTarget, UriTarget, ext, uri


def test_targets_are_hashable_values_that_print_as_they_were_written() -> None:
    assert {ext("101"), ext("101"), uri("sip:a@b")} == {ExtensionTarget("101"), UriTarget("sip:a@b")}
    assert str(ext("101")) == "101"
    assert str(uri("sips:desk@example.org;transport=tcp")) == "sips:desk@example.org;transport=tcp"


@pytest.mark.parametrize("number", ["", "1 01", "10\n1"])
def test_no_extension_has_such_a_number(number: str) -> None:
    with pytest.raises(ValueError, match="without spaces"):
        ext(number)


def test_a_number_that_is_not_text_is_refused_with_the_remedy() -> None:
    number: Any = 101
    with pytest.raises(TypeError, match=r'ext\("101"\)'):
        ext(number)


@pytest.mark.parametrize(
    "text", ["", "101", "sip:", "sip:a b@c", "mailto:a@b", "tel:+331", "sip:a@b:99999", "<sip:a@b>"]
)
def test_what_is_no_sip_uri_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="sip:"):
        uri(text)


def test_a_uri_that_is_not_text_is_refused() -> None:
    number: Any = 5070
    with pytest.raises(TypeError, match="as text"):
        uri(number)
