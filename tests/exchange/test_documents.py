"""XML documents: nothing that a phone sends is trusted, and nothing that it wrote spoils what others get."""

from __future__ import annotations

import pytest

from pbx.exchange.documents import DEEPEST, printable, read
from pbx.sip.errors import Malformed

BOMB = b'<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">]><a>&c;</a>'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"Presence: open",
        b"<presence>",
        b"<a/><b/>",
        b"<a>\xff</a>",
        b"<a>\x00</a>",
        "<a>ü</a>".encode("utf-16"),
        b"<a>&unknown;</a>",
        b"<p:a/>",
        BOMB,
        b"<a>" * (DEEPEST + 1) + b"</a>" * (DEEPEST + 1),
        b"<a>" * 5000 + b"</a>" * 5000,
    ],
)
def test_what_is_no_document_is_400(body):
    with pytest.raises(Malformed) as caught:
        read(body)
    assert caught.value.status == 400


def test_a_document_is_read():
    inside = "<b>" * (DEEPEST - 1) + "é" + "</b>" * (DEEPEST - 1)
    body = f'\ufeff<?xml version="1.0" encoding="UTF-8"?><a>{inside}</a>'
    assert read(body.encode()).tag == "a"


def test_what_cannot_stand_in_xml_is_shown_so():
    assert printable("a\0b\udcff\nc") == "a?b??c"
