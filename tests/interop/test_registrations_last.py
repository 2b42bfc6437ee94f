"""What the exchange has acknowledged to a phone survives `kill -9`; a phone is called where it registered from."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator

import pytest

from tests.counts import count
from tests.eventually import eventually
from tests.interop.exchange import TRUSTING, Exchange, password
from tests.interop.office import SAMPLE
from tests.phones.registrant import Registrant
from tests.phones.sipp import Sipp

NUMBERS = [str(number) for number in range(1001, 1021)]
CALLER = "1999"


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    """Running, with twenty extensions and one that calls them."""
    exchange = Exchange(SAMPLE)
    exchange.insert((number, password(number)) for number in [*NUMBERS, CALLER])
    with exchange:
        yield exchange
        print(exchange.log())


def call_all(exchange: Exchange, numbers: Iterable[str], port: int) -> None:
    """Calls each of the numbers; one SIPp at `port` answers for all of them."""
    calls = [(CALLER, password(CALLER), number) for number in numbers]
    folder, count = exchange.folder, len(calls)
    with (
        Sipp("callee", folder / "callee", port=port, calls=count) as callee,
        Sipp("known_caller", folder / "caller", server=exchange.address, calls=count, accounts=calls) as caller,
    ):
        caller.finish(20)
        callee.finish(5)


def test_registrations_survive_a_kill_in_their_midst(exchange: Exchange) -> None:
    with Registrant(exchange.address) as phones:
        for number in NUMBERS[:12]:
            assert phones.register(number, password(number)) == 200
        last = time.monotonic()
        eventually(lambda: time.monotonic() > last + 1, within=2)
        for number in NUMBERS[12:19]:
            assert phones.register(number, password(number)) == 200
        phones.begin(NUMBERS[19], password(NUMBERS[19]))
        exchange.kill()
        killed = time.monotonic()
        port = phones.port
    kept = [number for number, at in phones.acknowledged.items() if at < killed - 1]
    assert kept == NUMBERS[:12]

    exchange.start()
    assert set(kept) <= set(exchange.registered()) <= set(NUMBERS)
    call_all(exchange, kept, port)


def test_registrations_survive_a_kill_afterwards(exchange: Exchange) -> None:
    with Registrant(exchange.address) as phones:
        for number in NUMBERS:
            assert phones.register(number, password(number)) == 200
        last = time.monotonic()
        eventually(lambda: time.monotonic() > last + 1, within=2)
        exchange.kill()
        port = phones.port

    exchange.start()
    assert exchange.registered() == NUMBERS
    call_all(exchange, NUMBERS, port)


def test_phone_behind_nat_is_called_where_it_registered_from(exchange: Exchange) -> None:
    # 192.0.2.0/24 is for documentation (RFC 5737): nothing sent there would arrive.
    with Registrant(exchange.address) as phone:
        assert phone.register("1001", password("1001"), contact="sip:1001@192.0.2.1:5060") == 200
        port = phone.port
    call_all(exchange, ["1001"], port)


@pytest.mark.timeout(60 + count(2, 50) * 30)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_registrations_survive_kills_at_random_moments(kind: str, request: pytest.FixtureRequest) -> None:
    url = "sqlite:///pbx.db" if kind == "sqlite" else request.getfixturevalue("cluster").database()
    exchange = Exchange(SAMPLE, database=url, security=TRUSTING)
    exchange.insert((number, password(number)) for number in NUMBERS)
    chance = random.Random(4)
    # When each number was acknowledged first since it was not registered: it stays so whatever follows.
    since: dict[str, float] = {}
    with exchange:
        for _ in range(count(2, 50)):
            with Registrant(exchange.address) as phones:
                end = time.monotonic() + chance.uniform(0.25, 3)
                while time.monotonic() < end:
                    number = chance.choice(NUMBERS)
                    assert phones.register(number, password(number)) == 200
                    since.setdefault(number, phones.acknowledged[number])
                phones.begin(number, password(number))
                exchange.kill()
                killed = time.monotonic()
            exchange.command("db", "check")
            exchange.start()
            registered = set(exchange.registered())
            assert {number for number, at in since.items() if at < killed - 1} <= registered <= set(NUMBERS)
            since = {number: at for number, at in since.items() if number in registered}
