"""An exchange with the sample dialplan and two phones, for the tests of one file; each test finds the phones idle."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.eventually import eventually
from tests.interop.exchange import Exchange
from tests.interop.office import SAMPLE, Phones, two_phones


@pytest.fixture(scope="module")
def office() -> Iterator[Exchange]:
    """A running exchange with the sample dialplan and the extensions 1001, 1002 and 1003, none with a mailbox."""
    site = Exchange(SAMPLE, ["1001", "1002", "1003"])
    site.sql("UPDATE extensions SET voicemail = false")
    with site as running:
        yield running


@pytest.fixture
def exchange(office: Exchange) -> Iterator[Exchange]:
    """The same; what it logs during a test that fails is shown under that test."""
    before = len(office.log())
    yield office
    print(office.log()[before:])


@pytest.fixture(scope="module")
def desks(office: Exchange) -> Iterator[Phones]:
    """Two registered phones. Nobody has registered 1003."""
    with two_phones(office) as phones:
        yield phones


@pytest.fixture
def phones(desks: Phones, exchange: Exchange) -> Phones:
    """The same, idle and with nothing seen yet."""
    eventually(lambda: all(phone.idle for phone in desks), within=5)
    for phone in desks:
        phone.forget()
    return desks
