"""Real phones behind an edge proxy (RFC 3327), with several flows (RFC 5626), and after their power was cut."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.eventually import eventually
from tests.interop.exchange import REALM, Exchange, password
from tests.interop.office import FIRST_TONE, SAMPLE, SECOND_TONE, hears, talk
from tests.phones.baresip import Baresip
from tests.phones.kamailio import Kamailio
from tests.phones.linphone import Linphone

DESK = "urn:uuid:00000000-0000-4000-8000-000000001002"


@pytest.fixture(scope="module")
def exchange() -> Iterator[Exchange]:
    """Running, and asking its phones every second whether they are there."""
    with Exchange(SAMPLE, ["1001", "1002"], streams=["tcp"], qualify=1) as running:
        yield running


def desk(exchange: Exchange, number: str, name: str, **features: object) -> Baresip:
    tone = FIRST_TONE if number == "1001" else SECOND_TONE
    folder = exchange.folder / name / number
    return Baresip(number, password(number), exchange.address, folder, tone=tone, **features)  # type: ignore[arg-type]


def rows(exchange: Exchange, number: str) -> list[dict[str, object]]:
    return exchange.ask("registrations", number)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("manages_flows", [False, True])
def test_phone_behind_an_edge_proxy_is_called_through_it(exchange: Exchange, manages_flows: bool) -> None:
    name = f"edge-{manages_flows}"
    with Kamailio(exchange.address, exchange.folder / f"kamailio-{name}", edge=True) as proxy:
        way: dict[str, object] = {"flows": (f"sip:{proxy.address}",)} if manages_flows else {"outbound": proxy.address}
        with desk(exchange, "1001", name) as caller, desk(exchange, "1002", name, **way) as callee:
            eventually(lambda: caller.registered and callee.registered, within=10)
            [row] = rows(exchange, "1002")
            assert row["path"] == f"<sip:{proxy.address};lr;ob>"
            assert (row["instance"], row["reg_id"]) == (DESK, 1 if manages_flows else None)
            talk((caller, callee))
            caller.hang_up()
            callee.sees("CALL_CLOSED")
            eventually(lambda: proxy.passed("INVITE") == 1 and proxy.passed("BYE") == 1, within=5)
            eventually(lambda: rows(exchange, "1002")[0]["reachable"] is True, within=10)
            assert proxy.passed("OPTIONS") >= 1
    eventually(lambda: exchange.registered() == [], within=5)


@pytest.mark.timeout(60)
def test_phone_with_two_flows_rings_once(exchange: Exchange) -> None:
    flows = (f"sip:{exchange.addresses['tcp']};transport=tcp", f"sip:{exchange.address}")
    with desk(exchange, "1001", "flows") as caller, desk(exchange, "1002", "flows", flows=flows) as callee:
        eventually(lambda: len(rows(exchange, "1002")) == 2 and caller.registered, within=10)
        found = sorted((row["reg_id"], row["transport"], row["instance"]) for row in rows(exchange, "1002"))
        assert found == [(1, "TCP", DESK), (2, "UDP", DESK)]
        talk((caller, callee))
        assert [event["type"] for event in callee.events].count("CALL_INCOMING") == 1
        callee.hang_up()
        caller.sees("CALL_CLOSED")
    eventually(lambda: exchange.registered() == [], within=5)


@pytest.mark.timeout(60)
def test_phone_whose_power_was_cut_has_one_place_when_it_is_back(exchange: Exchange) -> None:
    with desk(exchange, "1001", "power") as caller:
        phone = desk(exchange, "1002", "power")
        eventually(lambda: caller.registered and phone.registered, within=10)
        [before] = rows(exchange, "1002")
        phone.vanish()
        with desk(exchange, "1002", "power-again") as back:
            eventually(lambda: back.registered, within=10)
            [now] = rows(exchange, "1002")
            assert now["address"] != before["address"]
            assert now["instance"] == before["instance"] == DESK
            talk((caller, back))
            caller.hang_up()
            back.sees("CALL_CLOSED")


@pytest.mark.timeout(60)
def test_linphone_names_itself_answers_and_is_told_why_it_is_refused(exchange: Exchange) -> None:
    with (
        desk(exchange, "1001", "linphone") as caller,
        Linphone("1002", password("1002"), exchange.address, REALM, exchange.folder / "lin") as phone,
    ):
        eventually(lambda: caller.registered and phone.registered, within=10)
        [row] = rows(exchange, "1002")
        assert str(row["instance"]).startswith("urn:uuid:")
        eventually(lambda: rows(exchange, "1002")[0]["reachable"] is True, within=10)
        calls = len(caller.heard(FIRST_TONE))
        caller.dial("1002")
        caller.sees("CALL_RINGING")
        phone.accept()
        caller.sees("CALL_ESTABLISHED")
        hears(caller, FIRST_TONE, calls)
        caller.hang_up()
        caller.sees("CALL_CLOSED")
    with Linphone("1002", "wrong", exchange.address, REALM, exchange.folder / "wrong"):
        eventually(lambda: why(exchange, "1002") == [(401, "wrong password")], within=10)


def why(exchange: Exchange, number: str) -> list[tuple[object, object]]:
    return [(row["status"], row["why"]) for row in exchange.ask("registrations", number, "--last")]
