"""Two real phones in a conversation press keys: each arrives at the other once, in the form that it knows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count

import pytest

from pbx.media import native
from tests.counts import FULL
from tests.eventually import eventually
from tests.interop.exchange import REALM, Exchange, password
from tests.interop.office import FIRST_TONE, SAMPLE, SECOND_TONE
from tests.phones.baresip import Baresip
from tests.phones.linphone import Linphone

NUMBERS = count()
ENGINES = [
    "python",
    pytest.param("native", marks=pytest.mark.skipif(not native.is_there(), reason="the native relay is not built")),
]


@pytest.fixture(scope="module", params=ENGINES)
def exchange(request: pytest.FixtureRequest) -> Iterator[Exchange]:
    with Exchange(SAMPLE, ["1001", "1002"], engine=request.param) as running:
        yield running


@pytest.mark.timeout(120)
@pytest.mark.parametrize("info", [False, True], ids=["both in RTP", "one by INFO"])
@pytest.mark.parametrize("baresip_calls", [True, False] if FULL else [True])
def test_each_key_arrives_once(exchange: Exchange, info: bool, baresip_calls: bool) -> None:
    """A Linphone that tells of keys by INFO has no telephone-event; a baresip tells of them in RTP alone."""
    folder = exchange.folder / str(next(NUMBERS))
    place = exchange.address
    with (
        Baresip("1001", password("1001"), place, folder / "1001", tone=FIRST_TONE) as one,
        Linphone("1002", password("1002"), place, REALM, folder / "1002", tone=SECOND_TONE, info=info) as other,
    ):
        eventually(lambda: one.registered and other.registered, within=10)
        if baresip_calls:
            one.dial("1002")
            other.sees("Receiving new incoming call")
            other.accept()
        else:
            other.dial("1001")
            one.sees("CALL_INCOMING")
            one.accept()
        one.sees("CALL_ESTABLISHED")
        other.sees("Media streams established")
        eventually(lambda: sum(one.heard(SECOND_TONE)) >= 1, within=10)
        one.press("12*045#")
        eventually(lambda: other.keys == "12*045#", within=10)
        other.press("314159")
        eventually(lambda: one.keys == "314159", within=10)
        before = sum(one.heard(SECOND_TONE))
        eventually(lambda: sum(one.heard(SECOND_TONE)) >= before + 1, within=10)
        calls = len(records(exchange))
        one.hang_up()
        other.sees("ended")
        eventually(lambda: len(records(exchange)) > calls, within=10)
        assert (one.keys, other.keys) == ("314159", "12*045#")
        assert other.heard(FIRST_TONE) >= 1
    # Who had none in its sound was told by INFO, and told so; the other one heard of no INFO.
    assert informed(exchange) == ([True] * len("12*045#") + [False] * len("314159") if info else [])


def records(exchange: Exchange) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(exchange.command("records", "--json"))
    return found


def informed(exchange: Exchange) -> list[bool]:
    """Of each INFO of the last call whether the exchange has sent it."""
    told = json.loads(exchange.command("trace", records(exchange)[-1]["id"], "--json"))
    return [one["source"] == "exchange" for one in told if one["label"] == "INFO"]
