"""What parsers remember of hostile messages is bounded in bytes, and not in number alone."""

from __future__ import annotations

import contextlib
import tracemalloc
from collections.abc import Callable

import pytest

from pbx.media.description import read_offer
from pbx.sip.dialog import Dialog
from pbx.sip.errors import Malformed
from pbx.sip.headers import CONTACT
from pbx.sip.uri import parse_uri
from pbx.testing.clock import VirtualClock
from tests.sip.wire import Wire, request

LONG = 50_000  # bytes: a datagram has room for so many
HEAD = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=audio 4000 RTP/AVP 0\n"


def uri(filling: str) -> None:
    parse_uri(f"sip:a@192.0.2.1;x={filling}")


def address(filling: str) -> None:
    CONTACT.parse(f'"{filling}" <sip:a@192.0.2.1>')


def contact(filling: str) -> None:
    Dialog.as_uas(request(contact=f'"{filling}" <sip:a@192.0.2.1>'), "ours", Wire(VirtualClock()))


def description(filling: str) -> None:
    lines = "".join([f"a={filling[at : at + 4]}\n" for at in range(0, LONG, 4)])
    read_offer(f"{HEAD}{lines}".encode(), frozenset({"pcmu"}))


@pytest.mark.parametrize("read", [uri, address, contact, description])
def test_long_values_are_not_remembered(read: Callable[[str], None]) -> None:
    tracemalloc.start()
    try:
        for number in range(40):
            with contextlib.suppress(Malformed):
                read(f"{number:06}" * (LONG // 6))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 20 * LONG
